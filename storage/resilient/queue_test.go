package resilient_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/perennial-go/perennial/storage"
	"github.com/perennial-go/perennial/storage/resilient"
)

// A full queue refuses new keys, and accepts changes that replace others.
func TestDefectSynced06QueueIsBounded(t *testing.T) {
	bubble(t, func(t *testing.T, at *server, s *resilient.Store, seen *events) {
		at.stop()
		for i := range 10 {
			put(t, s, fmt.Sprint("k", i), "1", queued)
		}
		for _, err := range []error{
			s.Set(t.Context(), "more", nil, storage.Forever),
			func() error { _, _, err := updated(s.Update(t.Context(), "k0", appends("2"))); return err }(),
		} {
			if !errors.Is(err, resilient.ErrFull) {
				t.Errorf("a full queue: %v", err)
			}
		}
		lacks(t, s, "more")
		holds(t, s, "k0", "1")
		put(t, s, "k0", "3", queued)
		if stats := s.Stats(); stats.Changes != 10 || stats.Refused != 2 || len(seen.of(resilient.Refused)) != 2 {
			t.Errorf("stats: %+v", stats)
		}
		at.start()
		later(time.Minute)
		holds(t, at.memory, "k0", "3")
	}, resilient.Queue(10, 0))
}

func TestQueueIsBoundedInBytes(t *testing.T) {
	const most = 10_000
	bubble(t, func(t *testing.T, at *server, s *resilient.Store, _ *events) {
		at.stop()
		accepted := 0
		for i := range 1000 {
			_, err := outcomeOf(s.Set(t.Context(), fmt.Sprint(i), make([]byte, 100), storage.Forever))
			if err == nil {
				accepted++
			} else if !errors.Is(err, resilient.ErrFull) {
				t.Fatal(err)
			}
			if b := s.Stats().Bytes; b > most {
				t.Fatalf("%d bytes wait, %d are allowed", b, most)
			}
		}
		if accepted < 5 || accepted > 50 {
			t.Errorf("%d were accepted", accepted)
		}
	}, resilient.Queue(0, most))
}

// DropOldest drops and reports what has waited longest.
func TestDropOldest(t *testing.T) {
	bubble(t, func(t *testing.T, at *server, s *resilient.Store, seen *events) {
		at.stop()
		for i := range 5 {
			put(t, s, fmt.Sprint("k", i), fmt.Sprint(i), queued)
		}
		dropped := seen.of(resilient.Dropped)
		if len(dropped) != 2 || dropped[0].Key != "k0" || string(dropped[1].Value) != "1" || !errors.Is(dropped[0].Err, resilient.ErrFull) {
			t.Fatalf("dropped: %v", dropped)
		}
		at.start()
		later(time.Minute)
		lacks(t, at.memory, "k1")
		for i := 2; i < 5; i++ {
			holds(t, at.memory, fmt.Sprint("k", i), fmt.Sprint(i))
		}
	}, resilient.Queue(3, 0), resilient.DropOldest())
}

// A change to the key that has waited longest drops the next one, and a change that is
// too large for an empty queue drops nothing.
func TestDropOldestSparesItsOwnKey(t *testing.T) {
	bubble(t, func(t *testing.T, at *server, s *resilient.Store, seen *events) {
		at.stop()
		for i := range 3 {
			update(t, s, fmt.Sprint("k", i), fmt.Sprint(i), queued)
		}
		update(t, s, "k0", "+", queued)
		if dropped := seen.of(resilient.Dropped); len(dropped) != 1 || dropped[0].Key != "k1" {
			t.Fatalf("dropped: %v, want k1", dropped)
		}
		if err := s.Set(t.Context(), "large", make([]byte, 10_000), storage.Forever); !errors.Is(err, resilient.ErrFull) {
			t.Errorf("what is too large: %v", err)
		}
		if dropped := seen.of(resilient.Dropped); len(dropped) != 1 {
			t.Errorf("dropped for what is too large: %v", dropped[1:])
		}
		at.start()
		later(time.Minute)
		holds(t, at.memory, "k0", "0+")
		lacks(t, at.memory, "k1")
		holds(t, at.memory, "k2", "2")
	}, resilient.Queue(3, 10_000), resilient.DropOldest())
}

// A change that the store refuses, or whose function fails, is dropped and reported, is
// no fault of the server, and delays nothing else.
func TestDefectSynced05PoisonIsDropped(t *testing.T) {
	bubble(t, func(t *testing.T, at *server, s *resilient.Store, seen *events) {
		put(t, s, "b:fails", "old", committed)
		at.stop()
		poison := storage.Refused(errors.New("WRONGTYPE"))
		fails := errors.New("not on this")
		put(t, s, "a:poison", "1", queued)
		for i, f := range []func() ([]byte, time.Duration, error){
			func() ([]byte, time.Duration, error) { return nil, 0, fails },
			func() ([]byte, time.Duration, error) { panic("poison") },
			func() ([]byte, time.Duration, error) { runtime.Goexit(); return nil, 0, nil },
		} {
			if _, _, err := updated(s.Update(t.Context(), "b:fails", func(now storage.Record) ([]byte, time.Duration, error) {
				if strings.HasPrefix(string(now.Value), "theirs") {
					return f()
				}
				return append(now.Value, '!'), storage.Forever, nil
			})); err != nil {
				t.Fatal(i, err)
			}
		}
		update(t, s, "b:fails", "+", queued)
		put(t, s, "c:good", "1", queued)
		if err := at.memory.Set(t.Context(), "b:fails", []byte("theirs"), storage.Forever); err != nil {
			t.Fatal(err)
		}
		at.set(func(s *server) {
			s.fault = func(_, key string) error {
				if key == "a:poison" {
					return poison
				}
				return nil
			}
		})
		at.start()
		later(3 * time.Second) // by the first probe
		holds(t, at.memory, "c:good", "1")
		holds(t, at.memory, "b:fails", "theirs+")
		dropped := seen.of(resilient.Dropped)
		if len(dropped) != 4 || dropped[0].Key != "a:poison" || !errors.Is(dropped[0].Err, poison) || !errors.Is(dropped[1].Err, fails) ||
			!strings.Contains(dropped[2].Err.Error(), "poison") || !strings.Contains(dropped[3].Err.Error(), "ended its goroutine") {
			t.Errorf("dropped: %v", dropped)
		}
		if stats := s.Stats(); stats.Dropped != 4 || stats.Changes != 0 || stats.Trips != 1 || stats.State != resilient.StateClosed {
			t.Errorf("stats: %+v", stats)
		}
	})
}

// A change with an unknown error is dropped after some tries, and the others are sent
// before.
func TestUnknownPoisonIsDropped(t *testing.T) {
	bubble(t, func(t *testing.T, at *server, s *resilient.Store, seen *events) {
		at.stop()
		put(t, s, "a", "1", queued)
		put(t, s, "b", "1", queued)
		at.set(func(s *server) {
			s.fault = func(verb, key string) error {
				if verb == "swap" && key == "a" {
					return errors.New("something else")
				}
				return nil
			}
		})
		at.start()
		later(5 * time.Minute)
		holds(t, at.memory, "b", "1")
		if dropped := seen.of(resilient.Dropped); len(dropped) != 1 || dropped[0].Key != "a" {
			t.Errorf("dropped: %v", dropped)
		}
		if state := s.Stats().State; state != resilient.StateClosed {
			t.Errorf("the breaker is %v", state)
		}
	})
}

// A server that refuses everything for now gets the changes later: nothing is dropped.
func TestUnwillingServerIsTriedLater(t *testing.T) {
	bubble(t, func(t *testing.T, at *server, s *resilient.Store, seen *events) {
		at.stop()
		for i := range 5 {
			put(t, s, fmt.Sprint("k", i), "1", queued)
		}
		at.set(func(s *server) {
			s.fault = func(verb, _ string) error {
				if verb == "swap" {
					return errors.New("READONLY You can't write against a read only replica.")
				}
				return nil
			}
		})
		at.start()
		later(2 * resilient.DefaultInDoubt) // what was answered is in no doubt
		if stats := s.Stats(); stats.Changes != 5 || stats.State != resilient.StateClosed {
			t.Errorf("stats: %+v", stats)
		}
		if at.calls.Load() > 60 {
			t.Errorf("the store was asked %d times", at.calls.Load())
		}
		at.set(func(s *server) { s.fault = nil })
		later(time.Minute)
		for i := range 5 {
			holds(t, at.memory, fmt.Sprint("k", i), "1")
		}
		if n := len(seen.of(resilient.Dropped)); n != 0 {
			t.Errorf("%d dropped", n)
		}
	})
}

// Close ends within its context and says what is left; with a context that never ends it
// tries once.
func TestDefectSyncedCloseEnds(t *testing.T) {
	for _, c := range []struct {
		name  string
		limit time.Duration
		takes time.Duration
	}{{"with a deadline", 10 * time.Second, 10 * time.Second}, {"without", 0, 0}} {
		t.Run(c.name, func(t *testing.T) {
			bubble(t, func(t *testing.T, at *server, s *resilient.Store, _ *events) {
				at.stop()
				put(t, s, "a", "1", queued)
				update(t, s, "b", "1", queued)
				update(t, s, "b", "2", queued)
				ctx, cancel := context.Background(), func() {}
				if c.limit > 0 {
					ctx, cancel = context.WithTimeout(ctx, c.limit)
				}
				defer cancel()
				began := time.Now()
				err := s.Close(ctx)
				var left *resilient.LeftError
				if !errors.As(err, &left) || left.Changes != 3 || len(left.Keys) != 2 || !errors.Is(err, storage.ErrQueued) {
					t.Errorf("Close: %v", err)
				}
				if took := time.Since(began); took != c.takes {
					t.Errorf("Close took %v, want %v", took, c.takes)
				}
				at.start()
				if err := s.Close(ctx); c.limit == 0 && err != nil {
					t.Errorf("Close when the store is back: %v", err)
				}
			})
		})
	}
}

// Flush does not wait for the time of the next probe, and waits for the store.
func TestFlush(t *testing.T) {
	bubble(t, func(t *testing.T, at *server, s *resilient.Store, _ *events) {
		at.stop()
		put(t, s, "a", "1", queued)
		at.start()
		began := time.Now()
		if err := s.Flush(t.Context()); err != nil || time.Since(began) != 0 {
			t.Errorf("Flush: %v after %v", err, time.Since(began))
		}
		holds(t, at.memory, "a", "1")
		at.stop()
		put(t, s, "a", "2", queued)
		go func() {
			time.Sleep(10 * time.Second)
			at.start()
		}()
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if err := s.Flush(ctx); err != nil {
			t.Errorf("Flush: %v", err)
		}
		holds(t, at.memory, "a", "2")
		if err := s.Flush(context.Background()); err != nil {
			t.Errorf("Flush of nothing: %v", err)
		}
	})
}

// A function that hangs delays Flush no longer than its context.
func TestFlushLeavesAFunctionThatHangs(t *testing.T) {
	bubble(t, func(t *testing.T, at *server, s *resilient.Store, _ *events) {
		at.stop()
		hang := make(chan struct{})
		var calls atomic.Int32
		if _, _, err := updated(s.Update(t.Context(), "a", func(storage.Record) ([]byte, time.Duration, error) {
			if calls.Add(1) > 1 {
				<-hang
			}
			return []byte("x"), storage.Forever, nil
		})); err != nil {
			t.Fatal(err)
		}
		at.start()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		began := time.Now()
		if err := s.Flush(ctx); !errors.Is(err, context.DeadlineExceeded) || time.Since(began) != time.Second {
			t.Errorf("Flush: %v after %v", err, time.Since(began))
		}
		close(hang)
		later(time.Minute)
		holds(t, at.memory, "a", "x")
	})
}

// The copies are bounded, and the most recently used ones stay.
func TestCopyIsBounded(t *testing.T) {
	bubble(t, func(t *testing.T, at *server, s *resilient.Store, _ *events) {
		for i := range 100 {
			put(t, s, fmt.Sprint(i), "1", committed)
			holds(t, s, "0", "1")
		}
		if stats := s.Stats(); stats.Copies != 10 || stats.CopyBytes > 1<<20 {
			t.Errorf("stats: %+v", stats)
		}
		at.stop()
		holds(t, s, "0", "1")
		holds(t, s, "99", "1")
		lacks(t, s, "50")
	}, resilient.Copy(10, 1<<20))
}

// The bound in bytes counts what a change in flight has sent, and what the function of an
// Update holds.
func TestQueueCountsWhatIsSentAndHeld(t *testing.T) {
	const most = 10_000
	bubble(t, func(t *testing.T, at *server, s *resilient.Store, _ *events) {
		put(t, s, "a", "1", committed)
		at.stop()
		for n := range 10 { // the first has perhaps been sent, and waits beside the latest
			_, err := outcomeOf(s.Set(t.Context(), "a", make([]byte, 4000+n), storage.Forever))
			if b := s.Stats().Bytes; b > most || b < 4000*min(n+1, 2) || err != nil {
				t.Errorf("%d bytes wait, %d are allowed: %v", b, most, err)
			}
		}
		if _, err := outcomeOf(s.Set(t.Context(), "a", make([]byte, 6000), storage.Forever)); !errors.Is(err, resilient.ErrFull) {
			t.Errorf("Set of what does not fit beside it: %v", err)
		}
		at.start()
		later(time.Minute)
		at.stop()
		accepted := 0
		for range 20 {
			held := make([]byte, 1000)
			_, _, err := updated(s.Update(t.Context(), "b", func(storage.Record) ([]byte, time.Duration, error) {
				return held[:1], storage.Forever, nil
			}, resilient.Holds(func() int { return len(held) })))
			if err == nil {
				accepted++
			} else if !errors.Is(err, resilient.ErrFull) {
				t.Fatal(err)
			}
			if b := s.Stats().Bytes; b > most || b < 1000*accepted {
				t.Fatalf("%d bytes wait, %d are allowed", b, most)
			}
		}
		if accepted < 5 || accepted > 9 {
			t.Errorf("%d were accepted", accepted)
		}
	}, resilient.Queue(0, most))
}
