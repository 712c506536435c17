package memoize

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/perennial-go/perennial/entry"
	"github.com/perennial-go/perennial/guard"
	"github.com/perennial-go/perennial/internal/module"
	"github.com/perennial-go/perennial/internal/runs"
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
	if p := e.plans.current.Load(); p.local || n < 2 {
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

// callMany is the path of a call for many keys: that of call, with the loads put
// together.
func (e *engine[A, K, V]) callMany(ctx context.Context, args []A, force bool) ([]V, error) {
	values, errs := make([]V, len(args)), make([]error, len(args))
	p, err := e.changes.snapshot()
	if err != nil {
		for i := range errs {
			errs[i] = e.refused(err)
		}
		return values, manyError(errs)
	}
	wants := e.distinct(ctx, p, args)
	if p.bypass {
		e.direct.many(ctx, p, wants)
	} else {
		e.answer(ctx, p, wants, force)
	}
	for _, w := range wants {
		for _, i := range w.places {
			if errs[i] = w.err; w.err == nil {
				values[i], errs[i] = e.finish(ctx, p, w.result.Value, nil)
			}
		}
	}
	return values, manyError(errs)
}

// answer looks up what is wanted and waits for what is missing.
func (e *engine[A, K, V]) answer(ctx context.Context, p *plan[A, K, V], wants []*want[A, K, V], force bool) {
	seen := e.ended.Load()
	wants, bad := withKeys(wants)
	for _, w := range bad {
		w.err = e.refused(w.err)
	}
	e.lookAll(ctx, p, wants)
	var missing, stale []*want[A, K, V]
	for _, w := range wants {
		switch e.decideOne(ctx, p, w, force) {
		case entry.Stale:
			stale = append(stale, w)
		case entry.Missing:
			missing = append(missing, w)
		}
	}
	e.refreshMany(ctx, p, stale, seen)
	for len(missing) > 0 {
		n := min(len(missing), p.atOnce(e.source.together(p.limits.MaxBatch)))
		e.waitMany(ctx, p, missing[:n], waiting{force: force, seen: seen})
		missing = missing[n:]
	}
}

// distinct puts equal keys together. A key that can't be made is an error of its own.
func (e *engine[A, K, V]) distinct(ctx context.Context, p *plan[A, K, V], args []A) []*want[A, K, V] {
	wants := make([]*want[A, K, V], 0, len(args))
	byKey := make(map[K]*want[A, K, V], len(args))
	room, places := make([]want[A, K, V], len(args)), make([]int, len(args))
	for i, arg := range args {
		key, err := e.key(ctx, p, arg)
		var w *want[A, K, V]
		if err == nil {
			w = byKey[key]
		}
		if w == nil {
			w = &room[len(wants)]
			w.key, w.arg, w.err, w.places = key, arg, err, places[i:i:i+1]
			wants = append(wants, w)
			if err == nil && key == key {
				byKey[key] = w
			}
		}
		w.places = append(w.places, i)
	}
	return wants
}

// withKeys tells wants that have a key from those whose key can't be made.
func withKeys[A any, K comparable, V any](wants []*want[A, K, V]) (good, bad []*want[A, K, V]) {
	if !slices.ContainsFunc(wants, func(w *want[A, K, V]) bool { return w.err != nil }) {
		return wants, nil
	}
	for _, w := range wants {
		if w.err != nil {
			bad = append(bad, w)
		} else {
			good = append(good, w)
		}
	}
	return good, bad
}

// lookAll looks the keys up.
func (e *engine[A, K, V]) lookAll(ctx context.Context, p *plan[A, K, V], wants []*want[A, K, V]) {
	keys := make([]K, len(wants))
	for i, w := range wants {
		keys[i] = w.key
	}
	found, err := e.stores.lookMany(ctx, p, keys)
	for i, stored := range found {
		wants[i].current = stored
	}
	for i, w := range wants {
		w.err = e.faultOf(err, i)
	}
}

// decideOne says what is to be done for a key. Fresh means that nothing is, Stale
// that the value is there and to be refreshed, Missing that it has to be waited
// for.
func (e *engine[A, K, V]) decideOne(ctx context.Context, p *plan[A, K, V], w *want[A, K, V], force bool) entry.State {
	if w.err != nil { // it can't be read
		w.err = e.unanswered(w.err)
		return entry.Fresh
	}
	current := w.current
	if current == nil {
		return entry.Missing
	}
	if err := p.markRead(w.key, current); err != nil {
		w.err = e.refused(e.panicked(ctx, err))
		return entry.Fresh
	}
	_, age, state := e.time.Decide(&current.Meta)
	switch {
	case force:
		return entry.Missing
	case !state.Servable():
		if state = e.answerNegative(w); state.Servable() {
			return state
		}
		return entry.Missing
	}
	e.counters.hit(state, age)
	w.result = Result[V]{Value: current.Value, Age: age, State: state, Why: hitWhy[state], life: &current.Meta}
	return state
}

// refreshMany refreshes stale entries in the background: in one batch if the
// source takes many.
func (e *engine[A, K, V]) refreshMany(ctx context.Context, p *plan[A, K, V], stale []*want[A, K, V], seen uint64) {
	now := e.time.Now()
	if e.source.many == nil {
		for _, w := range stale {
			e.refresh(ctx, p, w.key, w.arg, w.current, now, seen)
		}
		return
	}
	if p.guard != nil && len(stale) > 0 && p.guard.Gate(module.Only{}).Sheds(guard.Refresh) {
		e.overloaded(ctx, observe.Refresh, ErrOverloaded, func() string { return e.show(stale[0].key) })
		return
	}
	stale = slices.DeleteFunc(stale, func(w *want[A, K, V]) bool {
		until, delayed := e.backoff.Until(w.key)
		return now < w.current.NoRefreshBefore(module.Only{}) || delayed && now < until
	})
	for batch := range slices.Chunk(stale, p.limits.MaxBatch) {
		if !e.runs.Reserve(p.limits.MaxBackground) {
			e.shed(ctx, now)
			return
		}
		var jobs []job[A, K, V]
		for _, w := range batch {
			update, role := e.statuses.Begin(w.key, statuses.Idle)
			if role == statuses.Join {
				continue
			}
			w.current.DelayRefresh(module.Only{}, entry.Never)
			j := job[A, K, V]{key: w.key, arg: w.arg, update: update, stale: w.current}
			if role == statuses.Queued { // it waits for another load first, and must not hold up the rest
				e.runs.ReserveOver()
				j.queued = true
				e.launch(ctx, p, observe.Refresh, seen, j)
				continue
			}
			jobs = append(jobs, j)
		}
		if len(jobs) == 0 {
			e.runs.Unreserve()
			continue
		}
		e.launchMany(ctx, p, observe.Refresh, seen, jobs)
	}
}

// waitMany is wait for many keys: those that a source takes together are loaded in
// batches.
func (e *engine[A, K, V]) waitMany(ctx context.Context, p *plan[A, K, V], missing []*want[A, K, V], how waiting) {
	how.began, how.tagged = e.stores.fills.Load(), e.tags.Now()
	var together []job[A, K, V]
	for _, w := range missing {
		role := e.join(ctx, w, &how)
		e.expect(ctx, p, w.update)
		if w.update == nil || role == statuses.Join {
			continue
		}
		j := job[A, K, V]{key: w.key, arg: w.arg, update: w.update, queued: role == statuses.Queued, rescuable: e.rescuable(p, w)}
		if e.source.many != nil && !j.queued {
			together = append(together, j)
		} else { // one that is queued waits for another load first, and must not hold up the rest
			e.launch(ctx, p, how.cause(), how.seen, j)
		}
	}
	for batch := range slices.Chunk(together, p.limits.MaxBatch) {
		e.launchMany(ctx, p, how.cause(), how.seen, batch)
	}
	slot := runs.SlotOf(ctx)
	slot.Park()
	defer slot.Resume(ctx)
	how.soft = e.softly(ctx, p, how.force, missing...)
	defer how.soft.stop()
	var again []*want[A, K, V]
	var older []statuses.Fill
	for _, w := range missing {
		if w.update == nil {
			e.waitAlone(ctx, p, w)
		} else if f := e.collect(ctx, p, w, &how); f.Shared {
			again, older = append(again, w), append(older, f)
		}
	}
	if len(again) > 0 {
		e.secondLook(ctx, p, again, older)
	}
}
