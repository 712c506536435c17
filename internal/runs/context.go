package runs

import (
	"context"
	"sync"
	"time"

	"github.com/perennial-go/perennial/internal/coarse"
	"github.com/perennial-go/perennial/internal/postponed"
	"github.com/perennial-go/perennial/internal/slots"
	"github.com/perennial-go/perennial/internal/timeline"
)

// Context is the context of a run: it has the values of the call that started it, but
// neither its deadline nor its cancellation. It ends at the method timeout, on the
// function's clock, or when the run is over.
//
// A source may keep it for as long as it likes, as what refreshes a token does or a
// goroutine that it has left behind. So once it has ended it leads to nothing but
// the call's values.
type Context struct {
	context.Context                  // for the values
	Apart           bool             // nobody in the outer run waits for this one
	Events          postponed.Events // of the run, until it has ended
	deadline        int64            // of the process's monotonic time, timeline.Never if there is none that can be told

	mu    sync.Mutex
	run   *Run          // what it is the context of, for recursion; nil once it has ended
	done  chan struct{} // made when somebody asks
	err   error
	after map[*func()]struct{}
}

// NewContext is the context of what is no run of a source, with a deadline as
// timeline.Monotonic has it.
func NewContext(ctx context.Context, deadline int64) *Context {
	return &Context{Context: ValuesOf(ctx), deadline: deadline}
}

// ValuesOf is a context without its end. One that never ends is itself: nothing
// of it is left to hide. Nothing waits for a load that has ended, so its context's
// place is taken by its call's, and those that begin with one another's make no
// chain that grows for ever.
func ValuesOf(ctx context.Context) context.Context {
	if w, ok := ctx.(*wrapped); ok && w.Err() != nil {
		return w.run.Context
	}
	if c, ok := ctx.(*Context); ok && c.Err() != nil {
		return c.Context
	}
	if ctx.Done() == nil {
		return ctx
	}
	return context.WithoutCancel(ctx)
}

// Keep is a context with the values of kept, and with what is known of the runs that
// call is made in.
func Keep(kept, call context.Context) context.Context { return keptValues{kept, call} }

type keptValues struct {
	context.Context
	call context.Context
}

func (c keptValues) Value(key any) any {
	switch key.(type) {
	case runKey, postponed.Key:
		return c.call.Value(key)
	}
	return c.Context.Value(key)
}

// runKey finds the innermost Context among a context's values.
type runKey struct{}

// Outer is the context of the run within which a context is used, or nil.
func Outer(ctx context.Context) *Context {
	outer, _ := ctx.Value(runKey{}).(*Context)
	return outer
}

// outer is the load within which this one was started and which may wait for
// it, or nil.
func (c *Context) outer() *Context {
	if c.Apart {
		return nil
	}
	return Outer(c.Context)
}

// SlotOf is the slot of the load that a call under this context is nested in, nil
// where there is none. Whoever waits in such a call parks it.
func SlotOf(ctx context.Context) *slots.Slot {
	for c := Outer(ctx); c != nil; c = c.outer() {
		c.mu.Lock()
		f := c.run
		c.mu.Unlock()
		if f != nil {
			return &f.Slot
		}
	}
	return nil
}

// Chain calls f with the load of the context, which may be nil, and then with those
// that may wait for it, until f returns false. Those that have ended wait for nothing.
// None ends while f looks at it.
func (c *Context) Chain(f func(*Run) bool) {
	for c != nil && c.goesOn(f) {
		c = c.outer()
	}
}

// goesOn calls f with the load if that goes on, and is what f returns.
func (c *Context) goesOn(f func(*Run) bool) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.run == nil || f(c.run)
}

// Value is that of the call, but for what is known of the run.
func (c *Context) Value(key any) any {
	switch {
	case key == runKey{}:
		return c
	case key == postponed.Key{} && c.Events.Holds():
		return &c.Events
	}
	return c.Context.Value(key)
}

// Deadline is in the time of the world. A clock that was handed in has none:
// nobody else lives in its time.
func (c *Context) Deadline() (time.Time, bool) {
	if c.deadline == timeline.Never {
		return time.Time{}, false
	}
	return time.Now().Add(time.Duration(c.deadline - coarse.Monotonic())), true
}

// Done is closed when the context has ended.
func (c *Context) Done() <-chan struct{} {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.done == nil {
		c.done = make(chan struct{})
		if c.err != nil {
			close(c.done)
		}
	}
	return c.done
}

// Err is why the context has ended.
func (c *Context) Err() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.err
}

// End ends the context with the error, unless it has ended.
func (c *Context) End(err error) {
	c.mu.Lock()
	if c.err != nil {
		c.mu.Unlock()
		return
	}
	c.err, c.run = err, nil
	if c.done != nil {
		close(c.done)
	}
	after := c.after
	c.after = nil
	c.mu.Unlock()
	for f := range after {
		go (*f)()
	}
}

// AfterFunc is how the context package hangs a child onto a context that is
// not its own, without a goroutine that waits.
func (c *Context) AfterFunc(f func()) (stop func() bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err != nil {
		go f()
		return func() bool { return false }
	}
	if c.after == nil {
		c.after = map[*func()]struct{}{}
	}
	c.after[&f] = struct{}{}
	return func() bool {
		c.mu.Lock()
		defer c.mu.Unlock()
		_, was := c.after[&f]
		delete(c.after, &f)
		return was
	}
}
