package memoize

import (
	"context"

	"github.com/perennial-go/perennial/entry"
	"github.com/perennial-go/perennial/observe"
	"github.com/perennial-go/perennial/statuses"
)

// call is the one path that every call takes. Its steps are those of the
// package's documentation, in their order.
func (e *engine[A, K, V]) call(ctx context.Context, arg A, force bool) (r Result[V], err error) {
	p, err := e.snapshot() // 1
	if err != nil {
		return r, e.refused(err)
	}
	if p.bypass {
		if r, err = e.straight(ctx, p, arg); err != nil {
			return r, err
		}
		return e.finish(ctx, p, r)
	}
	key, err := e.key(ctx, p, arg) // 2
	if err != nil {
		return r, e.refused(err)
	}
	seen := e.loads.ended.Load()
	current, err := e.look(ctx, p, key) // 3
	if err != nil {
		return r, e.leaves(err)
	}
	state := entry.Missing
	if current != nil {
		if err := p.markRead(key, current); err != nil { // 4
			return r, e.refused(e.panicked(ctx, err))
		}
		var now entry.Instant
		now, state = e.time.decide(&current.Meta) // 5
		if state.Servable() && !force {
			if state == entry.Stale {
				e.ahead(ctx, p, key, arg, current, now, seen) // 7, and does not wait
			}
			age := current.Age(now)
			e.counters.hit(state, age)
			return e.finish(ctx, p, Result[V]{Value: current.Value, Age: age, State: state, Why: hitWhy[state]}) // 6
		}
	}
	r, err = e.wait(ctx, p, key, arg, force, seen) // 7 and 8
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
		e.shed(ctx)
		return
	}
	update, role := e.statuses.Begin(key, statuses.Need)
	if role == statuses.Join {
		e.loads.unreserve()
		return
	}
	stale.SetQuiet(entry.Never)
	e.launch(ctx, p, observe.Refresh, seen, job[A, K, V]{key: key, arg: arg, update: update, stale: stale})
}

// wait joins or leads the key's update and waits for its end, under the
// caller's own context.
func (e *engine[A, K, V]) wait(ctx context.Context, p *plan[A, K, V], key K, arg A, force bool, seen uint64) (r Result[V], err error) {
	if err := ctx.Err(); err != nil {
		return r, e.leaves(err)
	}
	if key != key { // NaN: nobody can share it or find it again
		return e.straight(ctx, p, arg)
	}
	claim, cause, why := statuses.Need, observe.Miss, Miss
	if force {
		claim, cause, why = statuses.Force, observe.Forced, Forced
	}
	if force && e.inside(ctx, key, nil) {
		return r, e.refused(ErrRecursion)
	}
	update, role := e.statuses.Begin(key, claim)
	if role != statuses.Join {
		e.launch(ctx, p, cause, seen, job[A, K, V]{key: key, arg: arg, update: update})
	} else if e.inside(ctx, key, update) {
		return r, e.refused(ErrRecursion)
	}
	end, err := update.Wait(ctx)
	if err != nil {
		return r, e.leaves(err)
	}
	if role == statuses.Join && !force {
		why = Joined
	}
	return e.settle(ctx, p, key, end, role == statuses.Join, why)
}

// settle is what a call returns once the update it waited for has ended. After
// an invalidation or a Set, what is stored is newer than what was loaded, and
// better than a failure.
func (e *engine[A, K, V]) settle(ctx context.Context, p *plan[A, K, V], key K, end statuses.Outcome[V], join bool, why Why) (r Result[V], err error) {
	if end.Fenced {
		why = Fenced
		if stored, _ := e.look(ctx, p, key); stored != nil {
			_, state := e.time.decide(&stored.Meta)
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
	now, state := e.time.decide(&end.Entry.Meta)
	return Result[V]{Value: end.Entry.Value, Age: end.Entry.Age(now), State: state, Why: why}, nil
}

// finish does what is done on every return of a value.
func (e *engine[A, K, V]) finish(ctx context.Context, p *plan[A, K, V], r Result[V]) (Result[V], error) {
	if p.post == nil {
		return r, nil
	}
	value, err := process(p.post, r.Value)
	if err != nil {
		return Result[V]{}, e.panicked(ctx, err)
	}
	r.Value = value
	return r, nil
}
