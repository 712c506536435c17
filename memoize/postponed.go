package memoize

import (
	"context"
	"sync"
	"sync/atomic"
)

// postponed are events that wait until nothing is held any more. An observer may call
// the function whose event it is told of, for the same key too; while the engine holds
// the key, or runs its update, that would wait for the observer itself:
//
//	load      publishes ─ the store fails ─ tells the observer ... never ends
//	observer                                invalidates, waits for the load
type postponed struct {
	holds  atomic.Bool
	some   atomic.Bool // an event may wait
	mu     sync.Mutex
	events *[]func() // which hardly any load needs
}

// add lets an event wait. It is false where nothing is held: then it is to be told now.
func (p *postponed) add(tell func()) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.some.Store(true) // before the look, so that tell either sees the event or is not held
	if !p.holds.Load() {
		return false
	}
	if p.events == nil {
		p.events = new([]func())
	}
	*p.events = append(*p.events, tell)
	return true
}

// tell is called when nothing is held any more, and tells what has waited. Of nil it
// does nothing: whoever holds more tells it.
func (p *postponed) tell() {
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
	for _, tell := range *events {
		tell()
	}
}

// postponedKey finds the innermost postponed that holds something among a context's
// values.
type postponedKey struct{}

func postponedIn(ctx context.Context) *postponed {
	if ctx == nil { // as a stale hit's may be
		return nil
	}
	p, _ := ctx.Value(postponedKey{}).(*postponed)
	return p
}

// holding is the context of those who change what is stored for a key, apart from a
// load, which has its own.
type holding struct {
	context.Context
	postponed
}

// hold lets events that are told under the context that it returns wait for tell.
func hold(ctx context.Context) (context.Context, *postponed) {
	if postponedIn(ctx) != nil {
		return ctx, nil
	}
	h := &holding{Context: ctx}
	h.holds.Store(true)
	return h, &h.postponed
}

func (h *holding) Value(key any) any {
	if key == (postponedKey{}) && h.holds.Load() {
		return &h.postponed
	}
	return h.Context.Value(key)
}
