package resilient_test

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/perennial-go/perennial/storage"
	"github.com/perennial-go/perennial/storage/resilient"
)

type record = storage.Record

// The value that a function returns is copied, and so is the one that it is given.
func TestUpdateCopiesValues(t *testing.T) {
	for _, away := range []bool{false, true} {
		bubble(t, func(t *testing.T, at *server, s *resilient.Store, seen *events) {
			want := committed
			for _, key := range []string{"a", "b", "c", "d", "e"} {
				put(t, s, key, "0", committed)
			}
			if away {
				want = queued
				at.stop()
				lacks(t, s, "nothing")
			}
			do := func(key string, value []byte, keep time.Duration, left time.Duration) record {
				t.Helper()
				r, outcome, err := updated(s.Update(t.Context(), key, func(now record) ([]byte, time.Duration, error) {
					clear(now.Value)
					return value, keep, nil
				}))
				if err != nil || outcome != want || r.Found != (keep > 0) || r.Left != left {
					t.Errorf("Update of %q: %+v, %v, %v", key, r, outcome, err)
				}
				return r
			}
			mine := []byte("1")
			r := do("a", mine, storage.Forever, storage.Forever)
			mine[0] = 'x'
			clear(r.Value)
			holds(t, s, "a", "1")
			do("b", nil, time.Hour, time.Hour)
			holds(t, s, "b", "")
			do("c", []byte("1"), 0, 0)
			do("d", []byte("1"), -1, 0)
			do("e", nil, 1, 1)
			mine[0] = '1'
			later(time.Second)
			for _, key := range []string{"c", "d", "e"} {
				lacks(t, s, key)
			}
			if r, err := s.Get(t.Context(), "b"); err != nil || r.Left != time.Hour-time.Second {
				t.Errorf("%v are left, %v", r.Left, err)
			}
			at.start()
			later(time.Minute)
			holds(t, at.memory, "a", "1")
			holds(t, at.memory, "b", "")
			for _, key := range []string{"c", "d"} {
				lacks(t, at.memory, key)
			}
			if stats := s.Stats(); stats.Conflicts+stats.Dropped != 0 || stats.Changes != 0 {
				t.Errorf("stats: %+v", stats)
			}
		})
	}
}

// An Update that leaves its record as it is returns it with the changes that wait.
func TestNoChangeOfWhatWaits(t *testing.T) {
	bubble(t, func(t *testing.T, at *server, s *resilient.Store, _ *events) {
		put(t, s, "a", "1", committed)
		put(t, s, "b", "1", committed)
		at.stop()
		put(t, s, "a", "2", queued)
		for _, c := range []struct {
			key, value string
			outcome    outcome
		}{{"a", "2", queued}, {"b", "1", committed}} {
			for range 2 {
				r, outcome, err := updated(s.Update(t.Context(), c.key, func(record) ([]byte, time.Duration, error) { return nil, 0, resilient.ErrNoChange }))
				if err != nil || outcome != c.outcome || string(r.Value) != c.value {
					t.Errorf("Update: %+v, %v, %v", r, outcome, err)
				}
				clear(r.Value) // is the caller's
			}
		}
		if stats := s.Stats(); stats.Changes != 1 || stats.Queued != 1 {
			t.Errorf("stats: %+v", stats)
		}
	})
}

// A function that takes its time finds what has changed meanwhile: the store is back and
// what waited is delivered, or the Store is closed.
func TestUpdateTakesLong(t *testing.T) {
	for _, c := range []struct {
		name   string
		before func(t *testing.T, s *resilient.Store)
		during func(t *testing.T, at *server, s *resilient.Store)
		want   string
		err    error
	}{
		{"nothing waits", func(*testing.T, *resilient.Store) {}, func(_ *testing.T, at *server, _ *resilient.Store) { at.start() }, "0+", nil},
		{"delivered", func(t *testing.T, s *resilient.Store) { put(t, s, "a", "1", queued) }, func(_ *testing.T, at *server, _ *resilient.Store) { at.start() }, "1+", nil},
		{"closed", func(*testing.T, *resilient.Store) {}, func(t *testing.T, _ *server, s *resilient.Store) { _ = s.Close(t.Context()) }, "0", resilient.ErrClosed},
	} {
		t.Run(c.name, func(t *testing.T) {
			bubble(t, func(t *testing.T, at *server, s *resilient.Store, _ *events) {
				put(t, s, "a", "0", committed)
				at.stop()
				lacks(t, s, "nothing")
				c.before(t, s)
				calls := 0
				r, outcome, err := updated(s.Update(t.Context(), "a", func(now record) ([]byte, time.Duration, error) {
					if calls++; calls == 1 {
						c.during(t, at, s)
						time.Sleep(10 * time.Second)
					}
					return append(now.Value, '+'), storage.Forever, nil
				}))
				if c.err != nil {
					if !errors.Is(err, c.err) || outcome != 0 || calls != 1 {
						t.Errorf("Update: %+v, %v, %v", r, outcome, err)
					}
				} else if err != nil || outcome != committed || string(r.Value) != c.want || calls != 2 {
					t.Errorf("Update: %+v, %v, %v after %d calls", r, outcome, err, calls)
				}
				at.start()
				later(time.Minute)
				holds(t, at.memory, "a", c.want)
			})
		})
	}
}

// A change that the store refuses is not tried again.
func TestRefusedChangeIsNotRetried(t *testing.T) {
	for _, refused := range []error{errReadOnly, storage.Refused(errors.New("too large"))} {
		bubble(t, func(t *testing.T, at *server, s *resilient.Store, _ *events) {
			put(t, s, "a", "1", committed)
			at.set(func(s *server) { s.fault = on(refused, "swap") })
			before := at.calls.Load()
			if r, outcome, err := updated(s.Update(t.Context(), "a", appends("2"))); !errors.Is(err, refused) || outcome != 0 || r.Found {
				t.Errorf("Update: %+v, %v, %v", r, outcome, err)
			}
			if outcome, err := outcomeOf(s.Set(t.Context(), "a", nil, storage.Forever)); !errors.Is(err, refused) || outcome != 0 {
				t.Errorf("Set: %v, %v", outcome, err)
			}
			if _, err := s.Delete(t.Context(), "a"); !errors.Is(err, refused) {
				t.Errorf("Delete: %v", err)
			}
			if n := at.calls.Load() - before; n != 3 {
				t.Errorf("three changes ask the store %d times", n)
			}
			plain, _ := client(t, bare{at})
			at.set(func(s *server) { s.fault = on(refused, "set", "delete") })
			before = at.calls.Load()
			if err := plain.Set(t.Context(), "a", nil, storage.Forever); !errors.Is(err, refused) {
				t.Errorf("Set: %v", err)
			}
			if existed, err := plain.Delete(t.Context(), "a"); !errors.Is(err, refused) || existed {
				t.Errorf("Delete: %v, %v", existed, err)
			}
			if n := at.calls.Load() - before; n != 2 {
				t.Errorf("two changes ask the store %d times", n)
			}
			holds(t, s, "a", "1")
		})
	}
}

// An update whose function fails later is dropped alone: not what it comes after, not
// what comes after it, and nothing that has replaced it meanwhile.
func TestUpdateFailsLater(t *testing.T) {
	fails := errors.New("not on this")
	failing := func(calls *int, err error, wait time.Duration) func(record) ([]byte, time.Duration, error) {
		return func(now record) ([]byte, time.Duration, error) {
			if *calls++; *calls > 1 {
				time.Sleep(wait)
				return nil, 0, err
			}
			return append(now.Value, "gone"...), storage.Forever, nil
		}
	}
	for _, c := range []struct {
		name      string
		err       error
		behind    bool
		replaced  bool
		want      string
		dropped   uint64
		delivered uint64
	}{
		{"alone", fails, false, false, "0+", 1, 1},
		{"behind a put", fails, true, false, "x+", 1, 2},
		{"leaves it", resilient.ErrNoChange, false, false, "0+", 0, 2},
		{"leaves a put", resilient.ErrNoChange, true, false, "x+", 0, 3},
		{"replaced", fails, false, true, "y", 0, 1},
		{"replaced behind a put", fails, true, true, "y", 0, 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			bubble(t, func(t *testing.T, at *server, s *resilient.Store, seen *events) {
				put(t, s, "a", "0", committed)
				at.stop()
				lacks(t, s, "nothing")
				if c.behind {
					put(t, s, "a", "x", queued)
				}
				calls := 0
				if _, _, err := updated(s.Update(t.Context(), "a", failing(&calls, c.err, 10*time.Second))); err != nil {
					t.Fatal(err)
				}
				update(t, s, "a", "+", queued)
				at.start()
				later(5 * time.Second)
				if c.replaced {
					put(t, s, "a", "y", queued)
				}
				later(time.Minute)
				holds(t, at.memory, "a", c.want)
				stats := s.Stats()
				if stats.Dropped != c.dropped || stats.Delivered != c.delivered || stats.Changes != 0 || stats.Conflicts != 0 ||
					stats.Queued != stats.Dropped+stats.Delivered+stats.Superseded {
					t.Errorf("stats: %+v", stats)
				}
				told := seen.of(resilient.Dropped)
				if len(told) != int(c.dropped) || len(told) == 1 && (told[0].Key != "a" || told[0].Changes != 1 || told[0].Err != fails) {
					t.Errorf("dropped: %+v", told)
				}
			})
		})
	}
}

// Updates that change nothing when they are applied again are done without a change.
func TestUpdatesThatChangeNothingLater(t *testing.T) {
	for _, known := range []bool{true, false} {
		bubble(t, func(t *testing.T, at *server, s *resilient.Store, seen *events) {
			stores(t, at, "a", "0")
			if known {
				holds(t, s, "a", "0")
			}
			at.stop()
			lacks(t, s, "nothing")
			calls := 0
			for range 2 {
				if _, _, err := updated(s.Update(t.Context(), "a", func(now record) ([]byte, time.Duration, error) {
					if calls++; calls > 2 {
						return nil, 0, resilient.ErrNoChange
					}
					return []byte("x"), storage.Forever, nil
				})); err != nil {
					t.Fatal(err)
				}
			}
			remove(t, s, "none", queued)
			swaps := contended(t, at, 0)
			at.start()
			later(time.Minute)
			holds(t, at.memory, "a", "0")
			if len(swaps) != 0 {
				t.Errorf("the store is asked for changes: %v", swaps)
			}
			if told := seen.of(resilient.Delivered); len(told) != 2 || told[0].Changes != 2 || s.Stats().Delivered != 3 {
				t.Errorf("delivered: %+v", told)
			}
		})
	}
}

// A refusal drops what was sent, and not what came behind it meanwhile.
func TestRefusedDeliveryLeavesWhatCameLater(t *testing.T) {
	bubble(t, func(t *testing.T, at *server, s *resilient.Store, seen *events) {
		put(t, s, "a", "0", committed)
		at.stop()
		lacks(t, s, "nothing")
		put(t, s, "a", "bad", queued)
		update(t, s, "a", "bad", queued)
		refused := storage.Refused(errors.New("too large"))
		at.set(func(s *server) { s.delay, s.fault = 100*time.Millisecond, on(refused, "swap") })
		at.start()
		for len(seen.of(resilient.Closed)) == 0 {
			later(10 * time.Millisecond)
		}
		later(50 * time.Millisecond) // it is on its way
		update(t, s, "a", "+", queued)
		later(60 * time.Millisecond)
		at.set(func(s *server) { s.fault = nil })
		later(time.Minute)
		at.set(func(s *server) { s.delay = 0 })
		holds(t, at.memory, "a", "0+")
		told := seen.of(resilient.Dropped)
		if len(told) != 1 || told[0].Changes != 2 || string(told[0].Value) != "bad" || !errors.Is(told[0].Err, refused) {
			t.Errorf("dropped: %+v", told)
		}
		if stats := s.Stats(); stats.Dropped != 2 || stats.Delivered != 1 {
			t.Errorf("stats: %+v", stats)
		}
	})
}

// A caller of Flush can leave whatever hangs, and nothing is lost by that.
func TestFlushEndsWhateverHangs(t *testing.T) {
	for _, c := range []struct {
		name string
		verb string
		away bool
	}{{"the probe", "look", true}, {"the look", "look", false}, {"the change", "swap", false}} {
		t.Run(c.name, func(t *testing.T) {
			bubble(t, func(t *testing.T, at *server, _ *resilient.Store, _ *events) {
				h := &hanging{server: at}
				s, seen := client(t, h)
				put(t, s, "a", "0", committed)
				at.stop()
				lacks(t, s, "nothing")
				update(t, s, "a", "+", queued)
				if !c.away {
					at.set(func(s *server) { s.fault = on(errReadOnly, "swap") })
					at.start()
					later(10 * time.Second)
					at.set(func(s *server) { s.fault = nil })
				}
				at.start()
				h.verb.Store(c.verb)
				ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
				defer cancel()
				began := time.Now()
				err := s.Flush(ctx)
				var left *resilient.LeftError
				if !errors.As(err, &left) || fmt.Sprint(left.Keys) != "[a]" || !errors.Is(left.Err, context.DeadlineExceeded) {
					t.Errorf("Flush: %v", err)
				}
				if took := time.Since(began); took != 100*time.Millisecond {
					t.Errorf("it took %v", took)
				}
				want := resilient.StateClosed
				if c.away {
					want = resilient.StateOpen
				}
				if stats := s.Stats(); stats.State != want || stats.Trips != 1 || stats.Dropped != 0 || stats.Changes != 1 {
					t.Errorf("stats: %+v", stats)
				}
				h.verb.Store("")
				later(time.Minute)
				holds(t, at.memory, "a", "0+")
				if n := len(seen.of(resilient.Opened)); n != 1 {
					t.Errorf("opened %d times", n)
				}
				if err := s.Close(t.Context()); err != nil {
					t.Error(err)
				}
				synctest.Wait()
			})
		})
	}
}

// hanging is a server that does not answer to one verb.
type hanging struct {
	*server
	verb atomic.Value
}

func (h *hanging) Look(ctx context.Context, keys ...string) ([]storage.Versioned, error) {
	if h.verb.Load() == "look" {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	return h.server.Look(ctx, keys...)
}

func (h *hanging) Swap(ctx context.Context, changes ...storage.Change) ([]bool, error) {
	if h.verb.Load() == "swap" {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	return h.server.Swap(ctx, changes...)
}

// A Get during which the store goes away and a change is queued returns that change.
func TestGetFindsWhatIsQueuedMeanwhile(t *testing.T) {
	bubble(t, func(t *testing.T, at *server, s *resilient.Store, _ *events) {
		put(t, s, "a", "1", committed)
		at.set(func(s *server) {
			s.fault = func(verb, key string) error {
				if verb == "look" && key == "a" {
					time.Sleep(200 * time.Millisecond)
				}
				return nil
			}
		})
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			holds(t, s, "a", "2")
		}()
		later(100 * time.Millisecond)
		at.stop()
		lacks(t, s, "b")
		put(t, s, "a", "2", queued)
		<-ended
	})
}

// The record that a probe reads is kept.
func TestCopyOfAProbe(t *testing.T) {
	bubble(t, func(t *testing.T, at *server, s *resilient.Store, _ *events) {
		at.stop()
		lacks(t, s, "a")
		stores(t, at, "a", "1")
		at.start()
		later(5 * time.Second)
		at.stop()
		holds(t, s, "a", "1")
	})
}

// A deletion with which the store goes away reports whether there was a record. A change
// of an unseen record that is refused, or left, is sent once and kept nowhere.
func TestFirstFaultOfAnUnseenRecord(t *testing.T) {
	for _, versions := range []bool{true, false} {
		bubble(t, func(t *testing.T, at *server, _ *resilient.Store, _ *events) {
			var beneath storage.Bytes = at
			if !versions {
				beneath = bare{at}
			}
			for _, there := range []bool{true, false} {
				s, _ := client(t, beneath)
				stores(t, at, "a", "1")
				holds(t, s, "a", "1")
				lacks(t, s, "none")
				at.stop()
				key := map[bool]string{true: "a", false: "none"}[there]
				if existed, err := s.Delete(t.Context(), key); existed != there || !errors.Is(err, storage.ErrQueued) {
					t.Errorf("Delete of %q: %v, %v", key, existed, err)
				}
				at.start()
				if err := s.Close(t.Context()); err != nil {
					t.Error(err)
				}
			}
			s, _ := client(t, beneath)
			at.set(func(s *server) { s.fault = on(errReadOnly, "look", "set") })
			before := at.calls.Load()
			if outcome, err := outcomeOf(s.Set(t.Context(), "new", nil, storage.Forever)); !errors.Is(err, errReadOnly) || outcome != 0 || at.calls.Load() != before+1 {
				t.Errorf("Set: %v, %v", outcome, err)
			}
			ctx, cancel := context.WithCancel(t.Context())
			at.set(func(s *server) { s.fault = func(string, string) error { cancel(); return errReset } })
			if outcome, err := outcomeOf(s.Set(ctx, "other", nil, storage.Forever)); !errors.Is(err, context.Canceled) || outcome != 0 {
				t.Errorf("Set: %v, %v", outcome, err)
			}
			if stats := s.Stats(); stats.Copies != 0 || stats.Trips != 0 {
				t.Errorf("stats: %+v", stats)
			}
			if err := s.Close(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
}
