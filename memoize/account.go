package memoize

import (
	"sync"

	"github.com/perennial-go/perennial/entry"
)

// What a plan's strategy is told. Its panics are errors.

// markRead tells the strategy that an entry was found.
func (p *plan[A, K, V]) markRead(key K, e *entry.Entry[V]) error {
	if p.blind {
		return nil
	}
	return p.markSeeing(key, e)
}

func (p *plan[A, K, V]) markSeeing(key K, e *entry.Entry[V]) (err error) {
	defer recovering(&err)
	if p.marker != nil {
		p.marker.Mark(&e.Meta)
	} else {
		p.settings.Eviction.MarkRead(key)
	}
	return nil
}

// written tells the strategy of a write, and returns what it wants to be
// released. old is what the storage says that it has replaced, where it does.
func (p *plan[A, K, V]) written(key K, e, old *entry.Meta) (victim K, named bool, err error) {
	defer recovering(&err)
	if p.held != nil {
		old = p.held.swap(key, e)
	}
	p.settings.Eviction.MarkWritten(key, e, old)
	victim, named = p.settings.Eviction.NextToRelease()
	return victim, named, nil
}

// released tells the strategy that the key's entry is gone.
func (p *plan[A, K, V]) released(key K, old *entry.Meta) (err error) {
	defer recovering(&err)
	if p.held != nil {
		old = p.held.swap(key, nil)
	}
	p.settings.Eviction.MarkReleased(key, old)
	return nil
}

// held knows which entries a strategy was told of, where the storage does not
// say what it replaces.
type held[K comparable] struct {
	mu      sync.Mutex
	entries map[K]*entry.Meta
}

// swap notes what is held for the key from now on, if anything, and returns what
// was.
func (h *held[K]) swap(key K, e *entry.Meta) (old *entry.Meta) {
	h.mu.Lock()
	defer h.mu.Unlock()
	old = h.entries[key]
	if e == nil {
		delete(h.entries, key)
		return old
	}
	if h.entries == nil {
		h.entries = map[K]*entry.Meta{}
	}
	h.entries[key] = e
	return old
}

func (h *held[K]) clear() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.entries = nil
}
