package memoize_test

import (
	"context"
	"math/rand/v2"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/benbjohnson/clock"

	"github.com/perennial-go/perennial/config"
	"github.com/perennial-go/perennial/entry"
	"github.com/perennial-go/perennial/memoize"
	"github.com/perennial-go/perennial/observe"
)

// Values of these tests are instants: nanoseconds since a beginning.

func TestG2BoundariesOfALife(t *testing.T) {
	mock := clock.NewMock()
	begin := mock.Now()
	now := func() int { return int(mock.Now().Sub(begin)) }
	f, err := memoize.New(func(context.Context, int) (int, error) { return now(), nil },
		config.UpdateAfter(time.Minute), config.ExpireAfter(time.Hour), config.Clock(mock))
	must(t, f, err)
	for _, c := range []struct {
		after time.Duration
		state entry.State
		why   memoize.Why
	}{
		{0, entry.Fresh, memoize.Hit},
		{time.Minute - 1, entry.Fresh, memoize.Hit},
		{time.Minute, entry.Stale, memoize.Stale},
		{time.Hour - 1, entry.Stale, memoize.Stale},
		{time.Hour, entry.Fresh, memoize.Miss},
		{time.Hour + 1, entry.Fresh, memoize.Miss},
	} {
		must(t, f, f.Set(t.Context(), 1, now()))
		set := now()
		mock.Add(c.after)
		r, err := f.Result(t.Context(), 1)
		if err != nil || r.State != c.state || r.Why != c.why {
			t.Errorf("after %v: %v, %v", c.after, r, err)
		}
		if r.Why == memoize.Hit || r.Why == memoize.Stale {
			if r.Value != set || r.Age != c.after {
				t.Errorf("after %v: value of %v, age %v", c.after, r.Value, r.Age)
			}
		}
		must(t, f, f.Wait(t.Context()))
	}
}

// TestG2NothingExpiredIsEverServed calls at random instants, near boundaries
// above all, in a bubble and on the mock, with lives from nothing to hours, and
// judges every answer by the instants alone.
func TestG2NothingExpiredIsEverServed(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	for range 60 {
		update := []time.Duration{0, time.Microsecond, time.Millisecond, 99 * time.Millisecond, time.Second, time.Hour}[random.IntN(6)]
		expire := update + []time.Duration{0, time.Microsecond, 50 * time.Millisecond, 100 * time.Millisecond, time.Minute}[random.IntN(5)]
		mock := clock.NewMock()
		begin := mock.Now()
		f, err := memoize.New(func(context.Context, int) (int, error) { return int(mock.Now().Sub(begin)), nil },
			config.UpdateAfter(update), config.ExpireAfter(expire), config.Clock(mock))
		must(t, f, err)
		for range 20 {
			step := []time.Duration{0, 1, update - 1, update, update + 1, expire - update - 1, expire - 1, expire, expire + 1, time.Millisecond}[random.IntN(10)]
			mock.Set(mock.Now().Add(max(0, step)))
			now := mock.Now().Sub(begin)
			r, err := f.Result(t.Context(), 1)
			if err != nil {
				t.Fatal(err)
			}
			age := now - time.Duration(r.Value)
			switch r.Why {
			case memoize.Hit:
				if age >= update || age >= expire {
					t.Fatalf("life %v/%v: a value %v old was served as fresh", update, expire, age)
				}
			case memoize.Stale:
				if age < update || age >= expire {
					t.Fatalf("life %v/%v: a value %v old was served as stale", update, expire, age)
				}
			default:
				if age != 0 {
					t.Fatalf("life %v/%v: a loaded value is %v old", update, expire, age)
				}
			}
			must(t, f, f.Wait(t.Context()))
		}
		must(t, f, f.Close(t.Context()))
	}
}

func TestG2RealClockShortLives(t *testing.T) {
	// Lives near and below the slack of the coarse clock are judged exactly.
	begin := time.Now()
	f, err := memoize.New(func(context.Context, int) (int, error) { return int(time.Since(begin)), nil },
		config.UpdateAfter(time.Millisecond), config.ExpireAfter(2*time.Millisecond))
	must(t, f, err)
	calls, younger := 0, 0
	for f.Stats().Loads < 20 {
		before := time.Since(begin)
		r, err := f.Result(t.Context(), 1)
		if err != nil {
			t.Fatal(err)
		}
		// The value was made before its life began, so its age by this test's
		// clock is at least its age by the function's.
		if r.Why == memoize.Hit && r.Age >= time.Millisecond || r.Why == memoize.Stale && (r.Age < time.Millisecond || r.Age >= 2*time.Millisecond) {
			t.Fatalf("%v with age %v", r.Why, r.Age)
		}
		if age := before - time.Duration(r.Value); r.Why != memoize.Miss && r.Why != memoize.Joined && age > r.Age+2*time.Millisecond {
			younger++ // its load was halted by the machine after the source, or time is told wrongly
		}
		calls++
	}
	must(t, f, f.Close(t.Context()))
	if younger > calls/2 {
		t.Errorf("%d of %d values are told to be younger than they are, by more than 2 ms", younger, calls)
	}
	if s := f.Stats(); s.Calls != uint64(calls) {
		t.Errorf("%+v", s)
	}
}

func TestG2ResultOfALoadIsReturnedWhateverItsLife(t *testing.T) {
	f, err := memoize.New(func(context.Context, int) (int, error) { return 7, nil },
		config.Builder(entry.LifeOf[int](func(int) entry.Life { return entry.Life{ExpireAfter: -time.Hour} })))
	must(t, f, err)
	for range 2 {
		r, err := f.Result(t.Context(), 1)
		if r.Value != 7 || r.State != entry.Expired || r.Why != memoize.Miss || err != nil {
			t.Error(r, err)
		}
	}
	if f.Len() != 0 {
		t.Error("an entry that had expired when it was built is stored")
	}
}

func TestG2ClockThatGoesBack(t *testing.T) {
	mock := clock.NewMock()
	mock.Set(time.Unix(1_000_000, 0))
	var events []observe.Event
	f, err := memoize.New(func(context.Context, int) (int, error) { return 1, nil },
		config.UpdateAfter(time.Minute), config.ExpireAfter(time.Hour), config.Clock(mock),
		config.Observe(observe.Func(func(_ context.Context, e observe.Event) {
			if e.Kind == observe.ClockBackwards {
				events = append(events, e)
			}
		})))
	must(t, f, err)
	f.Call(t.Context(), 1)
	mock.Set(time.Unix(1_000_000, 0).Add(59 * time.Minute))
	f.Peek(t.Context(), 1)
	mock.Set(time.Unix(900_000, 0))
	if r, err := f.Result(t.Context(), 1); err != nil || r.State != entry.Stale || r.Age != 59*time.Minute {
		t.Errorf("time went back: %v, %v", r, err)
	}
	must(t, f, f.Wait(t.Context()))
	if len(events) != 1 || events[0].Duration != 59*time.Minute+100_000*time.Second {
		t.Errorf("events: %v", events)
	}
}

func TestTimersAreStopped(t *testing.T) {
	mock := clock.NewMock()
	f, err := memoize.New(func(context.Context, int) (int, error) { return 1, nil }, config.Clock(mock))
	must(t, f, err)
	for i := range 100 {
		f.Call(t.Context(), i)
		f.Refresh(t.Context(), i)
		f.Direct(t.Context(), i)
	}
	must(t, f, f.Close(t.Context()))
	calls := f.Stats()
	mock.Add(24 * time.Hour)
	if s := f.Stats(); s != calls {
		t.Errorf("something went on after Close:\n%+v\n%+v", calls, s)
	}
}

func TestG11ExpiredGoWithoutReaders(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, err := memoize.New(func(_ context.Context, n int) (int, error) { return n, nil },
			config.Builder(entry.LifeOf[int](func(n int) entry.Life { return entry.Life{ExpireAfter: time.Duration(n) * time.Second} })))
		must(t, f, err)
		for n := 1; n <= 10; n++ {
			f.Call(t.Context(), n)
		}
		for n := 1; n <= 10; n++ {
			time.Sleep(time.Second)
			synctest.Wait()
			if f.Len() != 10-n {
				t.Errorf("after %d s %d entries are held, want %d", n, f.Len(), 10-n)
			}
		}
		if s := f.Stats(); s.Expired != 10 {
			t.Errorf("%d counted as expired", s.Expired)
		}
		f.Call(t.Context(), 1) // a sweep that found nothing left is armed again by a write
		time.Sleep(time.Second)
		synctest.Wait()
		if f.Len() != 0 {
			t.Error("the sweeper was not armed again")
		}
	})
}

func TestG11SweepTellsTheStrategy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var evicted strings.Builder
		f, err := memoize.New(func(_ context.Context, k string) (string, error) { return k, nil },
			config.UpdateAfter(time.Minute), config.ExpireAfter(time.Minute), config.Capacity(2),
			config.Observe(observe.Func(func(_ context.Context, e observe.Event) {
				if e.Kind == observe.Evicted {
					evicted.WriteString(e.Key)
				}
			})))
		must(t, f, err)
		f.Call(t.Context(), "a")
		f.Call(t.Context(), "b")
		time.Sleep(time.Minute)
		synctest.Wait()
		f.Call(t.Context(), "c")
		f.Call(t.Context(), "d")
		must(t, f, f.Wait(t.Context()))
		if evicted.Len() != 0 || f.Len() != 2 {
			t.Errorf("evicted %s with %d held: the strategy still counts what expired", evicted.String(), f.Len())
		}
	})
}
