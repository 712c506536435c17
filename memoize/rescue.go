package memoize

import (
	"context"

	"github.com/benbjohnson/clock"

	"github.com/perennial-go/perennial/entry"
	"github.com/perennial-go/perennial/observe"
	"github.com/perennial-go/perennial/statuses"
)

// rescue answers a call whose load has failed with what is stored, if that is kept for it.
// It looks once more: what was there when the call began may have been invalidated. The
// time counts from the entry's expires-after, which no failure moves.
func (e *engine[A, K, V]) rescue(ctx context.Context, p *plan[A, K, V], key K, why error) (r Result[V], ok bool) {
	if p.keep == nil || !e.rescues(ctx, p, why) {
		return r, false
	}
	stored, _ := e.stores.look(ctx, p, key)
	if stored == nil || !p.mayRescue(stored, e.time.Now()) {
		return r, false
	}
	_, age, state := e.time.Decide(&stored.Meta)
	e.counters.end(rescued)
	e.emit(ctx, observe.Event{Kind: observe.Rescued, Duration: age, Err: why}, key)
	return Result[V]{Value: stored.Value, Age: age, State: state, Why: Rescued}, true
}

// rescues tells whether a failure is one that rescues. Without one the load takes too
// long.
func (e *engine[A, K, V]) rescues(ctx context.Context, p *plan[A, K, V], why error) (yes bool) {
	when := p.settings.StaleWhen
	if when == nil || why == nil {
		return true
	}
	err := safely(func() error {
		yes = when(why)
		return nil
	})
	if err != nil {
		_ = e.panicked(ctx, err)
	}
	return yes
}

// mayRescue tells whether an entry may be served though it has expired.
func (p *plan[A, K, V]) mayRescue(stored *entry.Entry[V], now entry.Instant) bool {
	keep := min(p.keep.For(), stored.Keep().For()) // of now, and of when it was stored
	return stored.Negative() == nil && now < stored.ExpiresAfter().Add(keep)
}

// rescuable tells whether a call can be given what it has found though that has expired.
func (e *engine[A, K, V]) rescuable(p *plan[A, K, V], w *want[A, K, V]) bool {
	return p.guard != nil && p.keep != nil && w.current != nil && p.mayRescue(w.current, e.time.Now())
}

// softTimeout is that of a call. It is nil where there is none.
type softTimeout struct {
	ctx   context.Context // ends with the call's, and at the soft timeout
	end   context.CancelFunc
	timer *clock.Timer
}

func (t *softTimeout) stop() {
	if t != nil {
		t.timer.Stop()
		t.end()
	}
}

// softly lets the soft timeout of a call begin, if there is something that the call may
// be given then.
func (e *engine[A, K, V]) softly(ctx context.Context, p *plan[A, K, V], force bool, wants ...*want[A, K, V]) *softTimeout {
	after := p.settings.SoftTimeout
	if after <= 0 || force {
		return nil
	}
	now, some := e.time.Now(), false
	for _, w := range wants {
		w.kept = w.current != nil && p.mayRescue(w.current, now)
		some = some || w.kept
	}
	if !some {
		return nil
	}
	t := new(softTimeout)
	t.ctx, t.end = context.WithCancel(ctx)
	t.timer = e.time.Clock.AfterFunc(after, t.end)
	return t
}

// await waits for the key's update, up to the soft timeout if something is kept for the
// key. Then w is rescued, or the call waits on.
func (e *engine[A, K, V]) await(ctx context.Context, p *plan[A, K, V], w *want[A, K, V], how *waiting) (end statuses.Outcome[V], isRescued bool, err error) {
	if how.soft != nil && w.kept {
		if end, err = w.update.Wait(how.soft.ctx); err == nil || ctx.Err() != nil {
			return end, false, err
		}
		if w.result, isRescued = e.rescue(ctx, p, w.key, nil); isRescued {
			return end, true, nil
		}
	}
	end, err = w.update.Wait(ctx)
	return end, false, err
}
