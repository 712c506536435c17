package resilient_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/perennial-go/perennial/storage"
	"github.com/perennial-go/perennial/storage/resilient"
)

// The function of an Update is not called if its caller has left before, leaves while
// another has the key, or the record can't be read.
func TestUpdateFunctionIsNotCalled(t *testing.T) {
	overAsked(t, func(t *testing.T, at *asked, s *resilient.Store, _ *events) {
		never := func(now record) ([]byte, time.Duration, error) {
			t.Error("it is called")
			return nil, 0, nil
		}
		ended, cancel := context.WithCancel(t.Context())
		cancel()
		if _, outcome, err := updated(s.Update(ended, "a", never)); !errors.Is(err, context.Canceled) || outcome != 0 {
			t.Errorf("Update: %v, %v", outcome, err)
		}
		at.stop()
		lacks(t, s, "nothing")
		if _, outcome, err := updated(s.Update(ended, "a", never)); !errors.Is(err, context.Canceled) || outcome != 0 || s.Stats().Queued != 0 {
			t.Errorf("Update while away: %v, %v", outcome, err)
		}
		at.start()
		later(10 * time.Second)
		at.set(func(s *server) { s.fault = on(errReadOnly, "look") })
		if _, outcome, err := updated(s.Update(t.Context(), "a", never)); !errors.Is(err, errReadOnly) || outcome != 0 {
			t.Errorf("Update: %v, %v", outcome, err)
		}
		at.set(func(s *server) { s.fault = nil })
		put(t, s, "a", "1", committed)
		slow := make(chan struct{})
		go func() {
			defer close(slow)
			_, _, _ = updated(s.Update(t.Context(), "a", func(record) ([]byte, time.Duration, error) {
				time.Sleep(time.Second)
				return nil, 0, resilient.ErrNoChange
			}))

		}()
		synctest.Wait()
		ctx, leave := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer leave()
		began := time.Now()
		if _, outcome, err := updated(s.Update(ctx, "a", never)); !errors.Is(err, context.DeadlineExceeded) || outcome != 0 || time.Since(began) != 100*time.Millisecond {
			t.Errorf("Update: %v, %v after %v", outcome, err, time.Since(began))
		}
		<-slow
	})
}

// An Update that changes nothing of an unseen record returns it without an error.
func TestNoChangeOfAnUnseenRecord(t *testing.T) {
	overAsked(t, func(t *testing.T, at *asked, s *resilient.Store, _ *events) {
		stores(t, at.server, "a", "1")
		r, outcome, err := updated(s.Update(t.Context(), "a", func(record) ([]byte, time.Duration, error) { return nil, 0, resilient.ErrNoChange }))
		if err != nil || outcome != committed || string(r.Value) != "1" {
			t.Errorf("Update: %+v, %v, %v", r, outcome, err)
		}
	})
}

// While the store is away, an Update without a copy is applied to no record, also with
// FailAway.
func TestUpdateOfAnUnseenRecordWhileAway(t *testing.T) {
	overAsked(t, func(t *testing.T, at *asked, s *resilient.Store, _ *events) {
		at.stop()
		if _, err := s.Get(t.Context(), "a"); !errors.Is(err, resilient.ErrAway) {
			t.Errorf("Get: %v", err)
		}
		update(t, s, "a", "1", queued)
		holds(t, s, "a", "1")
	}, resilient.FailAway())
}

// A value that a caller or a function passes is copied: changing it later has no effect,
// whether it was committed, queued or sent.
func TestValuesAreCopied(t *testing.T) {
	for _, away := range []bool{false, true} {
		overAsked(t, func(t *testing.T, at *asked, s *resilient.Store, _ *events) {
			put(t, s, "updated", "0", committed)
			if away {
				at.stop()
				lacks(t, s, "nothing")
			}
			mine := []byte("mine")
			if _, err := outcomeOf(s.Set(t.Context(), "put", mine, storage.Forever)); err != nil {
				t.Error(err)
			}
			if _, _, err := updated(s.Update(t.Context(), "updated", func(record) ([]byte, time.Duration, error) { return mine, storage.Forever, nil })); err != nil {
				t.Error(err)
			}
			copy(mine, "xxxx")
			at.stop()
			lacks(t, s, "nothing")
			holds(t, s, "put", "mine")
			holds(t, s, "updated", "mine")
			copy(mine, "mine")
			at.start()
			later(time.Minute)
			holds(t, at.memory, "put", "mine")
			holds(t, at.memory, "updated", "mine")
		})
	}
}

// The value that a function returns later is sent as it was then.
func TestValueIsSentAsItWas(t *testing.T) {
	overAsked(t, func(t *testing.T, at *asked, s *resilient.Store, _ *events) {
		at.stop()
		lacks(t, s, "nothing")
		mine := []byte("mine")
		if _, _, err := updated(s.Update(t.Context(), "a", func(record) ([]byte, time.Duration, error) { return mine, storage.Forever, nil })); err != nil {
			t.Error(err)
		}
		swapped := make(chan struct{})
		at.set(func(s *server) {
			s.fault = func(verb, _ string) error {
				if verb == "swap" {
					close(swapped)
					time.Sleep(100 * time.Millisecond)
				}
				return nil
			}
		})
		at.start()
		<-swapped
		copy(mine, "xxxx")
		later(time.Minute)
		holds(t, at.memory, "a", "mine")
		at.set(func(s *server) { s.fault = nil })
	})
}

// A deletion takes no room, whatever value is passed with it; a nil value that is kept is
// an empty one.
func TestKeepOfZero(t *testing.T) {
	for _, keep := range []time.Duration{0, -1} {
		overAsked(t, func(t *testing.T, at *asked, s *resilient.Store, _ *events) {
			large := slices.Repeat([]byte("x"), 10_000)
			gives := func(record) ([]byte, time.Duration, error) { return large, keep, nil }
			for _, away := range []bool{false, true} {
				if away {
					at.stop()
					lacks(t, s, "nothing")
				}
				if _, err := outcomeOf(s.Set(t.Context(), "put", large, keep)); err != nil {
					t.Error(err)
				}
				if r, _, err := updated(s.Update(t.Context(), "updated", gives)); err != nil || r.Found || len(r.Value) > 0 {
					t.Errorf("Update: %+v, %v", r, err)
				}
				if stats := s.Stats(); stats.Bytes > 2000 || stats.CopyBytes > 2000 {
					t.Errorf("stats: %+v", stats)
				}
			}
		})
	}
	overAsked(t, func(t *testing.T, at *asked, s *resilient.Store, _ *events) {
		for _, away := range []bool{false, true} {
			if away {
				at.stop()
				lacks(t, s, "nothing")
			}
			r, _, err := updated(s.Update(t.Context(), "a", func(record) ([]byte, time.Duration, error) { return nil, storage.Forever, nil }))
			if err != nil || !r.Found || r.Value == nil {
				t.Errorf("Update: %+v, %v", r, err)
			}
			if _, err := outcomeOf(s.Set(t.Context(), "b", nil, storage.Forever)); err != nil {
				t.Error(err)
			}
		}
		for _, key := range []string{"a", "b"} {
			if r, err := s.Get(t.Context(), key); err != nil || !r.Found || r.Value == nil {
				t.Errorf("Get: %+v, %v", r, err)
			}
		}
	})
}

// A record that waits to be written again stays this process's own though its copy is
// forgotten.
func TestRewriteOutlivesItsCopy(t *testing.T) {
	overLossy(t, func(t *testing.T, at *asked, s *resilient.Store, seen *events) {
		put(t, s, "a", "1", committed)
		synctest.Wait()
		at.stop()
		lacks(t, s, "nothing")
		at.set(func(s *server) {
			s.state, s.began = "another", time.Now()
			s.fault = func(verb, key string) error {
				if verb == "look" && key == "a" {
					return errReadOnly
				}
				return nil
			}
		})
		at.start()
		later(20 * time.Second)
		if n := len(seen.of(resilient.Emptied)); n != 1 {
			t.Errorf("it is told of %d losses", n)
		}
		for _, key := range []string{"b", "c"} {
			lacks(t, s, key)
		}
		at.set(func(s *server) { s.fault = nil })
		later(time.Minute)
		at.restarts(t, s)
		later(time.Minute)
		holds(t, at.memory, "a", "1")
	}, resilient.Copy(2, 0))
}

// A Store is named after the underlying store, or its type.
func TestNameOfAStoreWithoutString(t *testing.T) {
	at := newServer()
	s, err := resilient.New(at)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := s.String(), fmt.Sprintf("resilient(%T)", at); got != want {
		t.Errorf("it is %q, want %q", got, want)
	}
	_ = s.Close(t.Context())
	_ = at.memory.Close()
}
