package observe

import "context"

// Wrapper is an Observer that adds values to the context which the source gets, as a
// tracer does: the spans that the source starts then have the load's as their parent.
type Wrapper interface {
	Observer
	// LoadContext is called for each run of the source, direct ones too, right before
	// the source and on its goroutine, concurrently for different runs and with no
	// lock held. ctx is the load's context, which ends at the method timeout and has
	// the values of the call that started the load, or those that
	// config.ContextValues keeps. The event is a LoadStarted.
	//
	// The source gets the values of the context that is returned, and so does the
	// next Wrapper. It must be made from ctx. What it adds to ctx besides values, as
	// an earlier deadline, is ignored. If it was not made from ctx, or LoadContext
	// panics, the source gets ctx.
	//
	// LoadEnded is then observed under the context that the source had, exactly once
	// for each time that LoadContext was called, also where the source panics or ends
	// its goroutine. Then ctx.Err is context.DeadlineExceeded if the load is late, or if
	// it is a direct one whose caller's own deadline has passed.
	LoadContext(ctx context.Context, e Event) context.Context
}

// wrappingAll is an all some of whose observers are Wrappers.
type wrappingAll struct{ all }

func (a wrappingAll) LoadContext(ctx context.Context, e Event) context.Context {
	for _, o := range a.all {
		if w, ok := o.(Wrapper); ok {
			if wrapped := w.LoadContext(ctx, e); wrapped != nil {
				ctx = wrapped
			}
		}
	}
	return ctx
}
