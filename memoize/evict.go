package memoize

import (
	"context"

	"github.com/perennial-go/perennial/internal/postponed"
	"github.com/perennial-go/perennial/observe"
)

// evictor releases what strategies name and what has expired.
type evictor[A any, K comparable, V any] struct {
	core   *core[A, K, V]
	stores *stores[A, K, V]
}

// evict releases what a strategy has named, and what else has to go where one
// that comes may weigh more than one that goes.
func (v *evictor[A, K, V]) evict(ctx context.Context, p *plan[A, K, V], victim K) {
	v.evictOne(ctx, p, victim)
	if p.costs {
		v.shrink(ctx, p)
	}
}

// shrink releases down to the capacity.
func (v *evictor[A, K, V]) shrink(ctx context.Context, p *plan[A, K, V]) {
	if p.over == nil {
		return
	}
	for {
		victims, err := p.victims()
		if err != nil {
			_ = v.core.panicked(ctx, err)
		}
		if len(victims) == 0 {
			return
		}
		for _, victim := range victims {
			v.evictOne(ctx, p, victim)
		}
	}
}

func (v *evictor[A, K, V]) evictOne(ctx context.Context, p *plan[A, K, V], victim K) {
	if !v.evictHeld(ctx, p, victim) {
		return // closed, or reported
	}
	v.core.backoff.Clear(victim)
	v.core.counters.evicted.Add(1)
	v.core.note(ctx, observe.Evicted, victim)
}

// evictHeld releases the victim from the storage that its strategy keeps account of
// by now. A load may have told the strategy of what it has stored just after another
// storage came into force, and what is named then is one of that:
//
//	load    stores in the first ─────────── tells: a key of the second is named
//	change              to the second ─ the strategy forgets ─ others store
func (v *evictor[A, K, V]) evictHeld(ctx context.Context, p *plan[A, K, V], victim K) bool {
	if now := v.core.plans.current.Load(); now.sameStrategy(p) && !now.sameStorage(p) {
		p = now
	}
	if v.core.statuses.Hold(v.core.life, victim, false) != nil {
		return false
	}
	ctx, events := postponed.Hold(ctx)
	defer events.Tell()
	defer v.core.statuses.Free(victim, false)
	return v.stores.release(ctx, p, victim, observe.ReleaseEvicted) == nil
}
