package resilient_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/perennial-go/perennial/storage"
	"github.com/perennial-go/perennial/storage/resilient"
)

// The fate of changes whose answer was lost, and of changes behind them, while the store
// knows them and after that.
func TestChangesInDoubt(t *testing.T) {
	type fate struct {
		value                         string // "" where there is nothing
		delivered, dropped, conflicts int
	}
	const puts, twice, gone, deletes = "a put", "two updates", "one update", "a deletion"
	for _, c := range []struct {
		lost   string
		on     string // what waits on top: "", "put", "update", "remove"
		others string // what they do meanwhile: "", "delete", "set"
		made   bool   // the answer was lost, not the request
		known  fate   // while the store knows it
		late   fate   // an hour later, when it does not any more what there is no record of
	}{
		{puts, "", "", true, fate{"x", 1, 0, 0}, fate{"x", 1, 0, 0}},
		{puts, "", "", false, fate{"x", 1, 0, 0}, fate{"x", 1, 0, 0}},
		{puts, "", "delete", true, fate{"", 1, 0, 0}, fate{"", 0, 1, 0}},
		{puts, "", "delete", false, fate{"", 0, 0, 1}, fate{"", 0, 1, 0}},
		{puts, "", "set", true, fate{"y", 1, 0, 0}, fate{"y", 1, 0, 0}},
		{puts, "", "set", false, fate{"y", 0, 0, 1}, fate{"y", 0, 0, 1}},
		{puts, "update", "", true, fate{"x+", 2, 0, 0}, fate{"x+", 2, 0, 0}},
		{puts, "update", "set", true, fate{"y+", 2, 0, 0}, fate{"y+", 2, 0, 0}},
		{puts, "update", "delete", true, fate{"+", 2, 0, 0}, fate{"+", 1, 1, 0}},
		{puts, "put", "", true, fate{"z", 1, 0, 0}, fate{"z", 1, 0, 0}},
		{puts, "put", "", false, fate{"z", 1, 0, 0}, fate{"z", 1, 0, 0}},
		{puts, "put", "set", true, fate{"y", 0, 0, 1}, fate{"y", 0, 0, 1}},
		{puts, "put", "set", false, fate{"y", 0, 0, 1}, fate{"y", 0, 0, 1}},
		{puts, "remove", "", true, fate{"", 1, 0, 0}, fate{"", 1, 0, 0}},
		{puts, "remove", "delete", true, fate{"", 1, 0, 0}, fate{"", 1, 0, 0}},
		{puts, "remove", "set", true, fate{"y", 0, 0, 1}, fate{"y", 0, 0, 1}},
		{gone, "", "", true, fate{"0+", 1, 0, 0}, fate{"0+", 1, 0, 0}},
		{gone, "", "", false, fate{"0+", 1, 0, 0}, fate{"0+", 1, 0, 0}},
		{gone, "", "delete", true, fate{"", 1, 0, 0}, fate{"", 0, 1, 0}},
		{gone, "", "delete", false, fate{"+", 1, 0, 0}, fate{"", 0, 1, 0}},
		{gone, "", "set", true, fate{"y", 1, 0, 0}, fate{"y", 1, 0, 0}},
		{gone, "", "set", false, fate{"y+", 1, 0, 0}, fate{"y", 0, 1, 0}},
		{gone, "update", "set", true, fate{"y+", 2, 0, 0}, fate{"y+", 2, 0, 0}},
		{gone, "put", "set", true, fate{"y", 0, 0, 1}, fate{"y", 0, 0, 1}},
		{twice, "", "", true, fate{"0++", 2, 0, 0}, fate{"0++", 2, 0, 0}},
		{twice, "", "delete", true, fate{"", 2, 0, 0}, fate{"", 0, 2, 0}},
		{twice, "", "set", true, fate{"y", 2, 0, 0}, fate{"y", 2, 0, 0}},
		{twice, "", "set", false, fate{"y++", 2, 0, 0}, fate{"y", 0, 2, 0}},
		{twice, "update", "set", true, fate{"y+", 3, 0, 0}, fate{"y+", 3, 0, 0}},
		{twice, "update", "delete", true, fate{"+", 3, 0, 0}, fate{"+", 1, 2, 0}},
		{deletes, "", "", true, fate{"", 1, 0, 0}, fate{"", 1, 0, 0}},
		{deletes, "", "", false, fate{"", 1, 0, 0}, fate{"", 1, 0, 0}},
		{deletes, "", "set", true, fate{"y", 1, 0, 0}, fate{"y", 1, 0, 0}},
		{deletes, "", "set", false, fate{"y", 0, 0, 1}, fate{"y", 0, 0, 1}},
		{deletes, "", "delete", false, fate{"", 1, 0, 0}, fate{"", 1, 0, 0}},
		{deletes, "update", "", true, fate{"+", 2, 0, 0}, fate{"+", 2, 0, 0}},
		{deletes, "put", "", true, fate{"z", 1, 0, 0}, fate{"", 0, 1, 0}}, // it may be that others deleted it
	} {
		for _, late := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s then %q, made %v, others %q, late %v", c.lost, c.on, c.made, c.others, late), func(t *testing.T) {
				bubble(t, func(t *testing.T, at *server, s *resilient.Store, seen *events) {
					put(t, s, "a", "0", committed)
					lose := func(s *server) {
						s.faulty = "swap"
						if c.made {
							s.unheard = 1
						} else {
							s.unsaid = 1
						}
					}
					switch c.lost {
					case puts:
						at.set(lose)
						put(t, s, "a", "x", queued)
					case gone:
						at.set(lose)
						update(t, s, "a", "+", queued)
					case deletes:
						at.set(lose)
						remove(t, s, "a", queued)
					case twice:
						at.stop()
						lacks(t, s, "b")
						update(t, s, "a", "+", queued)
						update(t, s, "a", "+", queued)
						at.start()
						at.set(lose)
						later(4 * time.Second)
					}
					at.stop()
					switch c.on {
					case "put":
						put(t, s, "a", "z", queued)
					case "update":
						update(t, s, "a", "+", queued)
					case "remove":
						remove(t, s, "a", queued)
					}
					switch c.others {
					case "set":
						stores(t, at, "a", "y")
					case "delete":
						if _, err := at.memory.Delete(t.Context(), "a"); err != nil {
							t.Fatal(err)
						}
					}
					want := c.known
					if late {
						want = c.late
						later(time.Hour)
					}
					at.start()
					later(40 * time.Second)
					r, err := at.memory.Get(t.Context(), "a")
					stats := s.Stats()
					got := fate{string(r.Value), int(stats.Delivered), int(stats.Dropped), int(stats.Conflicts)}
					if err != nil || r.Found != (want.value != "") || got != want || stats.Changes != 0 || stats.Trips == 0 {
						t.Errorf("%+v, want %+v (%v)", got, want, err)
					}
					dropped := 0
					for _, e := range seen.of(resilient.Dropped) {
						dropped += e.Changes
						if !errors.Is(e.Err, resilient.ErrInDoubt) || e.Key != "a" {
							t.Errorf("dropped: %+v", e)
						}
					}
					conflicts := 0
					for _, e := range seen.of(resilient.Conflict) {
						conflicts += e.Changes
					}
					if dropped != want.dropped || conflicts != want.conflicts {
						t.Errorf("it is told of %d dropped, %d conflicts", dropped, conflicts)
					}
				})
			})
		}
	}
}

// leaving is a server whose callers leave during their changes.
type leaving struct {
	*server
	leave func() // nil while they need not
	made  bool   // and the change is made
}

func (l *leaving) Swap(ctx context.Context, changes ...storage.Change) ([]bool, error) {
	if l.leave == nil {
		return l.server.Swap(ctx, changes...)
	}
	if l.made {
		if _, err := l.server.Swap(ctx, changes...); err != nil {
			return nil, err
		}
	}
	l.leave()
	return nil, errReset
}

// A change whose caller has left may have been made or not. The next change that waits
// accepts either, up to a number of such changes; then the copy is forgotten.
func TestChangesOfCallersWhoLeave(t *testing.T) {
	for _, c := range []struct {
		leaves int
		made   []int // of them
		copied bool
		others bool
		want   string
	}{
		{1, nil, true, false, "mine"},
		{1, []int{0}, true, false, "mine"},
		{2, []int{0}, true, false, "mine"},
		{2, []int{1}, true, false, "mine"},
		{1, []int{0}, true, true, "theirs"},
		{7, nil, true, false, "mine"},
		{8, nil, false, false, "0"},
	} {
		bubble(t, func(t *testing.T, at *server, _ *resilient.Store, _ *events) {
			l := &leaving{server: at}
			s, seen := client(t, l)
			stores(t, at, "never seen", "1")
			put(t, s, "a", "0", committed)
			for i := range c.leaves {
				ctx, cancel := context.WithCancel(t.Context())
				l.leave, l.made = cancel, slices.Contains(c.made, i)
				outcome, err := outcomeOf(s.Set(ctx, "a", fmt.Append(nil, "left ", i), storage.Forever))
				if !errors.Is(err, context.Canceled) || !errors.Is(err, errReset) || outcome != 0 {
					t.Errorf("Set: %v, %v", outcome, err)
				}
				l.leave, l.made = nil, false
				if i < c.leaves-1 { // what is looked at would be known
					at.set(func(s *server) { s.fault = on(nil) })
				}
			}
			ctx, cancel := context.WithCancel(t.Context())
			l.leave = cancel
			if _, err := outcomeOf(s.Set(ctx, "never seen", []byte("2"), storage.Forever)); !errors.Is(err, context.Canceled) {
				t.Errorf("Set: %v", err)
			}
			l.leave = nil
			if stats := s.Stats(); stats.State != resilient.StateClosed || stats.Queued != 0 {
				t.Errorf("stats: %+v", stats)
			}
			at.stop()
			if c.copied {
				put(t, s, "a", "mine", queued)
				if c.others {
					stores(t, at, "a", "theirs")
				}
				at.start()
				later(time.Minute)
				holds(t, at.memory, "a", c.want)
				if told := seen.of(resilient.Conflict); len(told) > 0 != c.others {
					t.Errorf("conflicts: %+v", told)
				}
			}
			at.start()
			if err := s.Close(context.Background()); err != nil {
				t.Error(err)
			}
		})
	}
}

// The copy is forgotten over a store without versions, too, if too many changes are in
// doubt.
func TestCopyOfManyInDoubtIsForgotten(t *testing.T) {
	for leaves, want := range map[int]bool{6: true, 7: true, 8: false} {
		bubble(t, func(t *testing.T, at *server, _ *resilient.Store, _ *events) {
			s, seen := client(t, bare{at})
			stores(t, at, "a", "0")
			holds(t, s, "a", "0")
			for i := range leaves {
				ctx, cancel := context.WithCancel(t.Context())
				at.set(func(s *server) { s.fault = func(string, string) error { cancel(); return errReset } })
				if _, err := outcomeOf(s.Set(ctx, "a", fmt.Append(nil, i), storage.Forever)); !errors.Is(err, context.Canceled) {
					t.Errorf("Set: %v", err)
				}
				at.set(func(s *server) { s.fault = nil })
			}
			stores(t, at, "a", "0")
			at.stop()
			if r, err := s.Get(t.Context(), "a"); err != nil || r.Found != want {
				t.Errorf("after %d: %+v, %v", leaves, r, err)
			}
			put(t, s, "a", "mine", queued)
			at.start()
			later(time.Minute)
			if n := len(seen.of(resilient.Conflict)); (n == 0) != want {
				t.Errorf("after %d: %d conflicts", leaves, n)
			}
			if err := s.Close(context.Background()); err != nil {
				t.Error(err)
			}
		})
	}
}

// A deletion that waits reports whether there was a record, also if the store goes away
// with it. A change that does not fit into the queue then is refused, and may have been
// made.
func TestStoreGoesDuringAChange(t *testing.T) {
	bubble(t, func(t *testing.T, at *server, s *resilient.Store, seen *events) {
		for _, key := range []string{"a", "full"} {
			put(t, s, key, "1", committed)
		}
		at.stop()
		if existed, err := s.Delete(t.Context(), "a"); !existed || !errors.Is(err, storage.ErrQueued) {
			t.Errorf("Delete: %v, %v", existed, err)
		}
		if existed, err := s.Delete(t.Context(), "a"); existed || !errors.Is(err, storage.ErrQueued) {
			t.Errorf("another Delete: %v, %v", existed, err)
		}
		at.set(func(s *server) { s.fault = on(errReadOnly, "swap") })
		at.start()
		later(10 * time.Second)
		at.set(func(s *server) { s.fault, s.faulty, s.unheard = nil, "swap", 1 })
		if outcome, err := outcomeOf(s.Set(t.Context(), "full", []byte("2"), storage.Forever)); !errors.Is(err, resilient.ErrFull) || outcome != 0 {
			t.Errorf("Set: %v, %v", outcome, err)
		}
		if stats := s.Stats(); stats.Changes != 1 || stats.Refused != 1 || stats.State != resilient.StateOpen {
			t.Errorf("stats: %+v", stats)
		}
		holds(t, s, "full", "1")
		if err := s.Flush(t.Context()); err != nil {
			t.Error(err)
		}
		lacks(t, at.memory, "a")
		at.stop()
		lacks(t, s, "nothing")
		put(t, s, "full", "3", queued)
		at.start()
		later(2 * time.Minute)
		holds(t, at.memory, "full", "3")
		if told := seen.of(resilient.Conflict); len(told) > 0 {
			t.Errorf("conflicts: %+v", told)
		}
	}, resilient.Queue(1, 0))
}

// A deletion of a Cache, also one that replaced a change in flight, is made whatever is
// there, however long that takes.
func TestCacheDeletesWhateverWasSent(t *testing.T) {
	for _, away := range []time.Duration{time.Second, time.Hour} {
		for _, also := range []bool{false, true} {
			cached(t, func(t *testing.T, at *server, c *resilient.BulkCache, seen *events) {
				stores(t, at, "a", "0")
				holds(t, c, "a", "0")
				at.set(func(s *server) { s.unsaid = 1 })
				queues(t, c, "a", "1")
				at.stop()
				if _, err := c.Delete(t.Context(), "a"); !errors.Is(err, storage.ErrQueued) {
					t.Errorf("Delete: %v", err)
				}
				later(away)
				if also {
					stores(t, at, "a", "theirs")
				} else if _, err := at.memory.Delete(t.Context(), "a"); err != nil {
					t.Error(err)
				}
				theirs := claim(t, at.memory, "a")
				at.start()
				later(40 * time.Second)
				lacks(t, at.memory, "a")
				fill(t, at.memory, "a", "loaded before", theirs, false)
				if stats := c.Stats(); stats.Delivered != 1 || stats.Superseded != 1 || stats.Changes != 0 {
					t.Errorf("stats: %+v", stats)
				}
			})
		}
	}
}

// A delivery that hangs while the store goes away resumes when it is back.
func TestDelayedDelivery(t *testing.T) {
	bubble(t, func(t *testing.T, at *server, s *resilient.Store, _ *events) {
		at.stop()
		lacks(t, s, "b")
		calls := 0
		if _, _, err := updated(s.Update(t.Context(), "a", func(storage.Record) ([]byte, time.Duration, error) {
			if calls++; calls == 2 {
				time.Sleep(time.Minute)
			}
			return []byte("x"), storage.Forever, nil
		})); err != nil {
			t.Fatal(err)
		}
		at.start()
		later(5 * time.Second)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		var left *resilient.LeftError
		if err := s.Flush(ctx); !errors.As(err, &left) || left.Changes != 1 || !errors.Is(left.Err, context.DeadlineExceeded) {
			t.Errorf("Flush beside a delivery: %v", err)
		}
		at.stop()
		lacks(t, s, "b")
		later(time.Minute)
		at.start()
		later(time.Minute)
		holds(t, at.memory, "a", "x")
	})
}
