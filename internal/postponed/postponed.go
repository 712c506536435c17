// Package postponed delays events until nothing is locked.
package postponed

import (
	"context"
	"sync"
	"sync/atomic"
)

// Events wait until whoever holds a key has let go of it. An observer may call the
// function whose event it is told of, for the same key too; while the engine holds
// the key, or runs its update, that call would wait for the observer itself:
//
//	load      publishes ─ the store fails ─ tells the observer ... never ends
//	observer                                invalidates, waits for the load
//
// Its zero value holds nothing.
type Events struct {
	holds  atomic.Bool
	some   atomic.Bool // an event may wait
	mu     sync.Mutex
	events *[]func() // which hardly any load needs
}

// Hold makes events wait from now on, or lets those to come pass.
func (p *Events) Hold(hold bool) { p.holds.Store(hold) }

// Holds tells whether events wait.
func (p *Events) Holds() bool { return p.holds.Load() }

// Add lets an event wait. It is false if nothing is held: then the event is to be
// told now.
func (p *Events) Add(tell func()) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.some.Store(true) // before the look, so that Tell either sees the event or is not held
	if !p.holds.Load() {
		return false
	}
	if p.events == nil {
		p.events = new([]func())
	}
	*p.events = append(*p.events, tell)
	return true
}

// Tell tells the events that have waited, and lets those to come pass. A nil *Events
// does nothing.
func (p *Events) Tell() {
	if p == nil {
		return
	}
	p.holds.Store(false)
	if !p.some.Load() {
		return
	}
	p.mu.Lock()
	events := p.events
	p.events = nil
	p.mu.Unlock()
	if events == nil {
		return
	}
	tellAll(*events)
}

// tellAll tells events in their order, also where the user's code that is told of one ends
// its goroutine.
func tellAll(events []func()) {
	if len(events) == 0 {
		return
	}
	next := 0
	defer func() {
		if next < len(events) {
			tellAll(events[next:])
		}
	}()
	for next < len(events) {
		next++
		events[next-1]()
	}
}

// Key finds the innermost Events that hold among a context's values.
type Key struct{}

// In is the innermost Events that hold under a context, which may be nil, or nil.
func In(ctx context.Context) *Events {
	if ctx == nil { // as a stale hit's may be
		return nil
	}
	p, _ := ctx.Value(Key{}).(*Events)
	return p
}

// Context is a context under which events wait.
type Context struct {
	context.Context
	Events
}

// Hold makes events under the context that it returns wait for Tell. If they wait
// already, it returns ctx and nil.
func Hold(ctx context.Context) (context.Context, *Events) {
	if In(ctx) != nil {
		return ctx, nil
	}
	c := &Context{Context: ctx}
	c.holds.Store(true)
	return c, &c.Events
}

// Value is that of the outer context, but for Key.
func (c *Context) Value(key any) any {
	if key == (Key{}) && c.holds.Load() {
		return &c.Events
	}
	return c.Context.Value(key)
}
