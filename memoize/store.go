package memoize

import (
	"context"
	"errors"

	"github.com/perennial-go/perennial/entry"
	"github.com/perennial-go/perennial/observe"
)

// look gets the key's entry. A storage that fails, is too slow or is in doubt
// reads as empty; the error is that of the caller's own context.
func (e *engine[A, K, V]) look(ctx context.Context, p *plan[A, K, V], key K) (*entry.Entry[V], error) {
	if p.memory != nil {
		return p.memory.Get(ctx, key)
	}
	return e.lookGuarded(ctx, p, key)
}

// lookGuarded looks into a storage that is not ours.
func (e *engine[A, K, V]) lookGuarded(ctx context.Context, p *plan[A, K, V], key K) (*entry.Entry[V], error) {
	if e.doubt.has(key) {
		return nil, nil
	}
	got := make(chan *entry.Entry[V], 1) // for it may come when nobody waits any more
	get := func(ctx context.Context) error {
		stored, err := p.settings.Storage.Get(ctx, key)
		got <- stored
		return err
	}
	var err error
	if p.local {
		err = safely(func() error { return get(ctx) })
	} else {
		err = e.budget(ctx, p.limits.StoreRead, func(error, bool) {}, get)
	}
	switch {
	case err == nil:
		e.healed(ctx, observe.StoreFault, observe.StoreOK)
		return <-got, nil
	case ctx.Err() != nil && errors.Is(err, ctx.Err()):
		return nil, err
	}
	e.storeFault(ctx, key, err)
	return nil, nil
}

// store writes an entry and tells the strategy, which may name a key. A fault is
// the storage's, an error the strategy's. The caller is the only one who changes
// what is stored for the key.
func (e *engine[A, K, V]) store(ctx context.Context, p *plan[A, K, V], key K, built *entry.Entry[V]) (victim K, named bool, fault, err error) {
	if built.KeepUntil() <= e.time.now() { // nobody could ever be served it
		return victim, false, e.release(ctx, p, key), nil
	}
	fault = e.write(ctx, p, key, func(ctx context.Context) error { return p.settings.Storage.Offer(ctx, key, built) })
	if fault != nil {
		return victim, false, fault, nil
	}
	e.sweeper.arm(built.KeepUntil())
	e.emit(ctx, observe.Event{Kind: observe.Stored}, key)
	err = safely(func() error {
		victim, named = e.tellWritten(p, key, &built.Meta)
		return nil
	})
	if err != nil {
		return victim, false, nil, e.panicked(ctx, err)
	}
	return victim, named, nil, nil
}

// tellWritten tells the strategies concerned of a write. A load that ends after
// the configuration changed may write for a strategy that is out of force.
func (e *engine[A, K, V]) tellWritten(p *plan[A, K, V], key K, m *entry.Meta) (victim K, named bool) {
	strategy := p.settings.Eviction
	if now := e.plan.Load(); now != p && now.off != ErrClosed {
		sameStorage := now.settings.Storage == p.settings.Storage
		sameStrategy := now.settings.Eviction == strategy
		switch {
		case sameStorage && !sameStrategy:
			strategy = now.settings.Eviction
		case !sameStorage && sameStrategy:
			return victim, false
		}
	}
	strategy.MarkWritten(key, m)
	return strategy.NextToRelease()
}

// release drops the key's entry from a plan's storage and tells its strategy.
// The caller is the only one who changes what is stored for the key.
func (e *engine[A, K, V]) release(ctx context.Context, p *plan[A, K, V], key K) error {
	err := e.write(ctx, p, key, func(ctx context.Context) error { return p.settings.Storage.Release(ctx, key) })
	if err != nil {
		return err
	}
	strategy := p.settings.Eviction
	if now := e.plan.Load(); now != p && now.settings.Storage == p.settings.Storage {
		strategy = now.settings.Eviction
	}
	err = safely(func() error {
		strategy.MarkReleased(key)
		return nil
	})
	if err != nil {
		return e.panicked(ctx, err)
	}
	return nil
}

// evict releases what a strategy has named.
func (e *engine[A, K, V]) evict(ctx context.Context, p *plan[A, K, V], victim K) {
	if e.statuses.Hold(e.life, victim, false) != nil {
		return // closed
	}
	defer e.statuses.Free(victim, false)
	if e.release(ctx, p, victim) != nil {
		return // reported
	}
	e.backoff.clear(victim)
	e.counters.evicted.Add(1)
	e.emit(ctx, observe.Event{Kind: observe.Evicted}, victim)
}

// write changes what is stored for a key. A failure is reported, and leaves the
// key in doubt.
func (e *engine[A, K, V]) write(ctx context.Context, p *plan[A, K, V], key K, op func(ctx context.Context) error) error {
	if p.local {
		err := safely(func() error { return op(ctx) })
		if err != nil {
			e.storeFault(ctx, key, err)
		}
		return err
	}
	w := e.doubt.begin(key)
	err := e.budget(ctx, p.limits.StoreWrite, func(err error, left bool) { e.doubt.end(w, err == nil && !left) }, op)
	if err != nil {
		e.doubt.suspect(w)
		e.storeFault(ctx, key, err)
		return err
	}
	e.healed(ctx, observe.StoreFault, observe.StoreOK)
	return nil
}
