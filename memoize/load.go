package memoize

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"sync/atomic"
	"time"

	"github.com/perennial-go/perennial/entry"
	"github.com/perennial-go/perennial/internal/module"
	"github.com/perennial-go/perennial/internal/runs"
	"github.com/perennial-go/perennial/observe"
	"github.com/perennial-go/perennial/statuses"
)

// load is one run of the source, for one key or a batch of them. This file has its
// phases in their order; loadbatch.go has those that differ for a batch.
type load[A any, K comparable, V any] struct {
	run      runs.Run
	e        *engine[A, K, V]
	plan     *plan[A, K, V]
	seen     uint64 // updates that had ended when the storage was looked at
	jobs     []job[A, K, V]
	one      [1]job[A, K, V] // the jobs of a load for one key
	cause    observe.Cause
	done     bool        // Run came to its end
	released atomic.Bool // its slots were given back: it is late or over
}

// job is what a load does for one key.
type job[A any, K comparable, V any] struct {
	key        K
	arg        A
	update     statuses.Update[V]
	stale      *entry.Entry[V] // the entry that is refreshed, if any
	queued     bool            // it waits for another load first
	secondLook bool            // look at the store before loading
	ended      bool            // its update has ended
	unclaimed  bool            // the storage could not be asked for a claim: the value is not stored

	result writeResult[K, V] // what became of the value
}

// launch starts a load for one key.
func (e *engine[A, K, V]) launch(ctx context.Context, p *plan[A, K, V], cause observe.Cause, seen uint64, j job[A, K, V]) {
	l := &load[A, K, V]{e: e, plan: p, cause: cause, seen: seen, one: [1]job[A, K, V]{j}}
	l.jobs = l.one[:]
	l.start(ctx)
}

// launchMany starts a load for a batch of keys.
func (e *engine[A, K, V]) launchMany(ctx context.Context, p *plan[A, K, V], cause observe.Cause, seen uint64, jobs []job[A, K, V]) {
	l := &load[A, K, V]{e: e, plan: p, cause: cause, seen: seen, jobs: jobs}
	l.start(ctx)
}

// Begin. The load runs on a goroutine and a context of its own.

func (l *load[A, K, V]) start(ctx context.Context) {
	if ctx == nil { // a stale hit needs none
		ctx = context.Background()
	}
	e, r := l.e, &l.run
	l.plan = e.plans.use(l.plan)
	r.Runner, r.Slot = l, e.slots.Slot()
	r.Context.Context, r.Context.Apart = l.values(ctx), l.Refresh()
	r.Context.Events.Hold(true)
	work := e.runs.Begin(r, l.plan.timeout, !l.jobs[0].queued) // another goroutine may run the load to its end before this one goes on
	if work == nil {
		for i := range l.jobs {
			l.end(&l.jobs[i], statuses.Outcome[V]{Err: newLoadError(e.name, e.show(l.jobs[i].key), Failed, ErrClosed)})
		}
		l.releaseSlots()
		e.plans.unuse(l.plan)
		return
	}
	go work()
}

// values is a context with those values of a call's that the load may see.
func (l *load[A, K, V]) values(ctx context.Context) context.Context {
	keep := l.plan.settings.ContextValues
	if keep == nil {
		return runs.ValuesOf(ctx)
	}
	kept := context.Background()
	err := safely(func() error {
		if c := keep(ctx); c != nil {
			kept = context.WithoutCancel(c)
		}
		return nil
	})
	if err != nil {
		_ = l.e.panicked(ctx, err)
	}
	return runs.Keep(kept, ctx)
}

// Run leads the load's updates from their start to their end. Whatever user code does
// in it, survive and cleanUp end them.
func (l *load[A, K, V]) Run() {
	defer l.cleanUp()
	defer l.survive()
	if l.startAll() && l.takeSlot() {
		l.loadAll()
		l.makeRoom()
	}
	l.done = true
	l.run.Context.Events.Tell()
}

// startAll waits until the loads may begin, and tells whether there is anything to
// load. The method timeout of one that was queued counts from then: the one that it
// waits for has its own.
func (l *load[A, K, V]) startAll() (any bool) {
	for i := range l.jobs {
		j := &l.jobs[i]
		var err error
		switch j.secondLook, err = j.update.Start(&l.run.Context, l.plan.limits.MaxRunaway); err {
		case nil:
		case statuses.ErrEnded: // a Set has answered who waited
			l.end(j, statuses.Outcome[V]{Err: err})
		default:
			l.fail(j, err)
		}
		if j.queued {
			l.e.runs.Limit(&l.run, l.plan.timeout)
		}
		any = any || !j.ended
	}
	return any
}

// takeSlot waits for one of MaxLoads. It is false if that took too long. The method
// timeout counts from then on.
func (l *load[A, K, V]) takeSlot() bool {
	r := &l.run
	if r.Slot.TryTake() {
		return true
	}
	most := cmp.Or(l.plan.limits.QueueTimeout, l.plan.timeout)
	l.e.runs.Queue(r, most)
	if r.Slot.Take(&r.Context) == nil && l.e.runs.Limit(r, l.plan.timeout) {
		return true
	}
	l.failAll(fmt.Errorf("%w: it waited %v for one of %d slots: raise config.MaxLoads or config.QueueTimeout, or make the source faster", errQueueTimeout, most, l.plan.limits.MaxLoads))
	return false
}

// errQueueTimeout is the error of a load that waited too long for its slot. It was
// never given to the source.
var errQueueTimeout = errors.New("memoize: the load did not begin in time")

// loadAll asks the source for what is not stored meanwhile.
func (l *load[A, K, V]) loadAll() {
	if l.plan.fenced != nil {
		l.claimAll()
	}
	if l.e.source.one == nil {
		l.loadBatch()
		return
	}
	j := &l.jobs[0]
	if j.ended || l.lookAgain(j) {
		return
	}
	began := l.asks(1)
	a := askOne(&l.run.Context, l.e.source.one, j.arg)
	took := l.answered(1, began, a.err, a.err)
	now := l.e.time.Now()
	stored, err := l.keep(j, &a, took, now)
	l.settle(j, stored, err)
}

// Claim. A storage that processes share wants to know of the load before the source is
// asked. What it holds is as good as what would be loaded now, so a fresh entry ends the
// key's update. A key that can't be claimed is loaded all the same, and not stored.

func (l *load[A, K, V]) claimAll() {
	e := l.e
	var jobs []*job[A, K, V]
	var keys []K
	for i := range l.jobs {
		if j := &l.jobs[i]; !j.ended {
			jobs, keys = append(jobs, j), append(keys, j.key)
		}
	}
	claims, err := e.stores.claim(&l.run.Context, l.plan, keys...)
	for i, j := range jobs {
		if fault := e.faultOf(err, i); fault != nil {
			if err := e.stores.unread(&l.run.Context, l.plan, j.key, fault); err != nil {
				l.fail(j, err)
			}
			j.unclaimed = true
			continue
		}
		c := &claims[i] // what can't be read was reported when the call looked, and is overwritten
		j.result.claim = &claim{token: c.Token}
		if l.mayUse(j) && c.Entry != nil && !l.plan.doubt.Has(j.key) && l.plan.trusted(c.Entry) != nil {
			if _, _, state := e.time.Decide(&c.Entry.Meta); state == entry.Fresh {
				l.end(j, statuses.Outcome[V]{Entry: c.Entry, Fill: statuses.Fill{Shared: true}})
			}
		}
	}
}

// lookAgain looks at the store once more before loading: an update may have
// ended after the call had found nothing and before it claimed the key. Its
// value is as good as one that would be loaded now.
//
//	caller A: miss ........................ Begin, leads: loads a second time
//	caller B: miss  Begin, leads  stores  End
func (l *load[A, K, V]) lookAgain(j *job[A, K, V]) (found bool) {
	if l.plan.fenced != nil || !l.mayUse(j) || !l.plan.local && l.e.ended.Load() == l.seen {
		return false // a claim has looked already
	}
	stored, err := l.e.stores.look(&l.run.Context, l.plan, j.key)
	if err != nil || stored == nil {
		return false
	}
	if _, _, state := l.e.time.Decide(&stored.Meta); state != entry.Fresh {
		return false
	}
	l.end(j, statuses.Outcome[V]{Entry: stored})
	return true
}

// mayUse tells whether what is stored is as good as what would be loaded.
func (l *load[A, K, V]) mayUse(j *job[A, K, V]) bool {
	return j.secondLook && l.e.clearing.Load() == 0
}

// Ask.

// asks is called before the source runs. Events of what the source does under its
// context are told at once. began is the steady time if somebody wants to know what the
// source took.
func (l *load[A, K, V]) asks(keys int) (began entry.Instant) {
	e := l.e
	e.counters.loads.Add(1)
	if l.Refresh() {
		e.counters.refreshes.Add(1)
	}
	l.run.Context.Events.Hold(false)
	if e.wants(observe.LoadStarted) {
		l.report(observe.LoadStarted, keys, 0, nil)
	}
	if e.wants(observe.LoadEnded) || l.plan.coster != nil {
		began = e.time.Steady()
	}
	return began
}

// answered is called when the source has returned: first is the error of the first key,
// err that of all. took is known if somebody wants to know.
func (l *load[A, K, V]) answered(keys int, began entry.Instant, first, err error) (took time.Duration) {
	e := l.e
	l.run.Context.Events.Hold(true)
	if e.wants(observe.LoadEnded) || l.plan.coster != nil {
		took = e.time.Steady().Sub(began)
	}
	if p, ok := first.(*PanicError); ok {
		_ = e.panicked(&l.run.Context, p)
	}
	if e.wants(observe.LoadEnded) {
		l.report(observe.LoadEnded, keys, took, err)
	}
	return took
}

// report tells of an event of the whole load. It names the key if there is one.
func (l *load[A, K, V]) report(kind observe.Kind, keys int, took time.Duration, err error) {
	ev := observe.Event{Kind: kind, Cause: l.cause, Count: keys, Duration: took, Err: err}
	if keys == 1 {
		l.e.emit(&l.run.Context, ev, l.jobs[0].key)
	} else {
		l.e.tell(&l.run.Context, ev)
	}
}

// Build and publish.

// keep stores what the source said, now, if it may be.
func (l *load[A, K, V]) keep(j *job[A, K, V], a *answer[V], took time.Duration, now entry.Instant) (store bool, err error) {
	var b built[V]
	if store, err = l.build(j, a, took, now, &b); store && err == nil {
		return l.publish(j, &b, now)
	}
	return store, err
}

// build gives what the source said a life, which counts from its return. store is false
// if nothing is to be stored.
func (l *load[A, K, V]) build(j *job[A, K, V], a *answer[V], took time.Duration, now entry.Instant, b *built[V]) (store bool, err error) {
	if a.err != nil {
		return false, a.err
	}
	if !l.released.Load() { // a late result ends no problem: those who waited have their error
		l.e.sourceWorks(&l.run.Context, l.cause)
	}
	if err = l.plan.build(b, j.key, a.value, now); err != nil {
		return false, err
	}
	if l.plan.coster != nil {
		b.took(took)
	}
	switch {
	case !a.keep:
		l.delay(&l.run.Context, j, NoStore)
	case j.unclaimed: // which was reported
	default:
		return true, nil
	}
	j.result.entry = b.entry()
	return false, nil
}

// publish stores what is built, if it may be: store is false if it may not.
func (l *load[A, K, V]) publish(j *job[A, K, V], b *built[V], now entry.Instant) (store bool, err error) {
	if err := j.update.Publish(l.e.life); err != nil {
		l.drop(j, b, err)
		return false, nil
	}
	return true, l.e.stores.store(l.storing(), l.plan, j.key, b, now, &j.result)
}

// drop reports a result that may not be stored.
func (l *load[A, K, V]) drop(j *job[A, K, V], b *built[V], why error) {
	j.result.entry = b.entry()
	switch {
	case errors.Is(why, statuses.ErrFenced):
		l.e.counters.fenced.Add(1)
		l.e.note(&l.run.Context, observe.Fenced, j.key)
	case errors.Is(why, statuses.ErrSuperseded):
		l.e.counters.superseded.Add(1)
		l.e.note(&l.run.Context, observe.Superseded, j.key)
	}
}

// storing is the context that results are stored under: a late one is stored
// too, and the storage has a budget of its own.
func (l *load[A, K, V]) storing() context.Context {
	if l.plan.local {
		return &l.run.Context
	}
	return context.WithoutCancel(&l.run.Context)
}

// Settle. The update ends, and all who wait have their answer.

// settle ends a key's update once it is known what became of the value.
func (l *load[A, K, V]) settle(j *job[A, K, V], store bool, err error) {
	if err != nil {
		l.fail(j, err)
		return
	}
	if store {
		l.e.backoff.Clear(j.key)
	}
	end := statuses.Outcome[V]{Entry: j.result.entry} // a fault was reported, and costs nobody the value
	if l.plan.fenced != nil {
		end.Fill = l.filled(j, store)
	}
	l.end(j, end)
}

// filled says what the storage has made of a value under the load's claim.
func (l *load[A, K, V]) filled(j *job[A, K, V], store bool) statuses.Fill {
	w := &j.result
	f := statuses.Fill{Shared: true}
	switch {
	case w.kept && w.claim != nil:
		f.Number = w.claim.filled
	case store && w.claim != nil && w.fault == nil:
		f.Refused = true
		l.e.counters.fenced.Add(1)
		l.e.note(&l.run.Context, observe.Fenced, j.key)
	}
	return f
}

// end ends a key's update and wakes everybody.
func (l *load[A, K, V]) end(j *job[A, K, V], o statuses.Outcome[V]) {
	j.ended = true
	if j.stale != nil && j.stale.NoRefreshBefore(module.Only{}) == entry.Never {
		j.stale.DelayRefresh(module.Only{}, j.stale.UpdateAfter()) // whoever still finds it may try again
	}
	l.e.ended.Add(1)
	j.update.End(o)
}

// fail ends a key's update with an error.
func (l *load[A, K, V]) fail(j *job[A, K, V], cause error) {
	if j.ended {
		return
	}
	e := l.e
	if cause == ErrRunaway { // ours, and not that of a function within the source
		e.runaway(&l.run.Context, j.key, cause)
	}
	reason := Failed
	if errors.Is(cause, errQueueTimeout) {
		reason = TimedOut
	}
	err := newLoadError(e.name, e.show(j.key), reason, cause)
	if !l.released.Load() { // in time
		e.counters.loadsFailed.Add(1)
		if cause != ErrNoValue { // that is an answer: the source works
			e.failing(&l.run.Context, l.cause, cause, func() string { return e.show(j.key) })
		}
		l.delay(&l.run.Context, j, cause)
	}
	l.end(j, statuses.Outcome[V]{Err: err})
}

func (l *load[A, K, V]) failAll(cause error) {
	for i := range l.jobs {
		l.fail(&l.jobs[i], cause)
	}
}

// delay puts off the next background refresh after one that brought nothing.
func (l *load[A, K, V]) delay(ctx context.Context, j *job[A, K, V], why error) {
	if !l.Refresh() || j.stale == nil {
		return
	}
	until, d := l.e.backoff.Delay(j.key, &j.stale.Meta, l.e.time.Now())
	j.stale.DelayRefresh(module.Only{}, until)
	l.e.counters.delayed.Add(1)
	l.e.emit(ctx, observe.Event{Kind: observe.Delayed, Duration: d, Err: why}, j.key)
}

// Release.

// makeRoom tells what was stored and releases what the strategy has named then. The
// load holds no key any more: what is named may be busy, or a key of the load itself.
// It is as far up the stack as may be: a load that has to grow its stack for it takes
// twice as long.
func (l *load[A, K, V]) makeRoom() {
	if len(l.jobs) == 1 {
		l.makeRoomFor(&l.jobs[0])
		return
	}
	for i := range l.jobs {
		j := &l.jobs[i]
		l.sparing(j, func() { l.makeRoomFor(j) })
	}
}

func (l *load[A, K, V]) makeRoomFor(j *job[A, K, V]) {
	if j.result.kept && !j.result.gone {
		l.e.note(l.storing(), observe.Stored, j.key)
	}
	if j.result.named {
		l.e.evictor.evict(l.storing(), l.plan, j.result.victim)
	}
}

// cleanUp ends the load. No user code runs in it.
func (l *load[A, K, V]) cleanUp() {
	e, p := l.e, l.plan
	for i := range l.jobs {
		if j := &l.jobs[i]; !j.ended {
			l.end(j, statuses.Outcome[V]{Err: newLoadError(e.name, e.show(j.key), Failed, ErrGoexit)})
		}
	}
	l.releaseSlots()
	l.run.Context.End(context.Canceled)
	e.runs.End(&l.run) // which clears the load
	e.plans.unuse(p)
}

// releaseSlots gives the load's slots back, once.
func (l *load[A, K, V]) releaseSlots() {
	if l.released.Swap(true) {
		return
	}
	l.run.Slot.Return()
	if l.Refresh() {
		l.e.runs.Unreserve()
	}
}

// Clear lets go of what was loaded. What a load has started and left behind, as an
// operation of the storage that exceeds its budget, must not look at the load.
func (l *load[A, K, V]) Clear() {
	l.e, l.plan, l.jobs, l.one = nil, nil, nil, [1]job[A, K, V]{}
}

// What may come between.

// Timeout releases everybody who waits, at the method timeout. The source may
// go on; what it returns is looked at then. It runs on the timer's goroutine:
// what must be done comes before user code is told.
func (l *load[A, K, V]) Timeout() {
	e := l.e
	if e.runs.Queues(&l.run) { // Run waits for its slot, and fails
		l.run.Context.End(context.DeadlineExceeded)
		return
	}
	late := make([]bool, len(l.jobs))
	why := fmt.Errorf("%w (it is %v)", ErrLoadTimeout, l.plan.timeout)
	for i := range l.jobs {
		j := &l.jobs[i] // false where it is being stored, or over
		late[i] = j.update.Late(newLoadError(e.name, e.show(j.key), TimedOut, why))
	}
	e.runs.Abandon(&l.run)
	l.releaseSlots()
	l.run.Context.End(context.DeadlineExceeded)
	ctx := l.run.Context.Context // what the load tells of may wait for its end
	for i := range l.jobs {
		if j := &l.jobs[i]; late[i] {
			e.counters.late.Add(1)
			l.delay(ctx, j, why)
			e.failing(ctx, l.cause, why, func() string { return e.show(j.key) })
			e.emit(ctx, observe.Event{Kind: observe.Late, Duration: l.plan.timeout, Err: why}, j.key)
		}
	}
}

// survive turns a panic or a runtime.Goexit of user code into an error for
// whoever still waits.
func (l *load[A, K, V]) survive() {
	if l.done {
		return
	}
	p := &PanicError{Value: recover(), Stack: debug.Stack()}
	if p.Value == nil {
		p.Value = ErrGoexit
	}
	events := &l.run.Context.Events
	events.Hold(true)
	l.failAll(l.e.panicked(&l.run.Context, p))
	events.Tell()
}

// Refresh tells whether the load runs in the background.
func (l *load[A, K, V]) Refresh() bool { return l.cause == observe.Refresh }
