package resilient_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/perennial-go/perennial/storage"
	"github.com/perennial-go/perennial/storage/resilient"
)

// A call that fails says nothing of a store that is away already, or has come back since
// the call began.
func TestLateFaultsSayNothing(t *testing.T) {
	bubble(t, func(t *testing.T, at *server, s *resilient.Store, seen *events) {
		at.set(func(s *server) {
			s.fault = func(verb, key string) error {
				switch key {
				case "second":
					time.Sleep(time.Second)
					return errReset
				case "eighth":
					time.Sleep(8 * time.Second)
					return errReset
				case "first":
					return errReset
				}
				return nil
			}
		})
		var all sync.WaitGroup
		for _, key := range []string{"eighth", "second", "first"} {
			all.Go(func() { lacks(t, s, key) })
			synctest.Wait()
		}
		later(500 * time.Millisecond)
		at.set(func(s *server) { s.fault = nil })
		all.Wait()
		if stats := s.Stats(); stats.State != resilient.StateClosed || stats.Trips != 1 {
			t.Errorf("stats: %+v", stats)
		}
		if told := seen.sofar(); len(told) != 3 || told[0].Kind != resilient.Opened || told[2].Kind != resilient.Closed {
			t.Errorf("it is told %+v", told)
		}
	}, resilient.Timeout(20*time.Second))
}

// A store that goes away while a retry is scheduled is not asked before its time.
func TestNotAskedBeforeItsTime(t *testing.T) {
	overAsked(t, func(t *testing.T, at *asked, s *resilient.Store, seen *events) {
		at.stop()
		lacks(t, s, "nothing")
		put(t, s, "a", "1", queued)
		at.set(func(s *server) { s.fault = on(errReadOnly, "swap") })
		at.start()
		for len(seen.of(resilient.Closed)) == 0 {
			later(100 * time.Millisecond)
		}
		later(resilient.FirstBackoff - 200*time.Millisecond) // it is tried again soon
		at.stop()
		lacks(t, s, "nothing")
		at.anew()
		opened := seen.of(resilient.Opened)
		last := opened[len(opened)-1]
		later(last.Wait - 1)
		if looked, swapped, _ := at.anew(); len(looked) > 0 || len(swapped) > 0 {
			t.Errorf("it looks at %q, and sends %q", looked, swapped)
		}
		later(time.Until(last.Time.Add(last.Wait)))
		if looked, _, _ := at.anew(); len(looked) != 1 {
			t.Errorf("it looks at %q", looked)
		}
	}, resilient.Random(func(time.Duration) time.Duration { return 0 }))
}

// Flush with an ended context asks the store nothing.
func TestFlushWithAnEndedContext(t *testing.T) {
	overAsked(t, func(t *testing.T, at *asked, s *resilient.Store, _ *events) {
		at.stop()
		lacks(t, s, "nothing")
		put(t, s, "a", "1", queued)
		at.start()
		at.anew()
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		var left *resilient.LeftError
		if err := s.Flush(ctx); !errors.As(err, &left) || !errors.Is(left.Err, context.Canceled) || left.Changes != 1 {
			t.Errorf("Flush: %v", err)
		}
		if looked, swapped, _ := at.anew(); len(looked) > 0 || len(swapped) > 0 {
			t.Errorf("it looks at %q, and sends %q", looked, swapped)
		}
	})
}

// A store that goes away when it is asked for its state is sent nothing.
func TestStoreGoesWhenAskedForItsState(t *testing.T) {
	overLossy(t, func(t *testing.T, at *asked, s *resilient.Store, seen *events) {
		at.stop()
		lacks(t, s, "nothing")
		put(t, s, "a", "1", queued)
		at.set(func(s *server) { s.fault = on(errReset, "state") })
		at.start()
		at.anew()
		later(time.Minute)
		if _, swapped, _ := at.anew(); len(swapped) > 0 {
			t.Errorf("it sends %q", swapped)
		}
		at.set(func(s *server) { s.fault = nil })
		later(time.Minute)
		holds(t, at.memory, "a", "1")
		if stats := s.Stats(); stats.State != resilient.StateClosed || stats.Delivered != 1 {
			t.Errorf("stats: %+v", stats)
		}
	})
}

// A change whose answer is lost is the base of the next one, also if there is no room for
// copies.
func TestBaseWithoutACopy(t *testing.T) {
	bubble(t, func(t *testing.T, at *server, s *resilient.Store, seen *events) {
		stores(t, at, "a", "0")
		at.set(func(s *server) { s.faulty, s.unsaid = "swap", 1 })
		put(t, s, "a", "1", queued)
		put(t, s, "a", "2", queued)
		later(time.Minute)
		holds(t, at.memory, "a", "2")
		if told := seen.of(resilient.Conflict); len(told) > 0 {
			t.Errorf("conflicts: %+v", told)
		}
	}, resilient.Copy(1, 1))
}

// brief is a server whose keys are short.
type brief struct{ *server }

func (brief) MaxKey() int { return 250 }

// A Cache has the key limit of the underlying store, and flushes.
func TestCacheIsAStore(t *testing.T) {
	at := newServer()
	defer func() { _ = at.memory.Close() }()
	c, err := resilient.NewCache(brief{at}, resilient.Observe(nil))
	if err != nil {
		t.Fatal(err)
	}
	if n := c.MaxKey(); n != 250 {
		t.Errorf("MaxKey is %d", n)
	}
	at.stop()
	if err := c.Set(t.Context(), "a", []byte("1"), storage.Forever); !errors.Is(err, storage.ErrQueued) {
		t.Errorf("Set: %v", err)
	}
	var left *resilient.LeftError
	if err := c.Flush(context.Background()); !errors.As(err, &left) {
		t.Errorf("Flush of a store that is away: %v", err)
	}
	at.start()
	if err := c.Flush(t.Context()); err != nil {
		t.Errorf("Flush: %v", err)
	}
	holds(t, at.memory, "a", "1")
	if err := c.Close(t.Context()); err != nil {
		t.Error(err)
	}
}
