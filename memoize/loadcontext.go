package memoize

import (
	"context"
	"math"
	"sync"
	"time"

	"github.com/perennial-go/perennial/internal/coarse"
	"github.com/perennial-go/perennial/internal/slots"
)

// loadContext is the context of a load: it has the values of the call that
// started it, but neither its deadline nor its cancellation. It ends at the
// method timeout, on the function's clock, or when the load is over.
//
// A source may keep it for as long as it likes, as what refreshes a token does or a
// goroutine that it has left behind. So once it has ended it leads to nothing but
// the call's values.
type loadContext struct {
	context.Context           // for the values
	deadline        int64     // of the process's monotonic time, never where there is none that can be told
	apart           bool      // nobody in the outer load waits for this one
	postponed       postponed // events of the load, until it has ended

	mu    sync.Mutex
	load  *flight       // what it is the context of, for recursion; nil once it has ended
	done  chan struct{} // made when somebody asks
	err   error
	after map[*func()]struct{}
}

// never is the deadline of a context that can't tell one.
const never = math.MaxInt64

// valuesOf is a context without its end. One that never ends is itself: nothing
// of it is left to hide. Nothing waits for a load that has ended, so its context's
// place is taken by its call's, and those that begin with one another's make no
// chain that grows for ever.
func valuesOf(ctx context.Context) context.Context {
	if c, ok := ctx.(*loadContext); ok && c.Err() != nil {
		return c.Context
	}
	if ctx.Done() == nil {
		return ctx
	}
	return context.WithoutCancel(ctx)
}

// values is a context with those values of a call's that a load under the plan may see.
func (e *engine[A, K, V]) values(ctx context.Context, p *plan[A, K, V]) context.Context {
	keep := p.settings.ContextValues
	if keep == nil {
		return valuesOf(ctx)
	}
	kept := context.Background()
	err := safely(func() error {
		if c := keep(ctx); c != nil {
			kept = context.WithoutCancel(c)
		}
		return nil
	})
	if err != nil {
		_ = e.panicked(ctx, err)
	}
	return keptValues{kept, ctx}
}

// keptValues is a context with some of a call's values, and with what the engine
// itself has among them: within which loads the call is made.
type keptValues struct {
	context.Context
	call context.Context
}

func (c keptValues) Value(key any) any {
	switch key.(type) {
	case loadKey, postponedKey:
		return c.call.Value(key)
	}
	return c.Context.Value(key)
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

// slotOf is the slot of the load that a call under this context is nested in, nil
// where there is none. Whoever waits in such a call parks it.
func slotOf(ctx context.Context) *slots.Slot {
	for c := outerLoad(ctx); c != nil; c = c.outer() {
		c.mu.Lock()
		f := c.load
		c.mu.Unlock()
		if f != nil {
			return &f.slot
		}
	}
	return nil
}

// chain calls f with the load of the context, which may be nil, and then with those
// that may wait for it, until f returns false. Those that have ended wait for nothing.
// None ends while f looks at it.
func (c *loadContext) chain(f func(*flight) bool) {
	for c != nil && c.goesOn(f) {
		c = c.outer()
	}
}

// goesOn calls f with the load if that goes on, and is what f returns.
func (c *loadContext) goesOn(f func(*flight) bool) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.load == nil || f(c.load)
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
	if c.deadline == never {
		return time.Time{}, false
	}
	return time.Now().Add(time.Duration(c.deadline - coarse.Monotonic())), true
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
	c.err, c.load = err, nil
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
