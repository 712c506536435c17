package memoize

import (
	"context"
	"fmt"
	"unsafe"

	"github.com/perennial-go/perennial/entry"
	"github.com/perennial-go/perennial/observe"
	"github.com/perennial-go/perennial/statuses"
)

// call is the one path that every call takes. Its steps are those of the
// package's documentation, in their order. What a hit in memory needs is written
// out, for each call of a function would be a good part of its cost.
func (e *engine[A, K, V]) call(ctx context.Context, arg A, force bool) (r Result[V], err error) {
	p := e.plan.Load() // 1
	if e.asked {
		p = e.latest(p)
	}
	if p.off != nil {
		return r, e.refused(p.off)
	}
	if p.bypass {
		if r, err = e.direct(ctx, p, arg); err != nil {
			return r, err
		}
		return e.finish(ctx, p, r)
	}
	var key K // 2
	if p.identity {
		key = *(*K)(unsafe.Pointer(&arg)) // A is K: identity says so
	} else if key, err = e.key(ctx, p, arg); err != nil {
		return r, e.refused(err)
	}
	var current *entry.Entry[V] // 3
	var seen uint64
	if p.memory != nil {
		current = p.memory.Find(key)
	} else {
		seen = e.loads.ended.Load()
		if current, err = e.look(ctx, p, key); err != nil {
			return r, e.unanswered(err)
		}
	}
	if current != nil {
		if err := p.markRead(key, current); err != nil { // 4
			return r, e.refused(e.panicked(ctx, err))
		}
		now, age, state := e.time.decide(&current.Meta) // 5
		if (state == entry.Fresh || state == entry.Stale) && !force {
			if state == entry.Stale {
				e.ahead(ctx, p, key, arg, current, now, seen) // 7, and does not wait
			}
			e.counters.hit(state, age)
			r = Result[V]{Value: current.Value, Age: age, State: state, Why: hitWhy[state]}
			if p.post == nil {
				return r, nil // 6
			}
			return e.finish(ctx, p, r)
		}
	}
	r, err = e.wait(ctx, p, key, arg, force, seen, false) // 7 and 8
	if err != nil {
		return r, err
	}
	return e.finish(ctx, p, r) // 9
}

// ahead refreshes a stale entry in the background, unless somebody does or the
// last attempt failed a short while ago.
func (e *engine[A, K, V]) ahead(ctx context.Context, p *plan[A, K, V], key K, arg A, stale *entry.Entry[V], now entry.Instant, seen uint64) {
	if now < stale.Quiet() {
		return
	}
	if until, delayed := e.backoff.until(key); delayed && now < until {
		stale.SetQuiet(until)
		return
	}
	if !e.loads.reserve(p.limits.MaxBackground) {
		e.shed(ctx, now)
		return
	}
	update, role := e.statuses.Begin(key, statuses.Need)
	if role == statuses.Join {
		e.loads.unreserve()
		return
	}
	stale.SetQuiet(entry.Never)
	e.launch(ctx, p, observe.Refresh, seen, job[A, K, V]{key: key, arg: arg, update: update, stale: stale, queued: role == statuses.Queued})
}

// wait joins or leads the key's update and waits for its end, under the
// caller's own context. again says that it does so for the second time.
func (e *engine[A, K, V]) wait(ctx context.Context, p *plan[A, K, V], key K, arg A, force bool, seen uint64, again bool) (r Result[V], err error) {
	if err := ctx.Err(); err != nil {
		return r, e.leaves(err)
	}
	if key != key { // NaN: nobody can share it or find it again
		return e.direct(ctx, p, arg)
	}
	claim, cause, why := statuses.Need, observe.Miss, Miss
	if force {
		claim, cause, why = statuses.Force, observe.Forced, Forced
	}
	if force && e.inside(ctx, key, nil) {
		return r, e.refused(ErrRecursion)
	}
	began := e.fills.Load()
	update, role := e.statuses.Begin(key, claim)
	if role != statuses.Join {
		e.launch(ctx, p, cause, seen, job[A, K, V]{key: key, arg: arg, update: update, queued: role == statuses.Queued})
	} else if e.inside(ctx, key, update) {
		return r, e.refused(ErrRecursion)
	}
	slot := slotOf(ctx)
	slot.Park()
	end, err := update.Wait(ctx)
	slot.Resume(ctx)
	if err != nil {
		return r, e.leaves(err)
	}
	join := role == statuses.Join
	if join && !force {
		why = Joined
	}
	if u := accepted(&end, join && !force && !again, began); u != nil {
		return e.again(ctx, p, key, arg, u)
	}
	return e.settle(ctx, p, key, end, join, why)
}

// settle is what a call returns once the update it waited for has ended. After
// an invalidation or a Set, what is stored is newer than what was loaded, and
// better than a failure.
func (e *engine[A, K, V]) settle(ctx context.Context, p *plan[A, K, V], key K, end statuses.Outcome[V], join bool, why Why) (r Result[V], err error) {
	if end.Fenced {
		why = Fenced
		if stored, _ := e.look(ctx, p, key); stored != nil {
			_, _, state := e.time.decide(&stored.Meta)
			if state == entry.Fresh || state == entry.Stale && end.Err != nil {
				end.Entry, end.Err = stored, nil
			}
		}
	}
	if end.Err != nil {
		return r, e.refused(e.errorFor(end.Err, key, join))
	}
	if join {
		e.counters.end(joined)
	} else {
		e.counters.end(loaded)
	}
	_, age, state := e.time.decide(&end.Entry.Meta)
	return Result[V]{Value: end.Entry.Value, Age: age, State: state, Why: why}, nil
}

// finish does what is done on every return of a value.
func (e *engine[A, K, V]) finish(ctx context.Context, p *plan[A, K, V], r Result[V]) (Result[V], error) {
	if p.post == nil {
		return r, nil
	}
	value, err := process(p.post, r.Value)
	if err != nil {
		return Result[V]{}, fmt.Errorf("memoize: the postprocessing of %s failed: %w", e.name, e.panicked(ctx, err))
	}
	r.Value = value
	return r, nil
}
