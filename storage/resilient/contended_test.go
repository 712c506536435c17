package resilient_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/perennial-go/perennial/storage"
	"github.com/perennial-go/perennial/storage/resilient"
)

// longest is the longest jitter.
func longest(below time.Duration) time.Duration { return below - 1 }

// contended lets others change the keys first, so many times each.
func contended(t *testing.T, at *server, most int, keys ...string) (swaps map[string]int) {
	swaps = map[string]int{}
	at.set(func(s *server) {
		s.fault = func(verb, key string) error {
			if verb != "swap" {
				return nil
			}
			swaps[key]++
			for _, one := range keys {
				if one == key && swaps[key] <= most {
					if err := s.memory.Set(context.Background(), key, fmt.Append(nil, swaps[key]), storage.Forever); err != nil {
						t.Error(err)
					}
				}
			}
			return nil
		}
	})
	return swaps
}

// A change is tried a hundred times while others are faster, with pauses that grow.
func TestContended(t *testing.T) {
	for _, verb := range []string{"Set", "Delete", "Update"} {
		t.Run(verb, func(t *testing.T) {
			bubble(t, func(t *testing.T, at *server, s *resilient.Store, _ *events) {
				do := func(ctx context.Context) (outcome outcome, err error) {
					switch verb {
					case "Set":
						return outcomeOf(s.Set(ctx, "a", []byte("mine"), storage.Forever))
					case "Delete":
						return deleted(s.Delete(ctx, "a"))
					}
					r, outcome, err := updated(s.Update(ctx, "a", appends("mine")))
					if (err == nil) != r.Found {
						t.Errorf("Update: %+v, %v", r, err)
					}
					return outcome, err
				}
				swaps := contended(t, at, 1000, "a")
				began := time.Now()
				if outcome, err := do(t.Context()); !errors.Is(err, resilient.ErrContended) || outcome != 0 {
					t.Errorf("%v, %v", outcome, err)
				}
				if swaps["a"] != 100 {
					t.Errorf("it was tried %d times", swaps["a"])
				}
				pauses := time.Duration(4+8+16+32+94*64)*time.Millisecond - 98
				if took := time.Since(began); took != pauses {
					t.Errorf("it took %v, want %v", took, pauses)
				}
				ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
				defer cancel()
				began = time.Now()
				if outcome, err := do(ctx); !errors.Is(err, context.DeadlineExceeded) || outcome != 0 || time.Since(began) != 10*time.Millisecond {
					t.Errorf("with a deadline: %v, %v after %v", outcome, err, time.Since(began))
				}
				swaps = contended(t, at, 99, "a")
				if outcome, err := do(t.Context()); err != nil || outcome != committed || swaps["a"] != 100 {
					t.Errorf("where they stop: %v, %v after %d", outcome, err, swaps["a"])
				}
				at.set(func(s *server) { s.fault = nil })
				if stats := s.Stats(); stats.Queued != 0 || stats.Trips != 0 {
					t.Errorf("stats: %+v", stats)
				}
			}, resilient.Random(longest))
		})
	}
}

// A change that loses to others again and again waits behind the rest and is tried again
// after growing times; a Flush that tries once says so.
func TestContendedDelivery(t *testing.T) {
	bubble(t, func(t *testing.T, at *server, s *resilient.Store, seen *events) {
		at.stop()
		update(t, s, "a", "+", queued)
		put(t, s, "b", "1", queued)
		put(t, s, "c", "1", queued)
		swaps := contended(t, at, 1000, "a")
		fault := at.fault
		at.set(func(s *server) {
			s.fault = func(verb, key string) error {
				if verb == "swap" && key == "c" {
					return errReadOnly
				}
				return fault(verb, key)
			}
		})
		at.start()
		err := s.Flush(context.Background())
		var left *resilient.LeftError
		if !errors.As(err, &left) || fmt.Sprint(left.Keys) != "[c a]" || left.Changes != 2 || !errors.Is(err, errReadOnly) {
			t.Errorf("Flush: %v", err)
		}
		if swaps["a"] != 101 {
			t.Errorf("it was tried %d times", swaps["a"])
		}
		holds(t, at.memory, "b", "1")
		remove(t, s, "c", queued)
		at.set(func(s *server) { s.fault = fault })
		if err = s.Flush(context.Background()); !errors.As(err, &left) || fmt.Sprint(left.Keys) != "[a]" || !errors.Is(err, resilient.ErrContended) {
			t.Errorf("Flush: %v", err)
		}
		if n := len(seen.of(resilient.Delivered)); n != 2 || swaps["a"] != 202 {
			t.Errorf("%d delivered, %d tries", n, swaps["a"])
		}
		contended(t, at, 0)
		later(20 * time.Second)
		if stats := s.Stats(); stats.Changes != 0 || stats.Delivered != 3 {
			t.Errorf("stats: %+v", stats)
		}
	})
}

// A server that refuses everything is asked at times that double, and from the start
// again after it has accepted something.
func TestUnwillingServerIsAskedSeldom(t *testing.T) {
	bubble(t, func(t *testing.T, at *server, s *resilient.Store, seen *events) {
		for range 2 {
			at.stop()
			lacks(t, s, "nothing")
			put(t, s, "a", "1", queued)
			put(t, s, "b", "1", queued)
			var asked []time.Time
			at.set(func(s *server) {
				s.fault = func(verb, key string) error {
					if verb == "swap" {
						asked = append(asked, time.Now())
						return errReadOnly
					}
					return nil
				}
			})
			at.start()
			last := time.Now()
			later(3 * time.Minute)
			var waits []time.Duration
			for _, one := range asked {
				waits = append(waits, one.Sub(last))
				last = one
			}
			if want := "[3s 3s 6s 12s 24s 30s 30s 30s 30s]"; fmt.Sprint(waits) != want {
				t.Errorf("it is asked after %v, want %v", waits, want)
			}
			at.set(func(s *server) { s.fault = nil })
			later(time.Minute)
			holds(t, at.memory, "a", "1")
			holds(t, at.memory, "b", "1")
			if stats := s.Stats(); stats.Changes != 0 || stats.Dropped != 0 {
				t.Errorf("stats: %+v", stats)
			}
			remove(t, s, "a", committed)
			remove(t, s, "b", committed)
		}
	}, resilient.Random(longest))
}

// The backoff starts over if the store has been back for longer than the longest backoff,
// and goes on if it goes away sooner.
func TestBackoffStartsOver(t *testing.T) {
	for _, c := range []struct {
		there time.Duration
		want  time.Duration
	}{{resilient.LongestBackoff, 12 * time.Second}, {resilient.LongestBackoff + 1, 3 * time.Second}} {
		bubble(t, func(t *testing.T, at *server, s *resilient.Store, seen *events) {
			at.stop()
			lacks(t, s, "a")
			later(5 * time.Second) // a second time
			at.start()
			for s.Stats().State != resilient.StateClosed {
				later(time.Second)
			}
			back := seen.of(resilient.Closed)[0].Time
			if err := s.Flush(t.Context()); err != nil {
				t.Error(err)
			}
			later(c.there - time.Since(back))
			at.stop()
			lacks(t, s, "a")
			var waits []time.Duration
			for _, e := range seen.of(resilient.Opened) {
				waits = append(waits, e.Wait)
			}
			if want := fmt.Sprint([]time.Duration{3 * time.Second, 6 * time.Second, c.want}); fmt.Sprint(waits) != want {
				t.Errorf("it waits for %v, want %v", waits, want)
			}
		}, resilient.Random(longest))
	}
}

// A caller who waits for a key can leave; the others get it in order.
func TestKeyLockOrder(t *testing.T) {
	bubble(t, func(t *testing.T, at *server, s *resilient.Store, _ *events) {
		put(t, s, "a", "", committed)
		at.set(func(s *server) { s.delay = time.Second })
		done := make(chan error, 8)
		for i, limit := range []time.Duration{10 * time.Second, 10 * time.Second, 200 * time.Millisecond, 10 * time.Second, 300 * time.Millisecond, 10 * time.Second} {
			go func() {
				time.Sleep(time.Duration(i) * time.Millisecond)
				ctx, cancel := context.WithTimeout(t.Context(), limit)
				defer cancel()
				_, _, err := updated(s.Update(ctx, "a", appends(fmt.Sprint(i))))
				if i == 2 || i == 4 {
					if !errors.Is(err, context.DeadlineExceeded) {
						t.Errorf("who has to leave: %v", err)
					}
					err = nil
				}
				done <- err
			}()
		}
		go func() {
			time.Sleep(10 * time.Millisecond)
			ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
			defer cancel()
			_, err := outcomeOf(s.Set(ctx, "a", nil, storage.Forever))
			if !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("who has to leave: %v", err)
			}
			done <- nil
		}()
		for range 7 {
			if err := <-done; err != nil {
				t.Error(err)
			}
		}
		holds(t, at.memory, "a", "0135")
		at.set(func(s *server) { s.delay = 0 })
		put(t, s, "a", "1", committed)
	}, resilient.Timeout(2*time.Second))
}

// A call takes no longer than the Timeout, or twice as long as the slowest recent probe.
func TestTimeout(t *testing.T) {
	for _, c := range []struct{ given, want time.Duration }{{0, resilient.DefaultTimeout}, {-1, resilient.DefaultTimeout}, {time.Second, time.Second}} {
		bubble(t, func(t *testing.T, at *server, s *resilient.Store, _ *events) {
			takes := func(want time.Duration) {
				t.Helper()
				at.set(func(s *server) { s.hangs = true })
				began := time.Now()
				lacks(t, s, "a")
				if took := time.Since(began); took != want {
					t.Errorf("it took %v, want %v", took, want)
				}
			}
			takes(c.want)
			at.set(func(s *server) { s.hangs, s.delay = false, c.want*3/4 })
			later(time.Minute)
			at.set(func(s *server) { s.delay = 0 })
			takes(c.want * 3 / 2)
		}, resilient.Timeout(c.given))
	}
}
