package memoize

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/perennial-go/perennial/entry"
	"github.com/perennial-go/perennial/observe"
	"github.com/perennial-go/perennial/statuses"
)

// CallMany is Call for many arguments. The values are in the order of the
// arguments; where some failed, those that did not are in place beside a
// *ManyError. Equal keys are asked for once, keys that are being loaded are
// waited for, and the rest is asked of the source together, if it takes many. One
// that takes one is asked for all of them side by side, up to config.MaxLoads.
// Stale values are refreshed in one background batch.
func (f *Func[A, V]) CallMany(ctx context.Context, args []A) ([]V, error) {
	return f.verbs.callMany(ctx, args, false)
}

// RefreshMany is Refresh for many arguments; values and errors are as those of
// CallMany.
func (f *Func[A, V]) RefreshMany(ctx context.Context, args []A) ([]V, error) {
	return f.verbs.callMany(ctx, args, true)
}

// PeekMany is Peek for many arguments, in one round trip to a storage that is
// storage.Bulk.
func (f *Func[A, V]) PeekMany(ctx context.Context, args []A) ([]V, []bool) {
	return f.verbs.peekMany(ctx, args, true)
}

// SetMany is Set for many arguments, with as many values. The error is a
// *ManyError. Over a storage that is not storage.Local up to 16 run at once; of
// equal arguments any may be the last.
func (f *Func[A, V]) SetMany(ctx context.Context, args []A, values []V) error {
	if len(args) != len(values) {
		return fmt.Errorf("memoize: SetMany is given %d arguments and %d values: give one value for each", len(args), len(values))
	}
	return f.verbs.each(len(args), func(i int) error { return f.Set(ctx, args[i], values[i]) })
}

// InvalidateMany is Invalidate for many arguments, as many at once as SetMany. The
// error is a *ManyError.
func (f *Func[A, V]) InvalidateMany(ctx context.Context, args []A) error {
	return f.verbs.each(len(args), func(i int) error { return f.Invalidate(ctx, args[i]) })
}

// HasMany is Has for many arguments, asked as PeekMany asks.
func (f *Func[A, V]) HasMany(ctx context.Context, args []A) []bool {
	_, found := f.verbs.peekMany(ctx, args, false)
	return found
}

// TouchMany is Touch for many arguments, as many at once as SetMany. The error is a
// *ManyError.
func (f *Func[A, V]) TouchMany(ctx context.Context, args []A) ([]bool, error) {
	touched := make([]bool, len(args))
	return touched, f.verbs.each(len(args), func(i int) (err error) {
		touched[i], err = f.Touch(ctx, args[i])
		return err
	})
}

// maxAtOnce is how many keys verbs for many change at once, where each is a trip
// to a storage.
const maxAtOnce = 16

// each changes keys one by one, or side by side where that takes trips. The error
// is a *ManyError.
func (e *engine[A, K, V]) each(n int, change func(i int) error) error {
	errs := make([]error, n)
	if p := e.plan.Load(); p.local || n < 2 {
		for i := range errs {
			errs[i] = change(i)
		}
		return manyError(errs)
	}
	var next atomic.Int64
	var changing sync.WaitGroup
	for range min(n, maxAtOnce) {
		changing.Go(func() {
			for i := int(next.Add(1)) - 1; i < n; i = int(next.Add(1)) - 1 {
				errs[i] = ErrGoexit // unless it comes back
				errs[i] = change(i)
			}
		})
	}
	changing.Wait()
	return manyError(errs)
}

// asked is one distinct key of a call for many.
type asked[A any, K comparable, V any] struct {
	key    K
	arg    A
	places []int // where it stands among the arguments

	current *entry.Entry[V] // what is stored
	result  Result[V]
	err     error
	update  statuses.Update[V] // nil if it need not be waited for
	join    bool
}

// callMany is the path of a call for many keys: that of call, with the loads put
// together.
func (e *engine[A, K, V]) callMany(ctx context.Context, args []A, force bool) ([]V, error) {
	values, errs := make([]V, len(args)), make([]error, len(args))
	p, err := e.snapshot()
	if err != nil {
		for i := range errs {
			errs[i] = e.refused(err)
		}
		return values, manyError(errs)
	}
	if p.bypass {
		return e.bypassMany(ctx, p, args)
	}
	seen := e.loads.ended.Load()
	all := e.distinct(ctx, p, args, errs)
	e.lookAll(ctx, p, all)
	var missing, stale []*asked[A, K, V]
	for _, a := range all {
		switch e.decideOne(ctx, p, a, force) {
		case entry.Stale:
			stale = append(stale, a)
		case entry.Missing:
			missing = append(missing, a)
		}
	}
	e.aheadMany(ctx, p, stale, seen)
	for window := range slices.Chunk(missing, p.limits.MaxLoads) {
		e.waitMany(ctx, p, window, force, seen, false)
	}
	for _, a := range all {
		for _, i := range a.places {
			if errs[i] = a.err; a.err == nil {
				var r Result[V]
				r, errs[i] = e.finish(ctx, p, a.result)
				values[i] = r.Value
			}
		}
	}
	return values, manyError(errs)
}

// distinct puts equal keys together. Keys that can't be made are errors.
func (e *engine[A, K, V]) distinct(ctx context.Context, p *plan[A, K, V], args []A, errs []error) []*asked[A, K, V] {
	all := make([]*asked[A, K, V], 0, len(args))
	byKey := make(map[K]*asked[A, K, V], len(args))
	room, places := make([]asked[A, K, V], len(args)), make([]int, len(args))
	for i, arg := range args {
		key, err := e.key(ctx, p, arg)
		if err != nil {
			errs[i] = e.refused(err)
			continue
		}
		a := byKey[key]
		if a == nil {
			a = &room[len(all)]
			a.key, a.arg, a.places = key, arg, places[i:i:i+1]
			all = append(all, a)
			if key == key {
				byKey[key] = a
			}
		}
		a.places = append(a.places, i)
	}
	return all
}

// lookAll looks the keys up.
func (e *engine[A, K, V]) lookAll(ctx context.Context, p *plan[A, K, V], all []*asked[A, K, V]) {
	keys := make([]K, len(all))
	for i, a := range all {
		keys[i] = a.key
	}
	found, err := e.lookMany(ctx, p, keys)
	for i, stored := range found {
		all[i].current = stored
	}
	for i, a := range all {
		a.err = e.faultOf(err, i)
	}
}

// decideOne says what is to be done for a key. Fresh means that nothing is, Stale
// that the value is there and to be refreshed, Missing that it has to be waited
// for.
func (e *engine[A, K, V]) decideOne(ctx context.Context, p *plan[A, K, V], a *asked[A, K, V], force bool) entry.State {
	if a.err != nil { // it can't be read
		a.err = e.unanswered(a.err)
		return entry.Fresh
	}
	current := a.current
	if current == nil {
		return entry.Missing
	}
	if err := p.markRead(a.key, current); err != nil {
		a.err = e.refused(e.panicked(ctx, err))
		return entry.Fresh
	}
	_, age, state := e.time.decide(&current.Meta)
	if !state.Servable() || force {
		return entry.Missing
	}
	e.counters.hit(state, age)
	a.result = Result[V]{Value: current.Value, Age: age, State: state, Why: hitWhy[state]}
	return state
}

// aheadMany refreshes stale entries in the background: in one batch if the
// source takes many.
func (e *engine[A, K, V]) aheadMany(ctx context.Context, p *plan[A, K, V], stale []*asked[A, K, V], seen uint64) {
	now := e.time.now()
	if e.source.many == nil {
		for _, a := range stale {
			e.ahead(ctx, p, a.key, a.arg, a.current, now, seen)
		}
		return
	}
	stale = slices.DeleteFunc(stale, func(a *asked[A, K, V]) bool {
		until, delayed := e.backoff.until(a.key)
		return now < a.current.Quiet() || delayed && now < until
	})
	for batch := range slices.Chunk(stale, p.limits.MaxBatch) {
		if !e.loads.reserve(p.limits.MaxBackground) {
			e.shed(ctx, now)
			return
		}
		var jobs []job[A, K, V]
		for _, a := range batch {
			update, role := e.statuses.Begin(a.key, statuses.Need)
			if role == statuses.Join {
				continue
			}
			a.current.SetQuiet(entry.Never)
			j := job[A, K, V]{key: a.key, arg: a.arg, update: update, stale: a.current}
			if role == statuses.Queued { // it waits for another load first, and must not hold up the rest
				e.loads.background.Add(1)
				j.queued = true
				e.launch(ctx, p, observe.Refresh, seen, j)
				continue
			}
			jobs = append(jobs, j)
		}
		if len(jobs) == 0 {
			e.loads.unreserve()
			continue
		}
		e.launchMany(ctx, p, observe.Refresh, seen, jobs)
	}
}

// waitMany joins or leads the keys' updates and waits for them. again says that it
// does so for the second time.
func (e *engine[A, K, V]) waitMany(ctx context.Context, p *plan[A, K, V], missing []*asked[A, K, V], force bool, seen uint64, again bool) {
	claim, cause, led := statuses.Need, observe.Miss, Miss
	if force {
		claim, cause, led = statuses.Force, observe.Forced, Forced
	}
	began := e.fills.Load()
	var together []job[A, K, V]
	for _, a := range missing {
		switch {
		case ctx.Err() != nil:
			a.err = e.leaves(ctx.Err())
			continue
		case a.key != a.key: // NaN: below, for it is waited for at once
			continue
		case force && e.inside(ctx, a.key, nil):
			a.err = e.refused(ErrRecursion)
			continue
		}
		update, role := e.statuses.Begin(a.key, claim)
		if role == statuses.Join && e.inside(ctx, a.key, update) {
			a.err = e.refused(ErrRecursion)
			continue
		}
		a.update, a.join = update, role == statuses.Join
		j := job[A, K, V]{key: a.key, arg: a.arg, update: update, queued: role == statuses.Queued}
		switch {
		case role == statuses.Lead && e.source.many != nil:
			together = append(together, j)
		case role != statuses.Join: // it waits for another load first
			e.launch(ctx, p, cause, seen, j)
		}
	}
	for batch := range slices.Chunk(together, p.limits.MaxBatch) {
		e.launchMany(ctx, p, cause, seen, batch)
	}
	slot := slotOf(ctx)
	slot.Park()
	defer slot.Resume(ctx)
	var joined []unsure[A, K, V]
	for _, a := range missing {
		if a.update == nil {
			if a.err == nil {
				a.result, a.err = e.direct(ctx, p, a.arg)
			}
			continue
		}
		end, err := a.update.Wait(ctx)
		if err != nil {
			a.err = e.leaves(err)
			continue
		}
		why := led
		if a.join && !force {
			why = Joined
		}
		if u := accepted(&end, a.join && !force && !again, began); u != nil {
			joined = append(joined, unsure[A, K, V]{a, u})
			continue
		}
		a.result, a.err = e.settle(ctx, p, a.key, end, a.join, why)
	}
	e.againMany(ctx, p, joined)
}
