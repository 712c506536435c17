package resilient_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/perennial-go/perennial/storage"
	"github.com/perennial-go/perennial/storage/resilient"
)

// amid delays the server's answer to a change of "a" that waits, and calls do meanwhile.
// The change is made by then, or refused.
func amid(t *testing.T, at *asked, s *resilient.Store, refused error, do func()) {
	t.Helper()
	at.set(func(s *server) {
		s.fault = func(verb, _ string) error {
			if verb != "swap" {
				return nil
			}
			return refused
		}
	})
	at.answers.Store(int64(200 * time.Millisecond))
	at.start()
	at.anew()
	for {
		later(10 * time.Millisecond)
		if _, swapped, _ := at.anew(); len(swapped) > 0 {
			break
		}
	}
	do()
	at.answers.Store(0)
	later(200 * time.Millisecond)
	at.set(func(s *server) { s.fault = nil })
}

// A change that replaces one in flight is sent on the version that this one makes, or on
// the one before if it was refused: without a read, for both are known.
func TestReplacedInFlight(t *testing.T) {
	for _, refused := range []error{nil, errReadOnly} {
		overAsked(t, func(t *testing.T, at *asked, s *resilient.Store, seen *events) {
			put(t, s, "a", "0", committed)
			at.stop()
			lacks(t, s, "nothing")
			put(t, s, "a", "1", queued)
			amid(t, at, s, refused, func() { put(t, s, "a", "2", queued) })
			later(time.Minute)
			if looked, _, _ := at.anew(); len(looked) > 0 {
				t.Errorf("it looks at %q", looked)
			}
			holds(t, at.memory, "a", "2")
			if stats := s.Stats(); stats.Queued != 2 || stats.Superseded != 1 || stats.Delivered != 1 || stats.Conflicts != 0 {
				t.Errorf("stats: %+v", stats)
			}
			if told := seen.of(resilient.Delivered); len(told) != 1 || told[0].Changes != 1 {
				t.Errorf("delivered: %+v", told)
			}
		})
	}
}

// An Update makes its result the base of what waits behind it. A change that has replaced
// it in flight was made on an earlier version, and is in conflict.
func TestBaseAfterAnUpdate(t *testing.T) {
	for _, behind := range []bool{true, false} {
		overAsked(t, func(t *testing.T, at *asked, s *resilient.Store, seen *events) {
			put(t, s, "a", "0", committed)
			at.stop()
			lacks(t, s, "nothing")
			update(t, s, "a", "1", queued)
			stores(t, at.server, "a", "9")
			amid(t, at, s, nil, func() {
				if behind {
					update(t, s, "a", "2", queued)
					at.set(func(s *server) { s.fault = on(errReadOnly, "look") })
				} else {
					put(t, s, "a", "3", queued)
				}
			})
			if behind {
				at.stop()
				later(time.Second)
				put(t, s, "a", "3", queued)
				at.start()
			}
			later(time.Minute)
			want := map[bool]string{true: "3", false: "91"}[behind]
			holds(t, at.memory, "a", want)
			if told := seen.of(resilient.Conflict); (len(told) == 0) != behind {
				t.Errorf("conflicts: %+v", told)
			}
		})
	}
}

// A change that is dropped for room while it is in flight is not reported as delivered
// and not counted any more; other changes are sent, or wait if the server refuses.
func TestDroppedInFlight(t *testing.T) {
	for _, c := range []struct {
		refused error
		goesOn  bool
	}{{nil, true}, {errReadOnly, false}, {errReset, false}, {storage.Refused(errors.New("too large")), true}} {
		t.Run(fmt.Sprint(c.refused), func(t *testing.T) {
			overAsked(t, func(t *testing.T, at *asked, s *resilient.Store, seen *events) {
				at.stop()
				lacks(t, s, "nothing")
				put(t, s, "a", "1", queued)
				put(t, s, "b", "1", queued)
				amid(t, at, s, c.refused, func() { update(t, s, "b", "2", queued) })
				if _, swapped, _ := at.anew(); (len(swapped) > 0) != c.goesOn {
					t.Errorf("it sends %q then", swapped)
				}
				later(time.Minute)
				if stats := s.Stats(); stats.Keys != 0 || stats.Changes != 0 || stats.Bytes != 0 || stats.Queued != 3 || stats.Queued != stats.Delivered+stats.Dropped {
					t.Errorf("stats: %+v", stats)
				}
				if told := seen.of(resilient.Dropped); len(told) == 0 || told[0].Key != "a" || !errors.Is(told[0].Err, resilient.ErrFull) {
					t.Errorf("dropped: %+v", told)
				}
			}, resilient.Queue(2, 0), resilient.DropOldest())
		})
	}
}

// Unknown errors are counted from zero after a change of the key was made.
func TestUnknownErrorsAreCountedAnew(t *testing.T) {
	overAsked(t, func(t *testing.T, at *asked, s *resilient.Store, seen *events) {
		unknown := errors.New("what is this?")
		fails := func(times int) {
			t.Helper()
			at.set(func(s *server) { s.fault = on(unknown, "swap") })
			for n := len(seen.of(resilient.Opened)) + times; len(seen.of(resilient.Opened)) < n; {
				later(100 * time.Millisecond)
			}
		}
		put(t, s, "a", "0", committed)
		at.stop()
		update(t, s, "a", "1", queued)
		at.set(func(s *server) { s.fault = on(unknown, "swap") })
		at.start()
		fails(2)
		amid(t, at, s, nil, func() { update(t, s, "a", "2", queued); fails(2) })
		at.set(func(s *server) { s.fault = nil })
		later(time.Minute)
		holds(t, at.memory, "a", "012")
		if stats := s.Stats(); stats.Delivered != 2 || stats.Dropped != 0 {
			t.Errorf("stats: %+v", stats)
		}
	})
}

// The number of parts that are sent as one change halves when others are faster, and
// doubles when they are not.
func TestHowManyPartsAreSentAtOnce(t *testing.T) {
	for _, c := range []struct {
		parts, faster, more int
		want                string
	}{
		{8, 0, 0, "[8]"},
		{8, 1, 0, "[4 4]"},
		{8, 2, 0, "[2 4 2]"},
		{8, 3, 0, "[1 2 4 1]"},
		{8, 4, 0, "[1 2 4 1]"},
		{1, 1, 4, "[1 2 2]"},
	} {
		overAsked(t, func(t *testing.T, at *asked, s *resilient.Store, seen *events) {
			at.stop()
			lacks(t, s, "nothing")
			for range c.parts {
				update(t, s, "a", "+", queued)
			}
			var swaps atomic.Int64
			at.set(func(s *server) {
				s.fault = func(verb, _ string) error {
					if verb != "swap" {
						return nil
					}
					switch n := int(swaps.Add(1)); {
					case n <= c.faster:
						stores(t, at.server, "a", "x")
					case n == c.faster+1:
						at.answers.Store(int64(100 * time.Millisecond))
					default:
						at.answers.Store(0)
					}
					return nil
				}
			})
			at.start()
			for int(swaps.Load()) <= c.faster {
				later(10 * time.Millisecond)
			}
			for range c.more {
				update(t, s, "a", "+", queued)
			}
			later(time.Minute)
			var counts []int
			for _, e := range seen.of(resilient.Delivered) {
				counts = append(counts, e.Changes)
			}
			if got := fmt.Sprint(counts); got != c.want {
				t.Errorf("of %d, with others faster %d times, %v are made one, want %v", c.parts, c.faster, got, c.want)
			}
		})
	}
}

// A record that is delivered for the first time is current without a read if it is
// watched; one that was made before, and may have changed since, is read.
func TestDeliveredRecordIsCurrent(t *testing.T) {
	for _, again := range []bool{false, true} {
		overLossy(t, func(t *testing.T, at *asked, s *resilient.Store, seen *events) {
			put(t, s, "b", "1", committed)
			later(time.Second)
			at.tells.Store(int64(time.Hour))
			if again { // it is made after a loss that nobody knows of, and others delete it
				at.empty()
				at.set(func(s *server) { s.fault = on(errReset, "watch") })
				put(t, s, "a", "1", committed)
				if _, err := at.memory.Delete(t.Context(), "a"); err != nil {
					t.Fatal(err)
				}
				at.tells.Store(0)
				at.set(func(s *server) { s.fault = nil })
				later(time.Minute)
				if n := len(seen.of(resilient.Emptied)); n != 1 {
					t.Errorf("it is told of %d losses", n)
				}
				lacks(t, s, "a")
				return
			}
			at.set(func(s *server) { s.fault = on(errReadOnly, "swap") })
			at.stop()
			put(t, s, "a", "1", queued)
			at.tells.Store(0)
			at.start()
			later(10 * time.Second)
			at.tells.Store(int64(time.Hour))
			at.set(func(s *server) { s.fault = nil })
			at.anew()
			later(30 * time.Second)
			holds(t, s, "a", "1")
			if looked, _, _ := at.anew(); len(looked) > 0 {
				t.Errorf("it looks at %q", looked)
			}
		})
	}
}

// A record that was seen after a change in doubt was made is not replaced by that
// change's copy.
func TestSeenSinceAChangeInDoubt(t *testing.T) {
	overAsked(t, func(t *testing.T, at *asked, s *resilient.Store, _ *events) {
		put(t, s, "a", "0", committed)
		at.set(func(s *server) { s.faulty, s.unheard = "swap", 1 })
		put(t, s, "a", "1", queued)
		stores(t, at.server, "a", "9")
		later(time.Minute)
		if stats := s.Stats(); stats.Delivered != 1 || stats.Changes != 0 {
			t.Errorf("stats: %+v", stats)
		}
		at.stop()
		lacks(t, s, "nothing")
		holds(t, s, "a", "9")
	})
}

// The store knows a change in doubt for a minute after it was sent, less the time to read
// and to send. After that a deletion, or what a deletion has replaced, is done if the
// record is gone, and it is read once.
func TestWhenAChangeInDoubtIsOld(t *testing.T) {
	const until = resilient.DefaultInDoubt - 2*resilient.DefaultTimeout
	for _, c := range []struct {
		name      string
		keep      time.Duration
		removes   bool // after it
		after     time.Duration
		dropped   bool
		conflicts int
	}{
		{"known", storage.Forever, false, until, false, 1},
		{"late", storage.Forever, false, until + 1, true, 0},
		{"short", 1, false, until + 1, true, 0},
		{"deletion", 0, false, until + 1, false, 0},
		{"replaced", storage.Forever, true, until + 1, false, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			overAsked(t, func(t *testing.T, at *asked, s *resilient.Store, seen *events) {
				put(t, s, "a", "0", committed)
				at.set(func(s *server) { s.faulty, s.unsaid = "swap", 1 })
				if outcome, err := outcomeOf(s.Set(t.Context(), "a", []byte("1"), c.keep)); err != nil || outcome != queued {
					t.Errorf("Set: %v, %v", outcome, err)
				}
				at.stop()
				if c.removes {
					remove(t, s, "a", queued)
				}
				if _, err := at.memory.Delete(t.Context(), "a"); err != nil {
					t.Fatal(err)
				}
				later(c.after)
				at.start()
				at.anew()
				if err := s.Flush(t.Context()); err != nil {
					t.Error(err)
				}
				if looked, _, _ := at.anew(); len(looked) != 2 { // the first is the probe
					t.Errorf("it looks at %q", looked)
				}
				dropped := seen.of(resilient.Dropped)
				if c.dropped != (len(dropped) == 1) || c.dropped && !errors.Is(dropped[0].Err, resilient.ErrInDoubt) {
					t.Errorf("dropped: %+v", dropped)
				}
				if n := len(seen.of(resilient.Conflict)); n != c.conflicts {
					t.Errorf("%d conflicts", n)
				}
				delivered := seen.of(resilient.Delivered)
				if done := !c.dropped && c.conflicts == 0; done != (len(delivered) == 1) || done && delivered[0].Changes != 1 {
					t.Errorf("delivered: %+v", delivered)
				}
			})
		})
	}
}

// An old change in doubt waits while its record can't be read.
func TestOldChangeInDoubtWaitsForARead(t *testing.T) {
	overAsked(t, func(t *testing.T, at *asked, s *resilient.Store, seen *events) {
		put(t, s, "a", "0", committed)
		at.set(func(s *server) { s.faulty, s.unsaid = "swap", 1 })
		update(t, s, "a", "1", queued)
		at.stop()
		later(time.Hour)
		at.set(func(s *server) { s.fault = on(errReadOnly, "look") })
		at.start()
		at.anew()
		var left *resilient.LeftError
		if err := s.Flush(context.Background()); !errors.As(err, &left) || left.Err != errReadOnly || left.Changes != 1 {
			t.Errorf("Flush: %v", err)
		}
		if looked, swapped, _ := at.anew(); len(looked) != 2 || len(swapped) > 0 {
			t.Errorf("it looks at %q, and sends %q", looked, swapped)
		}
		at.set(func(s *server) { s.fault = nil })
		later(time.Minute)
		holds(t, at.memory, "a", "01")
		if told := seen.of(resilient.Dropped); len(told) > 0 {
			t.Errorf("dropped: %+v", told)
		}
	})
}

// A Cache drops an old change in doubt, too, or its replacement, if the record is gone.
func TestOldChangeInDoubtOfACache(t *testing.T) {
	for _, replaced := range []bool{false, true} {
		cached(t, func(t *testing.T, at *server, c *resilient.BulkCache, seen *events) {
			stores(t, at, "a", "0")
			holds(t, c, "a", "0")
			at.set(func(s *server) { s.unsaid = 1 })
			if err := c.Set(t.Context(), "a", []byte("1"), 1); !errors.Is(err, storage.ErrQueued) {
				t.Errorf("Set: %v", err)
			}
			at.stop()
			if replaced {
				queues(t, c, "a", "2")
			}
			later(time.Hour)
			if _, err := at.memory.Delete(t.Context(), "a"); err != nil {
				t.Error(err)
			}
			at.start()
			later(40 * time.Second)
			lacks(t, at.memory, "a")
			if told := seen.of(resilient.Dropped); len(told) != 1 || !errors.Is(told[0].Err, resilient.ErrInDoubt) {
				t.Errorf("dropped: %+v", told)
			}
		})
	}
}

// A loss that a delivery finds does not hold it up: the lost record is written again, and
// the change that waited is made on it at once.
func TestLossFoundByADelivery(t *testing.T) {
	overLossy(t, func(t *testing.T, at *asked, s *resilient.Store, seen *events) {
		put(t, s, "a", "1", committed)
		later(time.Second)
		at.stop()
		update(t, s, "a", "2", queued)
		at.set(func(s *server) { s.fault = on(errReadOnly, "swap") })
		at.start()
		later(5 * time.Second)
		at.empty() // with the delivery stuck, and nobody told
		at.set(func(s *server) { s.fault = on(errReset, "watch") })
		if err := s.Flush(context.Background()); err != nil {
			t.Error(err)
		}
		holds(t, at.memory, "a", "12")
		if told := seen.of(resilient.Emptied); len(told) != 1 || told[0].Changes != 1 {
			t.Errorf("it is told %+v", told)
		}
	})
}

// The third unknown error drops a change; until then Flush returns the store's error.
func TestUnknownThreeTimes(t *testing.T) {
	overAsked(t, func(t *testing.T, at *asked, s *resilient.Store, seen *events) {
		unknown := errors.New("what is this?")
		at.stop()
		lacks(t, s, "nothing")
		put(t, s, "a", "1", queued)
		at.set(func(s *server) { s.fault = on(unknown, "swap") })
		at.start()
		at.anew()
		for i := range 3 {
			var left *resilient.LeftError
			err := s.Flush(context.Background())
			if last := i == 2; last != (err == nil) || !last && (!errors.As(err, &left) || left.Err != unknown) {
				t.Errorf("Flush %d: %v", i, err)
			}
		}
		if _, swapped, _ := at.anew(); len(swapped) != 3 {
			t.Errorf("it is sent %d times", len(swapped))
		}
		if told := seen.of(resilient.Dropped); len(told) != 1 || told[0].Err != unknown || string(told[0].Value) != "1" {
			t.Errorf("dropped: %+v", told)
		}
	})
}

// The third unknown error drops a rewrite, too, though the store was never away.
func TestUnknownThreeTimesOfARewrite(t *testing.T) {
	overLossy(t, func(t *testing.T, at *asked, s *resilient.Store, seen *events) {
		put(t, s, "a", "1", committed)
		later(time.Second)
		unknown := errors.New("what is this?")
		at.set(func(s *server) { s.fault = on(unknown, "swap") })
		at.anew()
		at.empty() // with no connection broken
		at.paced.told(storage.Changed{Missed: true})
		later(5 * time.Minute)
		if _, swapped, _ := at.anew(); len(swapped) != 3 {
			t.Errorf("it is sent %d times", len(swapped))
		}
		if told := seen.of(resilient.Dropped); len(told) != 1 || told[0].Err != unknown {
			t.Errorf("dropped: %+v", told)
		}
	})
}

// Flush returns the error of the store, or says that its caller has left.
func TestFlushErrors(t *testing.T) {
	for _, leaves := range []bool{false, true} {
		overAsked(t, func(t *testing.T, at *asked, s *resilient.Store, _ *events) {
			at.stop()
			lacks(t, s, "nothing")
			put(t, s, "a", "1", queued)
			ctx, cancel := context.WithCancel(context.Background())
			at.set(func(s *server) {
				s.fault = func(verb, _ string) error {
					if verb == "swap" {
						if leaves {
							cancel()
						}
						return errReset
					}
					return nil
				}
			})
			at.start()
			if !leaves {
				ctx = context.Background()
			}
			err := s.Flush(ctx)
			var left *resilient.LeftError
			if !errors.As(err, &left) || !errors.Is(left, errReset) {
				t.Fatalf("Flush: %v", err)
			}
			if !leaves && left.Err != errReset {
				t.Errorf("Flush: %v", left.Err)
			}
			if leaves && (!errors.Is(left.Err, context.Canceled) || !strings.Contains(left.Error(), "given up")) {
				t.Errorf("Flush: %v", left.Err)
			}
			cancel()
		})
	}
}

// A record that can't be read drops all that waits of its key; other changes are made.
func TestUnreadableDropsAllOfTheKey(t *testing.T) {
	overAsked(t, func(t *testing.T, at *asked, s *resilient.Store, seen *events) {
		at.stop()
		lacks(t, s, "nothing")
		update(t, s, "a", "1", queued)
		update(t, s, "a", "2", queued)
		update(t, s, "b", "1", queued)
		unreadable := fmt.Errorf("%w: a list", storage.ErrUnreadable)
		at.set(func(s *server) {
			s.fault = func(verb, key string) error {
				if verb == "look" && key == "a" {
					return unreadable
				}
				return nil
			}
		})
		at.start()
		later(10 * time.Second)
		holds(t, at.memory, "b", "1")
		if told := seen.of(resilient.Dropped); len(told) != 1 || told[0].Changes != 2 || !errors.Is(told[0].Err, unreadable) {
			t.Errorf("dropped: %+v", told)
		}
		if stats := s.Stats(); stats.Changes != 0 || stats.Bytes != 0 || stats.Dropped != 2 {
			t.Errorf("stats: %+v", stats)
		}
	})
}
