package resilient_test

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/perennial-go/perennial/storage"
	"github.com/perennial-go/perennial/storage/resilient"
)

// A record is read before a change is sent only if it may have one of several versions,
// for an update, and for a deletion of a record that was never seen.
func TestLookBeforeSending(t *testing.T) {
	for _, c := range []struct {
		name   string
		before func(t *testing.T, at *asked, s *resilient.Store)
		do     func(t *testing.T, s *resilient.Store)
		looked string // the first is the probe
		sent   int
	}{
		{"put of what was seen", func(t *testing.T, _ *asked, s *resilient.Store) { holds(t, s, "a", "0") },
			func(t *testing.T, s *resilient.Store) { put(t, s, "a", "1", queued) }, "[a]", 1},
		{"deletion of what was seen", func(t *testing.T, _ *asked, s *resilient.Store) { holds(t, s, "a", "0") },
			func(t *testing.T, s *resilient.Store) { remove(t, s, "a", queued) }, "[a]", 1},
		{"deletion of what was never seen", func(*testing.T, *asked, *resilient.Store) {},
			func(t *testing.T, s *resilient.Store) { remove(t, s, "a", queued) }, "[a a]", 0},
		{"put of what may be one of two", func(t *testing.T, at *asked, s *resilient.Store) {
			holds(t, s, "a", "0")
			ctx, cancel := context.WithCancel(t.Context())
			at.answers.Store(int64(100 * time.Millisecond))
			at.set(func(s *server) { s.faulty, s.unheard = "swap", 1 })
			time.AfterFunc(50*time.Millisecond, cancel)
			if _, err := outcomeOf(s.Set(ctx, "a", []byte("left"), storage.Forever)); !errors.Is(err, context.Canceled) {
				t.Errorf("Set: %v", err)
			}
			at.answers.Store(0)
		}, func(t *testing.T, s *resilient.Store) { put(t, s, "a", "1", queued) }, "[a a]", 1},
		{"update", func(t *testing.T, _ *asked, s *resilient.Store) { holds(t, s, "a", "0") },
			func(t *testing.T, s *resilient.Store) { update(t, s, "a", "1", queued) }, "[a a]", 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			overAsked(t, func(t *testing.T, at *asked, s *resilient.Store, seen *events) {
				stores(t, at.server, "a", "0")
				c.before(t, at, s)
				at.stop()
				lacks(t, s, "nothing")
				c.do(t, s)
				at.start()
				at.anew()
				later(time.Minute)
				if looked, swapped, _ := at.anew(); fmt.Sprint(looked) != c.looked || len(swapped) != c.sent {
					t.Errorf("it looks at %v, want %v, and sends %v", looked, c.looked, swapped)
				}
				if told := seen.of(resilient.Conflict); len(told) != 1-c.sent {
					t.Errorf("conflicts: %+v", told)
				}
			})
		})
	}
}

// An update whose function fails is dropped alone, wherever it is among the parts.
func TestOneUpdateOfSeveralFails(t *testing.T) {
	overAsked(t, func(t *testing.T, at *asked, s *resilient.Store, seen *events) {
		at.stop()
		lacks(t, s, "nothing")
		put(t, s, "a", "0", queued)
		update(t, s, "a", "1", queued)
		fails := errors.New("not on this")
		for _, key := range []string{"a", "alone"} {
			calls := 0
			if _, _, err := updated(s.Update(t.Context(), key, func(now record) ([]byte, time.Duration, error) {
				if calls++; calls > 1 {
					return nil, 0, fails
				}
				return append(now.Value, "gone"...), storage.Forever, nil
			})); err != nil {
				t.Fatal(err)
			}
		}
		update(t, s, "a", "2", queued)
		at.start()
		later(time.Minute)
		holds(t, at.memory, "a", "012")
		lacks(t, at.memory, "alone")
		if told := seen.of(resilient.Dropped); len(told) != 2 || told[0].Changes != 1 || told[0].Err != fails {
			t.Errorf("dropped: %+v", told)
		}
		if stats := s.Stats(); stats.Delivered != 3 || stats.Dropped != 2 || stats.Keys != 0 {
			t.Errorf("stats: %+v", stats)
		}
	})
}

// A change that is replaced while its function runs is not sent.
func TestReplacedWhileItsFunctionRuns(t *testing.T) {
	overAsked(t, func(t *testing.T, at *asked, s *resilient.Store, seen *events) {
		put(t, s, "a", "0", committed)
		at.stop()
		lacks(t, s, "nothing")
		calls := 0
		if _, _, err := updated(s.Update(t.Context(), "a", func(now record) ([]byte, time.Duration, error) {
			if calls++; calls > 1 {
				time.Sleep(10 * time.Second)
			}
			return append(now.Value, '1'), storage.Forever, nil
		})); err != nil {
			t.Fatal(err)
		}
		at.start()
		at.anew()
		later(5 * time.Second)
		put(t, s, "a", "2", queued)
		later(time.Minute)
		holds(t, at.memory, "a", "2")
		if _, swapped, _ := at.anew(); len(swapped) != 1 {
			t.Errorf("it is sent %d times", len(swapped))
		}
		if stats := s.Stats(); stats.Delivered != 1 || stats.Superseded != 1 || len(seen.of(resilient.Conflict)) != 0 {
			t.Errorf("stats: %+v", stats)
		}
	})
}

// A caller of Flush who leaves while a function hangs gets the error of the context.
func TestFlushEndsWhileAFunctionHangs(t *testing.T) {
	overAsked(t, func(t *testing.T, at *asked, s *resilient.Store, _ *events) {
		at.stop()
		var calls atomic.Int64
		if _, _, err := updated(s.Update(t.Context(), "a", func(now record) ([]byte, time.Duration, error) {
			if calls.Add(1) == 2 {
				time.Sleep(time.Minute)
			}
			return []byte("1"), storage.Forever, nil
		})); err != nil {
			t.Fatal(err)
		}
		at.start()
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		var left *resilient.LeftError
		if err := s.Flush(ctx); !errors.As(err, &left) || !errors.Is(left.Err, context.DeadlineExceeded) || left.Changes != 1 {
			t.Errorf("Flush: %v", err)
		}
		if n := calls.Load(); n != 2 {
			t.Errorf("it is called %d times", n)
		}
		later(2 * time.Minute)
		holds(t, at.memory, "a", "1")
	})
}

// A rewrite yields to what others have set, also if its answer is lost until it is too
// late. What waits behind it is made on that, and nothing is sent in vain.
func TestRewriteYieldsToOthers(t *testing.T) {
	overLossy(t, func(t *testing.T, at *asked, s *resilient.Store, seen *events) {
		at.tells.Store(int64(time.Hour))
		put(t, s, "a", "1", committed)
		at.set(func(s *server) { s.faulty, s.unsaid = "swap", 1 })
		at.restarts(t, s)
		for len(seen.of(resilient.Opened)) < 2 {
			later(100 * time.Millisecond)
		}
		at.set(func(s *server) { s.fault = on(errReadOnly, "swap") })
		later(10 * time.Second)
		update(t, s, "a", "+", queued)
		stores(t, at.server, "a", "9")
		later(2 * time.Minute)
		at.set(func(s *server) { s.fault = nil })
		at.anew()
		later(time.Minute)
		holds(t, at.memory, "a", "9+")
		if _, swapped, _ := at.anew(); len(swapped) != 1 {
			t.Errorf("it is sent %d times", len(swapped))
		}
		if stats := s.Stats(); stats.Superseded != 1 || stats.Delivered != 1 || stats.Conflicts+stats.Dropped != 0 {
			t.Errorf("stats: %+v", stats)
		}
	})
}
