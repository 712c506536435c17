package resilient_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/perennial-go/perennial/storage"
	"github.com/perennial-go/perennial/storage/resilient"
)

// The size of the queue counts keys and values, each value once, what functions hold, and
// the resulting records.
func TestQueueSize(t *testing.T) {
	bubble(t, func(t *testing.T, at *server, s *resilient.Store, _ *events) {
		put(t, s, "s", "", committed)
		before := s.Stats()
		adds := func(what string, want int, do func()) (added int) {
			t.Helper()
			is := s.Stats().Bytes
			do()
			if added = s.Stats().Bytes - is; want >= -1000 && added != want {
				t.Errorf("%s adds %d bytes, want %d", what, added, want)
			}
			return added
		}
		const any = -1 << 20
		at.set(func(s *server) { s.unheard = 1 })
		sent := adds("what was sent", any, func() { put(t, s, "s", "0123456789", queued) })
		at.stop()
		one := adds("a change", any, func() { put(t, s, "a", "1", queued) })
		if one < 2 || one > 1000 || sent != one+9 {
			t.Errorf("a change of two bytes takes %d, one of eleven that was sent %d", one, sent)
		}
		adds("a longer key", one+2, func() { put(t, s, "bbb", "1", queued) })
		adds("a longer value", 1, func() { put(t, s, "a", "12", queued) })
		adds("a deletion in its place", -2, func() { remove(t, s, "a", queued) })
		adds("the same again", 0, func() { remove(t, s, "a", queued) })
		adds("one beside what was sent", 5, func() { put(t, s, "s", "01234", queued) })
		adds("a deletion beside what was sent", -5, func() { remove(t, s, "s", queued) })
		empty := adds("an update to nothing", any, func() { update(t, s, "u", "", queued) })
		adds("an update to three", empty+3, func() { update(t, s, "v", "123", queued) })
		more := adds("an update on top", any, func() { update(t, s, "v", "4", queued) }) - 1
		if more <= 0 || more >= one {
			t.Errorf("a part takes %d bytes, a key with one %d", more, one)
		}
		adds("another", more+2, func() { update(t, s, "v", "56", queued) })
		put(t, s, "w", "123", queued)
		adds("an update on what is set", more+4, func() { update(t, s, "w", "4", queued) })
		for _, holds := range []int{100, -100} {
			adds("what is held", more+max(holds, 0), func() {
				if _, _, err := updated(s.Update(t.Context(), "u", appends(""), resilient.Holds(func() int { return holds }))); err != nil {
					t.Error(err)
				}
			})
		}
		at.start()
		later(time.Minute)
		if stats := s.Stats(); stats.Bytes != 0 || stats.Changes != 0 || stats.Keys != 0 || stats.Bytes != before.Bytes {
			t.Errorf("stats: %+v", stats)
		}
	})
}

// The bounds of the queue are exact: changes that take all of it are accepted.
func TestQueueBoundsAreExact(t *testing.T) {
	value := strings.Repeat("x", 1000)
	takes := 0
	bubble(t, func(t *testing.T, at *server, s *resilient.Store, _ *events) {
		at.stop()
		lacks(t, s, "b")
		put(t, s, "a", value, queued)
		takes = s.Stats().Bytes
	})
	for _, drops := range []bool{false, true} {
		for _, room := range []int{takes - 1, takes, 2*takes - 1, 2 * takes} {
			opts := []resilient.Option{resilient.Queue(0, room)}
			if drops {
				opts = append(opts, resilient.DropOldest())
			}
			bubble(t, func(t *testing.T, at *server, s *resilient.Store, seen *events) {
				at.stop()
				lacks(t, s, "b")
				var accepted []string
				for _, key := range []string{"a", "b", "c"} {
					outcome, err := outcomeOf(s.Set(t.Context(), key, []byte(value), storage.Forever))
					switch {
					case err == nil && outcome == queued:
						accepted = append(accepted, key)
					case !errors.Is(err, resilient.ErrFull) || outcome != 0:
						t.Errorf("Set: %v, %v", outcome, err)
					}
				}
				fit := room / takes
				want := []string{"a", "b", "c"}[:fit]
				gone := 0
				if drops && fit > 0 {
					want, gone = []string{"a", "b", "c"}, 3-fit
				}
				stats, dropped := s.Stats(), seen.of(resilient.Dropped)
				if !slices.Equal(accepted, want) || stats.Keys != fit || stats.Bytes != fit*takes || len(dropped) != gone || stats.Dropped != uint64(gone) {
					t.Errorf("room for %d of %d, drops %v: %v are accepted, %v dropped, stats %+v", room, takes, drops, accepted, dropped, stats)
				}
				if refused := seen.of(resilient.Refused); len(refused) != 3-len(want) || stats.Refused != uint64(len(refused)) {
					t.Errorf("refused: %v", refused)
				}
			}, opts...)
		}
	}
}

// If a single key takes all of the queue, a change that is added to it is refused and
// drops nothing.
func TestDropOldestKeepsTheOnlyKey(t *testing.T) {
	bubble(t, func(t *testing.T, at *server, s *resilient.Store, seen *events) {
		at.stop()
		lacks(t, s, "b")
		update(t, s, "a", "1", queued)
		update(t, s, "a", "2", queued)
		if _, _, err := updated(s.Update(t.Context(), "a", appends("3"))); !errors.Is(err, resilient.ErrFull) {
			t.Errorf("Update: %v", err)
		}
		holds(t, s, "a", "12")
		put(t, s, "b", "1", queued) // in its place
		dropped := seen.of(resilient.Dropped)
		if len(dropped) != 1 || dropped[0].Key != "a" || dropped[0].Changes != 2 || s.Stats().Dropped != 2 {
			t.Errorf("dropped: %+v", dropped)
		}
		lacks(t, s, "a")
	}, resilient.Queue(2, 0), resilient.DropOldest())
}

// The size of the copies counts keys and values, is given back, and may be used up.
func TestCopySize(t *testing.T) {
	takes := 0
	synctest.Test(t, func(t *testing.T) {
		at := newServer()
		c, err := resilient.NewBulkCache(at)
		if err != nil {
			t.Fatal(err)
		}
		sizes := func(key, value string) int {
			before := c.Stats().CopyBytes
			if err := c.Set(t.Context(), key, []byte(value), storage.Forever); err != nil {
				t.Error(err)
			}
			return c.Stats().CopyBytes - before
		}
		takes = sizes("k", "v")
		if longer := sizes("kkk", "v"); takes < 2 || takes > 1000 || longer != takes+2 {
			t.Errorf("two bytes take %d, four %d", takes, longer)
		}
		if more := sizes("k", "vvvv"); more != 3 {
			t.Errorf("three bytes more take %d", more)
		}
		if less := sizes("k", "v"); less != -3 {
			t.Errorf("three bytes less take %d", less)
		}
		if err := c.Clear(t.Context(), "kk"); err != nil {
			t.Error(err)
		}
		if stats := c.Stats(); stats.CopyBytes != takes || stats.Copies != 1 {
			t.Errorf("stats: %+v", stats)
		}
		if err := c.Close(t.Context()); err != nil {
			t.Error(err)
		}
		_ = at.memory.Close()
	})
	for _, room := range []int{takes - 1, takes, 2*takes - 1, 2 * takes} {
		bubble(t, func(t *testing.T, at *server, s *resilient.Store, seen *events) {
			stores(t, at, "a", "1", "b", "2", "c", "3")
			var want []string
			for i, key := range []string{"a", "b", "c"} {
				holds(t, s, key, fmt.Sprint(i+1))
			}
			fit := room / takes
			switch gone := 3 - fit; gone {
			case 3:
				want = []string{"a", "b"} // and the third is not told of
			case 2:
				want = []string{"a", "b"}
			case 1:
				want = []string{"a"}
			}
			var keys []string
			for _, e := range seen.of(resilient.Forgot) {
				keys = append(keys, e.Key)
				if e.Forgotten != len(keys) || e.Err == nil || !strings.Contains(e.Err.Error(), fmt.Sprint(room, " bytes")) {
					t.Errorf("it is told %+v", e)
				}
			}
			stats := s.Stats()
			if !slices.Equal(keys, want) || stats.Copies != fit || stats.CopyBytes != fit*takes || stats.Forgotten != uint64(3-fit) {
				t.Errorf("room for %d of %d: %v are forgotten, stats %+v", room, takes, keys, stats)
			}
		}, resilient.Copy(0, room))
	}
}

// A record that is larger than the bound of the copies is not kept and displaces no
// other.
func TestCopyTooLarge(t *testing.T) {
	bubble(t, func(t *testing.T, at *server, s *resilient.Store, seen *events) {
		put(t, s, "a", "1", committed)
		put(t, s, "large", strings.Repeat("x", 1000), committed)
		if told := seen.of(resilient.Forgot); len(told) != 1 || told[0].Key != "large" || s.Stats().Copies != 1 {
			t.Errorf("it is told %+v", told)
		}
		if n := s.InFlight(); n != 0 {
			t.Errorf("%d changes are on their way for ever", n)
		}
		at.stop()
		holds(t, s, "a", "1")
		lacks(t, s, "large")
	}, resilient.Copy(0, 1000))
}

// Of events that no observer takes, the last 10,000 wait, or as many as have 64 MiB.
func TestEventQueueIsBounded(t *testing.T) {
	for _, c := range []struct {
		name          string
		events, value int
		most          int
	}{
		{"all", 10_000, 1, 10_000},
		{"one too many", 10_001, 1, 10_000},
		{"many too many", 10_100, 1, 10_000},
		{"all bytes", 16, 4<<20 - 5, 16},
		{"too many bytes", 19, 4<<20 - 5, 16},
	} {
		t.Run(c.name, func(t *testing.T) {
			var let chan struct{}
			var told []string
			bubble(t, func(t *testing.T, at *server, s *resilient.Store, _ *events) {
				let = make(chan struct{})
				at.stop()
				go func() { _, _ = s.Get(t.Context(), "x") }() // which tells that it is away
				synctest.Wait()
				value := make([]byte, c.value)
				for i := range c.events + 1 { // each drops the one before it
					if _, err := outcomeOf(s.Set(t.Context(), fmt.Sprintf("%05d", i), value, storage.Forever)); err != nil {
						t.Fatal(err)
					}
				}
				if n := s.Stats().Unobserved; n != uint64(c.events-c.most) {
					t.Errorf("%d events are not told of, want %d", n, c.events-c.most)
				}
				close(let)
				synctest.Wait()
				if len(told) != c.most {
					t.Errorf("it is told %d times", len(told))
				}
				for i, key := range told {
					if want := fmt.Sprintf("%05d", c.events-c.most+i); key != want {
						t.Fatalf("event %d is of %q, want %q", i, key, want)
					}
				}
				at.start()
				later(time.Minute)
				if n := s.Stats().Unobserved; n != uint64(c.events-c.most) {
					t.Errorf("%d events are not told of in the end", n)
				}
			}, resilient.Queue(1, 10<<20), resilient.DropOldest(), resilient.Observe(func(e resilient.Event) {
				<-let
				if e.Kind == resilient.Dropped || e.Kind == 0 {
					told = append(told, e.Key)
				}
			}))
		})
	}
}

// The lag is that of the key that has waited longest.
func TestLag(t *testing.T) {
	bubble(t, func(t *testing.T, at *server, s *resilient.Store, _ *events) {
		lag := func(want time.Duration) {
			t.Helper()
			if got := s.Stats().Lag; got != want {
				t.Errorf("the lag is %v, want %v", got, want)
			}
		}
		lag(0)
		at.stop()
		update(t, s, "a", "1", queued)
		later(5 * time.Second)
		put(t, s, "b", "1", queued)
		update(t, s, "a", "1", queued)
		lag(5 * time.Second)
		later(5 * time.Second)
		lag(10 * time.Second)
		at.start()
		later(time.Minute)
		lag(0)
	})
}
