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
		return p.memory.Find(key), nil
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

// stored is what became of an entry that was to be stored.
type stored[K comparable, V any] struct {
	entry  *entry.Entry[V] // as it is kept, or would have been
	victim K               // what the strategy names to be released
	named  bool
	kept   bool  // the storage has it
	fault  error // the storage's
}

// store writes what was built and tells the strategy, which may name a key. What
// became of it is put down in s. The error is the strategy's. The caller is the only one who changes what is stored
// for the key.
func (e *engine[A, K, V]) store(ctx context.Context, p *plan[A, K, V], key K, b *built[V], now entry.Instant, s *stored[K, V]) (err error) {
	if b.expiresAfter <= now { // nobody could ever be served it
		s.entry, s.fault = b.entry(), e.release(ctx, p, key)
		s.kept = s.fault == nil
		return nil
	}
	var old *entry.Meta
	if p.memory != nil {
		var replaced *entry.Entry[V]
		if s.entry, replaced = p.memory.Put(key, b.value, b.created, b.updateAfter, b.expiresAfter); replaced != nil {
			old = &replaced.Meta
		}
	} else if s.entry, s.fault = e.offer(ctx, p, key, b); s.fault != nil {
		return nil
	}
	s.kept = true
	if p.sweeps {
		e.sweeper.arm(b.expiresAfter)
	}
	if account := e.accountOf(p); account != nil {
		if s.victim, s.named, err = account.written(key, &s.entry.Meta, old); err != nil {
			return e.panicked(ctx, err)
		}
	}
	return nil
}

// offer writes to a storage that is not ours.
func (e *engine[A, K, V]) offer(ctx context.Context, p *plan[A, K, V], key K, b *built[V]) (*entry.Entry[V], error) {
	offered := b.entry()
	return offered, e.write(ctx, p, key, func(ctx context.Context) error { return p.settings.Storage.Offer(ctx, key, offered) })
}

// accountOf is the plan whose strategy keeps account of a plan's storage, or
// nil. A load that ends after the configuration has changed may write to a
// storage that another strategy sees to now, or that is out of force while its
// strategy is not.
func (e *engine[A, K, V]) accountOf(p *plan[A, K, V]) *plan[A, K, V] {
	now := e.plan.Load()
	switch {
	case now == p:
	case now.settings.Storage == p.settings.Storage:
		return now
	case now.settings.Eviction == p.settings.Eviction:
		return nil
	}
	return p
}

// release drops the key's entry from a plan's storage and tells its strategy.
// The caller is the only one who changes what is stored for the key.
func (e *engine[A, K, V]) release(ctx context.Context, p *plan[A, K, V], key K) error {
	var old *entry.Meta
	if p.memory != nil {
		if taken := p.memory.Take(key); taken != nil {
			old = &taken.Meta
		}
	} else if err := e.drop(ctx, p, key); err != nil {
		return err
	}
	if account := e.accountOf(p); account != nil {
		if err := account.released(key, old); err != nil {
			return e.panicked(ctx, err)
		}
	}
	return nil
}

// drop releases from a storage that is not ours.
func (e *engine[A, K, V]) drop(ctx context.Context, p *plan[A, K, V], key K) error {
	return e.write(ctx, p, key, func(ctx context.Context) error { return p.settings.Storage.Release(ctx, key) })
}

// evict releases what a strategy has named.
func (e *engine[A, K, V]) evict(ctx context.Context, p *plan[A, K, V], victim K) {
	if !e.evictHeld(ctx, p, victim) {
		return // closed, or reported
	}
	e.backoff.clear(victim)
	e.counters.evicted.Add(1)
	e.note(ctx, observe.Evicted, victim)
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
