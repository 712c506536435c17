package memoize

import (
	"context"
	"errors"

	"github.com/perennial-go/perennial/entry"
	"github.com/perennial-go/perennial/eviction"
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
	if !p.local && p.doubt.has(key) {
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
		stored := <-got
		if stored != nil && !p.local && p.doubt.reject(stored.Created()) {
			return nil, nil
		}
		return stored, nil
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
	if p.sweeps {
		e.sweeper.arm(built.KeepUntil())
	}
	err = safely(func() error {
		victim, named = e.tellWritten(p, key, &built.Meta)
		return nil
	})
	if err != nil {
		return victim, false, nil, e.panicked(ctx, err)
	}
	return victim, named, nil, nil
}

// strategyOf is the strategy that keeps account of a plan's storage, or nil. A
// load that ends after the configuration has changed may write to a storage that
// another strategy sees to now, or that is out of force while its strategy is
// not.
func (e *engine[A, K, V]) strategyOf(p *plan[A, K, V]) eviction.Strategy[K] {
	now := e.plan.Load()
	switch {
	case now == p:
	case now.settings.Storage == p.settings.Storage:
		return now.settings.Eviction
	case now.settings.Eviction == p.settings.Eviction:
		return nil
	}
	return p.settings.Eviction
}

// tellWritten tells the strategy of a write.
func (e *engine[A, K, V]) tellWritten(p *plan[A, K, V], key K, m *entry.Meta) (victim K, named bool) {
	strategy := e.strategyOf(p)
	if strategy == nil {
		return victim, false
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
	err = safely(func() error {
		if strategy := e.strategyOf(p); strategy != nil {
			strategy.MarkReleased(key)
		}
		return nil
	})
	if err != nil {
		return e.panicked(ctx, err)
	}
	return nil
}

// evict releases what a strategy has named.
func (e *engine[A, K, V]) evict(ctx context.Context, p *plan[A, K, V], victim K) {
	if !e.evictHeld(ctx, p, victim) {
		return // closed, or reported
	}
	e.backoff.clear(victim)
	e.counters.evicted.Add(1)
	e.emit(ctx, observe.Event{Kind: observe.Evicted}, victim)
}

func (e *engine[A, K, V]) evictHeld(ctx context.Context, p *plan[A, K, V], victim K) bool {
	if e.statuses.Hold(e.life, victim, false) != nil {
		return false
	}
	defer e.statuses.Free(victim, false)
	return e.release(ctx, p, victim) == nil
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
	w := p.doubt.begin(key)
	err := e.budget(ctx, p.limits.StoreWrite, func(err error, left bool) { p.doubt.end(w, err == nil && !left) }, op)
	if err != nil {
		p.doubt.suspect(w, e.time.now())
		e.storeFault(ctx, key, err)
		return err
	}
	e.healed(ctx, observe.StoreFault, observe.StoreOK)
	return nil
}
