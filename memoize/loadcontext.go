package memoize

import (
	"context"
	"iter"
	"sync"
	"time"

	"github.com/perennial-go/perennial/entry"
	"github.com/perennial-go/perennial/internal/slots"
)

// loadContext is the context of a load: it has the values of the call that
// started it, but neither its deadline nor its cancellation. It ends at the
// method timeout, on the function's clock, or when the load is over.
type loadContext struct {
	context.Context               // for the values
	deadline        entry.Instant // Never until it is known
	time            *timeline     // that the deadline is in
	load            *flight       // what it is the context of, for recursion
	apart           bool          // nobody in the outer load waits for this one
	postponed       postponed     // events of the load, until it has ended

	mu    sync.Mutex
	done  chan struct{} // made when somebody asks
	err   error
	after map[*func()]struct{}
}

// valuesOf is a context without its end. One that never ends is itself: nothing
// of it is left to hide.
func valuesOf(ctx context.Context) context.Context {
	if ctx.Done() == nil {
		return ctx
	}
	return context.WithoutCancel(ctx)
}

// loadKey finds the innermost loadContext among a context's values.
type loadKey struct{}

// outerLoad is the load within which a context is used, or nil.
func outerLoad(ctx context.Context) *loadContext {
	outer, _ := ctx.Value(loadKey{}).(*loadContext)
	return outer
}

// outer is the load within which this one was started and which may wait for
// it, or nil.
func (c *loadContext) outer() *loadContext {
	if c.apart {
		return nil
	}
	return outerLoad(c.Context)
}

// owner is what runs the source under this context, or nil.
func (c *loadContext) owner() owner {
	if c.load == nil || c.Err() != nil {
		return nil
	}
	return c.load.owner
}

// slotOf is the slot of the load that a call under this context is nested in, nil
// where there is none. Whoever waits in such a call parks it.
func slotOf(ctx context.Context) *slots.Slot {
	for f := range chain(ctx) {
		return &f.slot
	}
	return nil
}

// chain yields the loads that may wait for what is done under a context, the
// innermost first. Those that have ended wait for nothing.
func chain(ctx context.Context) iter.Seq[*flight] {
	return func(yield func(*flight) bool) {
		for c := outerLoad(ctx); c != nil; c = c.outer() {
			if c.load != nil && c.Err() == nil && !yield(c.load) {
				return
			}
		}
	}
}

func (c *loadContext) Value(key any) any {
	switch {
	case key == loadKey{}:
		return c
	case key == postponedKey{} && c.postponed.holds.Load():
		return &c.postponed
	}
	return c.Context.Value(key)
}

// Deadline is in the time of the world. A clock that was handed in has none:
// nobody else lives in its time.
func (c *loadContext) Deadline() (time.Time, bool) {
	if c.time.handed || c.deadline == entry.Never {
		return time.Time{}, false
	}
	return time.Now().Add(c.deadline.Sub(c.time.now())), true
}

func (c *loadContext) Done() <-chan struct{} {
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

func (c *loadContext) Err() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.err
}

// end ends the context with the error, unless it has ended.
func (c *loadContext) end(err error) {
	c.mu.Lock()
	if c.err != nil {
		c.mu.Unlock()
		return
	}
	c.err = err
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
func (c *loadContext) AfterFunc(f func()) (stop func() bool) {
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
