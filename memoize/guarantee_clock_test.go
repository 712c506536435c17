package memoize

import (
	"bytes"
	"context"
	"testing"
	"time"

	"github.com/perennial-go/perennial/config"
	"github.com/perennial-go/perennial/entry"
	"github.com/perennial-go/perennial/eviction"
	"github.com/perennial-go/perennial/internal/coarse"
	"github.com/perennial-go/perennial/observe"
	"github.com/perennial-go/perennial/storage"
)

// asleep is for how long the machine sleeps in these tests: the wall clock is that
// much further when it wakes up, and the monotonic clock and the timers are not.
const asleep = 7 * time.Hour

// G2: what ended while the machine slept is not served any more, in memory or from
// a store, and whichever clock calls read.
func TestG2MachineThatSleeps(t *testing.T) {
	memory := storage.NewMemory()
	defer func() { _ = memory.Close() }()
	shared, err := storage.Share(memory)
	if err != nil {
		t.Fatal(err)
	}
	for name, opts := range map[string][]config.Option{
		"in memory":              nil,
		"in memory, exact clock": {config.ExactClock()},
		"in a store":             {config.Store(shared), config.Name("sleeper"), config.StoreBudget(time.Minute, time.Minute)},
	} {
		t.Run(name, func(t *testing.T) {
			n := 0
			f, err := New(func(context.Context, int) (int, error) { n++; return n, nil },
				append(opts, config.Builder(entry.LifeOf[int](func(int) entry.Life {
					return entry.Life{UpdateAfter: time.Hour, ExpireAfter: 2 * time.Hour}
				})))...)
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = f.Close(t.Context()) }()
			call := func(want int, why Why) {
				t.Helper()
				if r, err := f.Result(t.Context(), 1); err != nil || r.Value != want || r.Why != why {
					t.Errorf("%+v, %v; want %d by a %v", r, err, want, why)
				}
			}
			call(1, Miss)
			call(1, Hit)
			undo := coarse.Step(asleep)
			defer undo()
			call(2, Miss)
			call(2, Hit)
			if _, ok := f.Peek(t.Context(), 1); !ok {
				t.Error("what was loaded after the sleep is not there")
			}
		})
	}
}

// G2: a clock of the wall that is set back makes nothing older, and nothing younger
// either; set forth as far as it was it ages nothing again.
func TestG2WallClockThatIsSetBack(t *testing.T) {
	for name, opts := range map[string][]config.Option{"coarse": nil, "exact": {config.ExactClock()}} {
		t.Run(name, func(t *testing.T) {
			f, err := New(func(context.Context, int) (int, error) { return 1, nil },
				append(opts, config.UpdateAfter(time.Hour), config.ExpireAfter(2*time.Hour))...)
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = f.Close(t.Context()) }()
			_, _ = f.Call(t.Context(), 1)
			hit := func(what string, least time.Duration, want entry.State) {
				t.Helper()
				if r, err := f.Result(t.Context(), 1); err != nil || r.State != want || r.Age < least || r.Age > least+10*time.Minute {
					t.Errorf("%s: %+v, %v; want age %v", what, r, err, least)
				}
				_ = f.Wait(t.Context())
			}
			hit("at first", 0, entry.Fresh)
			defer coarse.Step(-asleep)()
			hit("set back", 0, entry.Fresh)
			defer coarse.Step(asleep)()
			hit("set right again", 0, entry.Fresh)
			defer coarse.Step(30 * time.Minute)()
			hit("set forth", 30*time.Minute, entry.Fresh)
			defer coarse.Step(-30 * time.Minute)()
			hit("set back again", 30*time.Minute, entry.Fresh)
		})
	}
}

// What is saved after the machine has slept has the instants of the clocks of others.
func TestG2InstantsAreThoseOfTheWallAfterASleep(t *testing.T) {
	f, err := New(func(context.Context, int) (int, error) { return 1, nil })
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close(t.Context()) }()
	_, _ = f.Call(t.Context(), 1)
	defer coarse.Step(asleep)()
	_, _ = f.Call(t.Context(), 2)
	var saved bytes.Buffer
	if n, err := f.Save(t.Context(), &saved); n != 1 || err != nil {
		t.Errorf("%d saved: %v; want what was loaded after the sleep", n, err)
	}
	stored := f.verbs.(*engine[int, int, int]).plans.current.Load().memory.Find(2)
	if d := stored.Created().Time().Sub(time.Now().Add(asleep)); d.Abs() > time.Minute {
		t.Errorf("it was created %v from now by the wall clock", d)
	}
}

// A load is not late because the wall clock is set, its context's deadline stays
// where it is, and what it took is what it took.
func TestG6LoadsAreMeasuredByTheMonotonicClock(t *testing.T) {
	const timeout = time.Hour
	ctx := t.Context()
	var took time.Duration
	var e *engine[int, int, int]
	costs := &costsOf{Strategy: eviction.None[int]()}
	f, err := New(func(ctx context.Context, _ int) (int, error) {
		before, _ := ctx.Deadline()
		defer coarse.Step(asleep)() // until the load has ended, for whoever waits
		if after, ok := ctx.Deadline(); !ok || after.Sub(before).Abs() > time.Minute {
			t.Errorf("the deadline was %v and is %v", before, after)
		}
		e.runs.Expire() // as the timer does
		return 1, ctx.Err()
	}, config.MethodTimeout(timeout), config.Evict[int](costs), config.Observe(observe.Func(func(_ context.Context, ev observe.Event) {
		if ev.Kind == observe.LoadEnded {
			took = ev.Duration
		}
	})))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close(ctx) }()
	e = f.verbs.(*engine[int, int, int])
	if v, err := f.Call(ctx, 1); v != 1 || err != nil {
		t.Errorf("%d, %v: the load is late because the clock was set", v, err)
	}
	if err := f.Wait(ctx); err != nil { // what it took is told when it has ended
		t.Fatal(err)
	}
	if took <= 0 || took > time.Minute || costs.took <= 0 || costs.took > time.Minute {
		t.Errorf("it took %v, and %v for the strategy", took, costs.took)
	}
	if _, err := f.Direct(ctx, 1); err != nil || took > time.Minute {
		t.Errorf("directly: %v, %v", took, err)
	}
}

type costsOf struct {
	eviction.Strategy[int]
	took time.Duration
}

func (c *costsOf) MarkLoaded(_ int, _, _ *entry.Meta, _ int, took time.Duration) {
	c.took = took
}

// A sweep during which the wall clock is set forth puts off the next one by what it
// took, and not by a multiple of the step.
func TestG11SweepDuringWhichTheClockIsSet(t *testing.T) {
	var e *engine[int, int, int]
	var undo func()
	f, err := New(func(_ context.Context, n int) (int, error) { return n, nil },
		config.Builder(entry.LifeOf[int](func(n int) entry.Life { return entry.Life{ExpireAfter: time.Duration(n) * 10 * asleep} })),
		config.Observe(observe.Func(func(_ context.Context, ev observe.Event) {
			if ev.Kind == observe.Dropped && undo == nil {
				undo = coarse.Step(asleep)
			}
		})))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close(t.Context()) }()
	e = f.verbs.(*engine[int, int, int])
	for n := range 10 {
		_, _ = f.Call(t.Context(), n+1)
	}
	defer coarse.Step(15 * asleep)() // the first is over
	e.evictor.sweep()
	if undo == nil {
		t.Fatal("nothing was swept")
	}
	defer undo()
	if rest := e.stores.sweeper.Earliest().Sub(e.time.Now()); rest > time.Minute {
		t.Errorf("the next sweep comes in %v at the earliest", rest)
	}
}
