package runs

import (
	"context"
	"errors"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/perennial-go/perennial/internal/coarse"
	"github.com/perennial-go/perennial/internal/postponed"
	"github.com/perennial-go/perennial/internal/slots"
	"github.com/perennial-go/perennial/internal/timeline"
)

type name struct{}

func named(ctx context.Context, s string) context.Context { return context.WithValue(ctx, name{}, s) }

// A run's context has its call's values, and neither its end nor its deadline.
func TestContextHasTheValuesAlone(t *testing.T) {
	bubble(t, func(t *testing.T) {
		call, cancel := context.WithTimeout(named(t.Context(), "call"), time.Second)
		defer cancel()
		l := newRuns(nil)
		f := newFake(call)
		l.start(t, f, time.Minute)
		ctx := &f.r.Context
		time.Sleep(2 * time.Second)
		if call.Err() == nil || ctx.Err() != nil {
			t.Errorf("the call's context says %v, the run's %v", call.Err(), ctx.Err())
		}
		if ctx.Value(name{}) != "call" || ctx.Value("none") != nil {
			t.Errorf("the values are %v and %v", ctx.Value(name{}), ctx.Value("none"))
		}
		if end, ok := ctx.Deadline(); !ok || !end.Equal(f.began.Add(time.Minute)) {
			t.Errorf("the deadline is %v after the beginning, %v", end.Sub(f.began), ok)
		}
		l.End(&f.r)
	})
}

// A context that is no run's has the deadline that it was given, in the time of the
// world, or none.
func TestNewContext(t *testing.T) {
	bubble(t, func(t *testing.T) {
		call, cancel := context.WithCancel(named(t.Context(), "call"))
		cancel()
		for _, d := range []time.Duration{-time.Second, 0, time.Hour} {
			c := NewContext(call, coarse.Monotonic()+int64(d))
			if end, ok := c.Deadline(); !ok || !end.Equal(time.Now().Add(d)) {
				t.Errorf("the deadline is in %v, %v; want %v", time.Until(end), ok, d)
			}
			if c.Err() != nil || c.Value(name{}) != "call" || SlotOf(c) != nil {
				t.Errorf("it says %v and has %v", c.Err(), c.Value(name{}))
			}
		}
		if end, ok := NewContext(call, timeline.Never).Deadline(); ok || !end.IsZero() {
			t.Errorf("without a deadline it is %v", end)
		}
	})
}

// What is left of a context without its end is the context itself where it has none, and
// where a run has ended what its call had: so no chain grows for ever.
func TestValuesOf(t *testing.T) {
	t.Parallel()
	ends, cancel := context.WithCancel(named(context.Background(), "call"))
	cancel()
	if v := ValuesOf(ends); v.Err() != nil || v.Done() != nil || v.Value(name{}) != "call" {
		t.Errorf("it ends with %v, and has %v", v.Err(), v.Value(name{}))
	}
	endless := named(context.Background(), "call")
	if ValuesOf(endless) != endless {
		t.Error("a context that never ends is wrapped")
	}
	c := NewContext(endless, timeline.Never)
	if v := ValuesOf(c); v == endless || Outer(v) != c {
		t.Error("what goes on is not seen any more")
	}
	c.End(context.Canceled)
	if v := ValuesOf(c); v != endless {
		t.Errorf("what is over is kept: %v", v)
	}
}

// Kept values take the place of a call's, but for what is known of its runs.
func TestKeep(t *testing.T) {
	t.Parallel()
	outer := NewContext(named(context.Background(), "call"), timeline.Never)
	call, events := postponed.Hold(outer)
	ctx := Keep(named(context.Background(), "kept"), call)
	if ctx.Value(name{}) != "kept" || ctx.Value("none") != nil {
		t.Errorf("the values are %v and %v", ctx.Value(name{}), ctx.Value("none"))
	}
	if Outer(ctx) != outer || postponed.In(ctx) != events {
		t.Error("nothing is known of the call's runs, or of its events")
	}
}

// Events wait under a run's context while the run holds them, and pass otherwise.
func TestContextHoldsEvents(t *testing.T) {
	t.Parallel()
	outer, events := postponed.Hold(t.Context())
	c := NewContext(outer, timeline.Never)
	if postponed.In(c) != events {
		t.Error("events do not wait for the outer one")
	}
	c.Events.Hold(true)
	if postponed.In(c) != &c.Events || postponed.In(named(c, "inner")) != &c.Events {
		t.Error("events do not wait for the run")
	}
	if c.Value(name{}) != nil || Outer(c) != c {
		t.Error("other values are lost")
	}
	if c.Events.Tell(); postponed.In(c) != events {
		t.Error("events wait for a run that has told them")
	}
}

// A context ends once, with the error of the first, and whoever asks is told: before it
// or after.
func TestContextEnds(t *testing.T) {
	t.Parallel()
	for name, asks := range map[string]bool{"asked before": true, "asked after": false} {
		c := NewContext(t.Context(), timeline.Never)
		var before <-chan struct{}
		if asks {
			before = c.Done()
			select {
			case <-before:
				t.Fatalf("%s: it is done before it has ended", name)
			default:
			}
			if c.Done() != before {
				t.Errorf("%s: it has two channels", name)
			}
		}
		if err := c.Err(); err != nil {
			t.Errorf("%s: it says %v before it has ended", name, err)
		}
		c.End(context.DeadlineExceeded)
		c.End(context.Canceled)
		if err := c.Err(); err != context.DeadlineExceeded {
			t.Errorf("%s: it ends with %v", name, err)
		}
		done := c.Done()
		select {
		case <-done:
		default:
			t.Errorf("%s: it has ended and is not done", name)
		}
		if c.Done() != done || asks && done != before {
			t.Errorf("%s: it has two channels", name)
		}
	}
}

// What hangs on a context runs when it ends, at once if it has, and not at all if it was
// stopped before. Stop says whether it was.
func TestAfterFunc(t *testing.T) {
	bubble(t, func(t *testing.T) {
		c := NewContext(t.Context(), timeline.Never)
		var ran atomic.Int32
		f := func() { ran.Add(1) }
		c.AfterFunc(f)
		stop, other := c.AfterFunc(f), c.AfterFunc(f)
		if !stop() || stop() {
			t.Error("it can't be stopped once")
		}
		if synctest.Wait(); ran.Load() != 0 {
			t.Error("it runs before the context has ended")
		}
		c.End(context.Canceled)
		c.End(context.Canceled)
		if synctest.Wait(); ran.Load() != 2 || other() || stop() {
			t.Errorf("%d of two ran, or are to be stopped afterwards", ran.Load())
		}
		stop = c.AfterFunc(f)
		if synctest.Wait(); ran.Load() != 3 || stop() {
			t.Errorf("%d of three ran, or the last is to be stopped afterwards", ran.Load())
		}
	})
}

// Contexts of the context package that are children of a run's end with it, with its
// error, and need no goroutine that waits for that.
func TestChildrenEnd(t *testing.T) {
	bubble(t, func(t *testing.T) {
		c := NewContext(t.Context(), timeline.Never)
		child, cancel := context.WithCancelCause(c)
		defer cancel(nil)
		gone, leave := context.WithCancel(c)
		if leave(); gone.Err() != context.Canceled || len(c.after) != 1 {
			t.Errorf("a child that has ended says %v; %d hang on", gone.Err(), len(c.after))
		}
		why := errors.New("why")
		c.End(why)
		if <-child.Done(); child.Err() != why {
			t.Errorf("a child ends with %v", child.Err())
		}
		late, cancelLate := context.WithCancel(c)
		defer cancelLate()
		if <-late.Done(); late.Err() != why {
			t.Errorf("a child of what has ended ends with %v", late.Err())
		}
	})
}

// nest begins runs, each within the one before.
func nest(t *testing.T, l *timed, apart ...bool) []*fake {
	var all []*fake
	ctx := t.Context()
	for _, apart := range apart {
		f := newFake(named(ctx, "between"))
		f.r.Context.Apart = apart
		l.start(t, f, 0)
		all = append(all, f)
		ctx = &f.r.Context
	}
	return all
}

// The chain of a run is that and the runs that may wait for it, up to one that is apart.
// Those that have ended are passed over, and f ends it.
func TestChain(t *testing.T) {
	for name, test := range map[string]struct {
		apart []bool
		over  []int
		until int // where f stops; -1 for nowhere
		want  []int
	}{
		"one":             {[]bool{false}, nil, -1, []int{0}},
		"three":           {[]bool{false, false, false}, nil, -1, []int{2, 1, 0}},
		"the last apart":  {[]bool{false, false, true}, nil, -1, []int{2}},
		"one apart":       {[]bool{false, true, false}, nil, -1, []int{2, 1}},
		"the first apart": {[]bool{true, false, false}, nil, -1, []int{2, 1, 0}},
		"one is over":     {[]bool{false, false, false}, []int{1}, -1, []int{2, 0}},
		"the last is":     {[]bool{false, false, false}, []int{2}, -1, []int{1, 0}},
		"all are":         {[]bool{false, false}, []int{0, 1}, -1, nil},
		"one apart is":    {[]bool{false, true, false}, []int{1}, -1, []int{2}},
		"until the last":  {[]bool{false, false}, nil, 1, []int{1}},
		"until the next":  {[]bool{false, false, false}, nil, 1, []int{2, 1}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := newRuns(nil)
			all := nest(t, l, test.apart...)
			for _, i := range test.over {
				all[i].r.Context.End(context.Canceled)
			}
			var got []int
			Outer(named(&all[len(all)-1].r.Context, "inner")).Chain(func(r *Run) bool {
				i := slices.IndexFunc(all, func(f *fake) bool { return &f.r == r })
				if r.Context.mu.TryLock() {
					t.Error("a run may end while it is looked at")
				}
				got = append(got, i)
				return i != test.until
			})
			if !slices.Equal(got, test.want) {
				t.Errorf("the chain is %v, want %v", got, test.want)
			}
			for _, f := range all { // which were not left locked
				f.r.Context.End(context.Canceled)
				l.End(&f.r)
			}
		})
	}
	(*Context)(nil).Chain(func(*Run) bool { t.Error("there is a run outside of all"); return true })
}

// A call parks the slot of the innermost run that it is made in and that goes on. A
// refresh has no slot of the run that it was started in: nobody waits there.
func TestSlotOf(t *testing.T) {
	t.Parallel()
	l := newRuns(nil)
	all := nest(t, l, false, true, false)
	inner := named(&all[2].r.Context, "call")
	for _, want := range []*slots.Slot{&all[2].r.Slot, &all[1].r.Slot, nil} {
		if got := SlotOf(inner); got != want {
			t.Errorf("the slot is %p, want %p", got, want)
		}
		for _, f := range slices.Backward(all) {
			if f.r.Context.Err() == nil {
				f.r.Context.End(context.Canceled)
				break
			}
		}
	}
	if SlotOf(t.Context()) != nil {
		t.Error("there is a slot outside of all runs")
	}
	for _, f := range all {
		l.End(&f.r)
	}
}

// Whoever keeps a run's context keeps nothing of the run once that has ended, and can
// still read the call's values.
func TestKeptContext(t *testing.T) {
	t.Parallel()
	l := newRuns(nil)
	before, f, after := l.begin(t, 0), nest(t, l, false)[0], l.begin(t, 0)
	ctx := &f.r.Context
	ctx.AfterFunc(func() {})
	ctx.End(context.Canceled)
	l.End(&f.r)
	if ctx.run != nil || ctx.after != nil || f.r.Runner != nil || f.r.prev != nil || f.r.next != nil {
		t.Error("the context leads to the run")
	}
	if ctx.Value(name{}) != "between" {
		t.Errorf("the value is %v", ctx.Value(name{}))
	}
	l.End(&before.r)
	l.End(&after.r)
}
