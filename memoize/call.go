package memoize

import (
	"context"
	"fmt"
	"unsafe"

	"github.com/perennial-go/perennial/entry"
	"github.com/perennial-go/perennial/guard"
	"github.com/perennial-go/perennial/internal/module"
	"github.com/perennial-go/perennial/internal/runs"
	"github.com/perennial-go/perennial/observe"
	"github.com/perennial-go/perennial/statuses"
)

// call is the one path that every call takes. Its steps are those of the
// package's documentation, in their order. What a hit in memory needs is written
// out, for each call of a function would be a good part of its cost. So would a Result,
// which is too large for registers: who wants one gives it room.
func (e *engine[A, K, V]) call(ctx context.Context, arg A, force bool, full *Result[V]) (value V, err error) {
	p := e.plans.current.Load() // 1
	if e.changes.polled {
		p = e.changes.latest(p)
	}
	if p.off != nil {
		return value, e.refused(p.off)
	}
	if p.bypass {
		return e.callDirect(ctx, p, arg, full)
	}
	var key K // 2
	if p.identity {
		key = *(*K)(unsafe.Pointer(&arg)) // A is K: identity says so
	} else if key, err = e.key(ctx, p, arg); err != nil {
		return value, e.refused(err)
	}
	var current *entry.Entry[V] // 3
	var seen uint64
	if p.memory != nil {
		current = p.memory.Find(key)
	} else {
		seen = e.ended.Load()
		if current, err = e.stores.look(ctx, p, key); err != nil {
			return value, e.unanswered(err)
		}
	}
	if current != nil {
		if err := p.markRead(key, current); err != nil { // 4
			return value, e.refused(e.panicked(ctx, err))
		}
		now, age, state := e.time.Decide(&current.Meta) // 5
		if (state == entry.Fresh || state == entry.Stale) && !force {
			if state == entry.Stale {
				e.refresh(ctx, p, key, arg, current, now, seen) // 7, and does not wait
			}
			e.counters.hit(state, age)
			if full != nil {
				*full = Result[V]{Age: age, State: state, Why: hitWhy[state], life: &current.Meta}
			}
			if p.post == nil {
				return current.Value, nil // 6
			}
			return e.finish(ctx, p, current.Value, full)
		}
	}
	return e.miss(ctx, p, key, arg, current, waiting{force: force, seen: seen}, full) // 7 to 9
}

// miss is the path of a call that has to wait. It stands apart to keep the frame of a
// hit small.
//
//go:noinline
func (e *engine[A, K, V]) miss(ctx context.Context, p *plan[A, K, V], key K, arg A, current *entry.Entry[V], how waiting, full *Result[V]) (value V, err error) {
	w := want[A, K, V]{key: key, arg: arg, current: current}
	state := entry.Missing
	if current != nil && !how.force {
		state = e.answerNegative(&w)
	}
	switch {
	case state == entry.Stale:
		e.refresh(ctx, p, key, arg, current, e.time.Now(), how.seen)
	case state != entry.Fresh:
		e.wait(ctx, p, &w, how)
	}
	if full != nil {
		*full = w.result
	}
	if w.err != nil {
		return value, w.err
	}
	return e.finish(ctx, p, w.result.Value, full)
}

// result is call with all that there is to say of the value.
func (e *engine[A, K, V]) result(ctx context.Context, arg A) (r Result[V], err error) {
	r.Value, err = e.call(ctx, arg, false, &r)
	return r, err
}

// callDirect is the path of a call past the cache.
func (e *engine[A, K, V]) callDirect(ctx context.Context, p *plan[A, K, V], arg A, full *Result[V]) (V, error) {
	r, err := e.direct.one(ctx, p, arg)
	if full != nil {
		*full = r
	}
	if err != nil {
		return r.Value, err
	}
	return e.finish(ctx, p, r.Value, full)
}

// want is one key that a call wants, distinct from its others.
type want[A any, K comparable, V any] struct {
	key    K
	arg    A
	places []int // where it stands among the arguments of a call for many

	current *entry.Entry[V] // what is stored
	result  Result[V]
	err     error
	kept    bool               // current may be served if its load takes too long
	update  statuses.Update[V] // nil if there is none to wait for
	join    bool
}

// waiting is how a call waits.
type waiting struct {
	force  bool
	second bool   // it waits for the second time: see secondLook
	seen   uint64 // updates that had ended when the storage was looked at
	began  uint64 // fills of the storage when it began to wait
	soft   *softTimeout
	tagged uint64 // invalidations of tags then
}

func (h *waiting) cause() observe.Cause {
	if h.force {
		return observe.Forced
	}
	return observe.Miss
}

// refresh refreshes a stale entry in the background, unless somebody does or the
// last attempt failed a short while ago.
func (e *engine[A, K, V]) refresh(ctx context.Context, p *plan[A, K, V], key K, arg A, stale *entry.Entry[V], now entry.Instant, seen uint64) {
	if now < stale.NoRefreshBefore(module.Only{}) {
		return
	}
	if until, delayed := e.backoff.Until(key); delayed && now < until {
		stale.DelayRefresh(module.Only{}, until)
		return
	}
	if p.guard != nil && p.guard.Gate(module.Only{}).Sheds(guard.Refresh) {
		e.overloaded(ctx, observe.Refresh, ErrOverloaded, func() string { return e.show(key) })
		return
	}
	gathers := p.gather > 0 && e.gatherer.gathers(p, observe.Refresh) // then that has a place
	if !gathers && !e.runs.Reserve(p.limits.MaxBackground) {
		e.shed(ctx, now)
		return
	}
	update, role := e.statuses.Begin(key, statuses.Idle)
	if role == statuses.Join {
		if !gathers {
			e.runs.Unreserve()
		}
		return
	}
	stale.DelayRefresh(module.Only{}, entry.Never)
	if gathers {
		e.runs.ReserveOver() // which goes back if there still is a batch to join
	}
	e.lead(ctx, p, observe.Refresh, seen, job[A, K, V]{key: key, arg: arg, update: update, stale: stale, queued: role == statuses.Queued})
}

// wait joins or leads the key's update and waits for its end, under the caller's own
// context.
func (e *engine[A, K, V]) wait(ctx context.Context, p *plan[A, K, V], w *want[A, K, V], how waiting) {
	how.began, how.tagged = e.stores.fills.Load(), e.tags.Now()
	role := e.join(ctx, w, &how)
	if w.update == nil {
		e.waitAlone(ctx, p, w)
		return
	}
	e.expect(ctx, p, w.update)
	if role != statuses.Join {
		e.lead(ctx, p, how.cause(), how.seen, job[A, K, V]{key: w.key, arg: w.arg, update: w.update, queued: role == statuses.Queued, rescuable: e.rescuable(p, w)})
	}
	slot := runs.SlotOf(ctx)
	slot.Park()
	how.soft = e.softly(ctx, p, how.force, w)
	older := e.collect(ctx, p, w, &how)
	how.soft.stop()
	slot.Resume(ctx)
	if older.Shared {
		e.secondLookOne(ctx, p, w, older)
	}
}

// join joins the key's update, or leads it: then the caller starts a load. Without an
// update there is an error, or nothing to share.
func (e *engine[A, K, V]) join(ctx context.Context, w *want[A, K, V], how *waiting) statuses.Role {
	claim := statuses.Need
	if how.force {
		claim = statuses.Force
	}
	switch {
	case ctx.Err() != nil:
		w.err = e.leaves(ctx.Err())
		return statuses.Join
	case w.key != w.key: // NaN: nobody can share it or find it again
		return statuses.Join
	case how.force && (e.inside(ctx, w.key, nil) || e.updates.within(w.key)):
		w.err = e.refused(ErrRecursion)
		return statuses.Join
	}
	update, role := e.statuses.Begin(w.key, claim)
	if role == statuses.Join && e.inside(ctx, w.key, update) {
		w.err = e.refused(ErrRecursion)
		return role
	}
	w.update, w.join = update, role == statuses.Join
	return role
}

// waitAlone answers for a key that has no update.
func (e *engine[A, K, V]) waitAlone(ctx context.Context, p *plan[A, K, V], w *want[A, K, V]) {
	if w.err == nil {
		w.result, w.err = e.direct.one(ctx, p, w.arg)
	}
}

// collect waits for the key's update. What it returns is Shared if the call has to look
// at the storage again: see secondLook.
func (e *engine[A, K, V]) collect(ctx context.Context, p *plan[A, K, V], w *want[A, K, V], how *waiting) (older statuses.Fill) {
	end, isRescued, err := e.await(ctx, p, w, how)
	switch {
	case err != nil:
		w.err = e.leaves(err)
		return older
	case isRescued:
		return older
	}
	why := Miss
	switch {
	case how.force:
		why = Forced
	case w.join:
		why = Joined
		switch {
		case how.second || end.Err != nil:
		case end.Outdated.Newer(how.tagged):
			return statuses.Fill{Shared: true, Refused: true} // the value must not be used, whatever the storage says
		case end.Fill.Newer(how.began):
			w.current = end.Entry
			return end.Fill
		}
	}
	end.Fenced = end.Fenced || end.Fill.Refused
	w.result, w.err = e.settle(ctx, p, w.key, end, w.join, why)
	return older
}

// settle is what a call returns once the update it waited for has ended. After
// an invalidation or a Set, what is stored is newer than what was loaded, and
// better than a failure.
func (e *engine[A, K, V]) settle(ctx context.Context, p *plan[A, K, V], key K, end statuses.Outcome[V], join bool, why Why) (r Result[V], err error) {
	forced := why == Forced // who asks for a new value is not rescued
	if end.Fenced {
		why = Fenced
		if stored, _ := e.stores.look(ctx, p, key); stored != nil {
			state := stored.AnswerAt(e.time.Now())
			if state == entry.Fresh || state == entry.Stale && end.Err != nil {
				end.Entry, end.Err = stored, nil
			}
		}
	}
	if end.Err != nil {
		err := e.errorFor(end.Err, key, join)
		if !forced {
			if r, ok := e.rescue(ctx, p, key, err); ok {
				return r, nil
			}
		}
		return r, e.refused(err)
	}
	if n := end.Entry.Negative(); n != nil {
		e.counters.end(remembered)
		now := e.time.Now()
		return Result[V]{Age: end.Entry.Age(now), State: n.StateAt(now), Why: why, life: &end.Entry.Meta}, n.Err
	}
	if join {
		e.counters.end(joined)
	} else {
		e.counters.end(loaded)
	}
	_, age, state := e.time.Decide(&end.Entry.Meta)
	return Result[V]{Value: end.Entry.Value, Age: age, State: state, Why: why, life: &end.Entry.Meta}, nil
}

// finish does what is done on every return of a value.
func (e *engine[A, K, V]) finish(ctx context.Context, p *plan[A, K, V], stored V, full *Result[V]) (value V, err error) {
	if p.post == nil {
		return stored, nil
	}
	if value, err = process(p.post, stored); err == nil {
		return value, nil
	}
	if full != nil {
		*full = Result[V]{}
	}
	return value, fmt.Errorf("memoize: the postprocessing of %s failed: %w", e.name, e.panicked(ctx, err))
}
