package memoize

import (
	"context"
	"sync"
	"time"

	"github.com/perennial-go/perennial/entry"
	"github.com/perennial-go/perennial/eviction"
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
	switch {
	case p.marker == nil:
		p.settings.Eviction.MarkRead(key)
	case p.reported == nil:
		p.marker.Mark(&e.Meta)
	default: // what was found is a copy: the strategy knows another
		if known := p.reported.get(key); known != nil {
			p.marker.Mark(known)
		}
	}
	return nil
}

// written tells the strategy of a write, and returns what it wants to be
// released. old is what the storage says that it has replaced, where it does.
func (p *plan[A, K, V]) written(key K, e, old *entry.Meta) (victim K, named bool, err error) {
	defer recovering(&err)
	if p.reported != nil {
		old = p.reported.swap(key, e)
	}
	if p.weigher != nil { // spares a frame
		p.weigher.MarkWeighed(key, e, old, 1)
	} else {
		p.settings.Eviction.MarkWritten(key, e, old)
	}
	victim, named = p.settings.Eviction.NextToRelease()
	return victim, named, nil
}

// weighed is written for a strategy that goes by what entries cost. c is nil where
// nobody knows.
func (p *plan[A, K, V]) weighed(key K, e, old *entry.Meta, c *cost) (victim K, named bool, err error) {
	defer recovering(&err)
	if p.reported != nil {
		old = p.reported.swap(key, e)
	}
	switch {
	case c == nil:
		p.settings.Eviction.MarkWritten(key, e, old)
	case p.coster != nil && c.took > 0:
		p.coster.MarkLoaded(key, e, old, max(1, c.weight), c.took)
	case p.weigher != nil:
		p.weigher.MarkWeighed(key, e, old, max(1, c.weight))
	default:
		p.settings.Eviction.MarkWritten(key, e, old)
	}
	victim, named = p.settings.Eviction.NextToRelease()
	return victim, named, nil
}

// cost is what it costs to keep an entry and, if a load has brought it, to load
// it again.
type cost struct {
	weight int
	took   time.Duration
}

// victims names what else has to go.
func (p *plan[A, K, V]) victims() (victims []K, err error) {
	const most = 64
	defer recovering(&err)
	return p.over.Victims(most), nil
}

// released tells the strategy that the key's entry is gone.
func (p *plan[A, K, V]) released(key K, old *entry.Meta) (err error) {
	defer recovering(&err)
	if p.reported != nil {
		old = p.reported.swap(key, nil)
	}
	p.settings.Eviction.MarkReleased(key, old)
	return nil
}

// lastReported knows which entries a strategy was told of, where the storage does not
// say what it replaces.
type lastReported[K comparable] struct {
	mu      sync.Mutex
	entries map[K]*entry.Meta
}

// swap notes what is held for the key from now on, if anything, and returns what
// was.
func (h *lastReported[K]) swap(key K, e *entry.Meta) (old *entry.Meta) {
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

// get returns what is held for the key, or nil.
func (h *lastReported[K]) get(key K) *entry.Meta {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.entries[key]
}

func (h *lastReported[K]) clear() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.entries = nil
}

// account tells the strategy of what was stored.
func (s *stores[A, K, V]) account(ctx context.Context, p *plan[A, K, V], key K, w *writeResult[K, V], old *entry.Meta) (err error) {
	if p.sweeps {
		s.sweeper.Arm(w.entry.KeepUntil())
	}
	if account := s.accountOf(p); account != nil {
		if w.victim, w.named, err = account.written(key, &w.entry.Meta, old); err != nil {
			return s.core.panicked(ctx, err)
		}
	}
	return nil
}

// accountWeighed is account for a strategy that goes by what entries cost. A
// value that weighs too much alone is reported.
func (s *stores[A, K, V]) accountWeighed(ctx context.Context, p *plan[A, K, V], key K, w *writeResult[K, V], old *entry.Meta) (err error) {
	if p.sweeps {
		s.sweeper.Arm(w.entry.KeepUntil())
	}
	account := s.accountOf(p)
	if account == nil {
		return nil
	}
	if w.victim, w.named, err = account.weighed(key, &w.entry.Meta, old, w.cost); err != nil {
		return s.core.panicked(ctx, err)
	}
	if b, ok := account.settings.Eviction.(eviction.Bounded); ok {
		if most := b.Capacity(); 0 < most && most < w.cost.weight {
			s.core.tooHeavy(ctx, key, w.cost.weight, most)
		}
	}
	return nil
}

// accountOf is the plan whose strategy keeps account of a plan's storage, or
// nil. A load that ends after the configuration has changed may write to a
// storage that another strategy sees to now, or that is out of force while its
// strategy is not.
func (s *stores[A, K, V]) accountOf(p *plan[A, K, V]) *plan[A, K, V] {
	now := s.core.plans.current.Load()
	switch {
	case now == p:
	case now.sameStorage(p):
		return now
	case now.sameStrategy(p):
		return nil
	}
	return p
}
