package runs

import (
	"context"
	"testing"
	"time"

	"github.com/perennial-go/perennial/internal/timeline"
)

// A context with further values is the run's in all else, whatever the values come from.
func TestWith(t *testing.T) {
	bubble(t, func(t *testing.T) {
		l := newRuns(nil)
		f := newFake(named(t.Context(), "call"))
		l.start(t, f, time.Minute)
		run := &f.r.Context
		type other struct{}
		short, cancel := context.WithTimeout(context.WithValue(run, other{}, 1), time.Second)
		cancel()
		ctx := run.With(short)
		if ctx == nil || ctx.Value(other{}) != 1 || ctx.Value(name{}) != "call" || Outer(ctx) != run || SlotOf(ctx) != &f.r.Slot {
			t.Fatalf("it is %v", ctx)
		}
		end, ok := ctx.Deadline()
		if want, has := run.Deadline(); !end.Equal(want) || ok != has || !ok || ctx.Err() != nil || ctx.Done() != run.Done() {
			t.Errorf("it ends at %v, %v, with %v", end, ok, ctx.Err())
		}
		child, stop := context.WithCancel(ctx)
		defer stop()
		if len(run.after) != 1 {
			t.Errorf("%d children hang on the run, want the one", len(run.after))
		}
		run.End(context.DeadlineExceeded)
		if <-child.Done(); child.Err() != context.DeadlineExceeded || ctx.Err() != context.DeadlineExceeded {
			t.Errorf("a child ends with %v, and it with %v", child.Err(), ctx.Err())
		}
		if v := ValuesOf(ctx); v != run.Context {
			t.Errorf("of what is over the values are kept: %v", v)
		}
		l.End(&f.r)
	})
}

// What was not made of the run's context is not taken: the values of its call would be lost.
func TestWithAnother(t *testing.T) {
	t.Parallel()
	run, other := NewContext(context.Background(), timeline.Never), NewContext(context.Background(), timeline.Never)
	inner := NewContext(run, timeline.Never)
	for name, ctx := range map[string]context.Context{"nil": nil, "none": context.Background(), "another run's": other, "an inner run's": inner} {
		if got := run.With(ctx); got != nil {
			t.Errorf("%s: it is taken as %v", name, got)
		}
	}
	twice := run.With(run.With(run))
	if twice == nil || Outer(twice) != run {
		t.Errorf("what was made twice is %v", twice)
	}
}
