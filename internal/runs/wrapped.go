package runs

import (
	"context"
	"time"
)

// wrapped is the context of a run with further values. It ends as the run's does,
// whatever the values come from.
type wrapped struct {
	run    *Context
	values context.Context // leads to the run's
}

// With is a context of the run that has the values of ctx: nil unless ctx was made from
// the run's own, for otherwise values of the call would be lost, and nested calls not
// be seen. Whoever keeps it until the run has ended and begins others under it makes no
// chain of them: see ValuesOf.
func (c *Context) With(ctx context.Context) context.Context {
	if ctx == nil || Outer(ctx) != c {
		return nil
	}
	return &wrapped{c, ctx}
}

func (w *wrapped) Deadline() (time.Time, bool)           { return w.run.Deadline() }
func (w *wrapped) Done() <-chan struct{}                 { return w.run.Done() }
func (w *wrapped) Err() error                            { return w.run.Err() }
func (w *wrapped) Value(key any) any                     { return w.values.Value(key) }
func (w *wrapped) AfterFunc(f func()) (stop func() bool) { return w.run.AfterFunc(f) }
