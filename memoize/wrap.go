package memoize

import (
	"context"

	"github.com/perennial-go/perennial/internal/runs"
	"github.com/perennial-go/perennial/observe"
)

// wrap is the context that the source of a run gets: the run's own, with the values that
// observers have added. Of one that panics, or returns what does not come from the
// context that it was given, nothing is taken.
func (o *observing[K]) wrap(run *runs.Context, ev observe.Event) context.Context {
	ev.Func, ev.Time = o.name, o.time.Now().Time()
	var ctx context.Context = run
	for _, w := range o.wrappers {
		if wrapped := run.With(o.wrapBy(ctx, w, ev)); wrapped != nil {
			ctx = wrapped
		}
	}
	return ctx
}

func (o *observing[K]) wrapBy(ctx context.Context, w observe.Wrapper, ev observe.Event) (wrapped context.Context) {
	defer o.catch(ev)
	return w.LoadContext(ctx, ev)
}
