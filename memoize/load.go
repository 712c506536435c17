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
	"github.com/perennial-go/perennial/internal/admission"
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
	asked    asked[V]        // what a source that takes many keys may know of it
	cause    observe.Cause
	pass     admission.Pass // of the plan's guard
	verdict  admission.Outcome
	tagged   bool        // values have tags
	began    uint64      // invalidations of tags until it asked the source
	done     bool        // Run came to its end
	released atomic.Bool // its slots were given back: it is late or over
}

// job is what a load does for one key.
type job[A any, K comparable, V any] struct {
	key        K
	arg        A
	update     statuses.Update[V]
	stale      *entry.Entry[V] // the entry that is refreshed, if any
	old        *entry.Entry[V] // what a claim has found
	queued     bool            // it waits first, for another load or for calls that gather: its time begins then
	secondLook bool            // look at the store before loading
	ended      bool            // its update has ended
	unclaimed  bool            // the storage could not be asked for a claim: the value is not stored
	rescuable  bool            // who waits can be given something else
	outdated   bool            // a tag of the value was invalidated since the source was asked
	tags       int             // of the value, which the index knows until the update has ended

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
	l.plan = l.e.plans.use(l.plan)
	l.startWith(l.values(ctx))
}

// startWith starts a load whose plan is in use, with the values that it may see.
func (l *load[A, K, V]) startWith(values context.Context) {
	l.prepare(values)
	limited := len(l.jobs) == 1 && !l.jobs[0].queued        // else startAll limits it
	work := l.e.runs.Begin(&l.run, l.plan.timeout, limited) // another goroutine may run the load to its end before this one goes on
	if work == nil {
		l.closed()
		return
	}
	go work()
}

// prepare makes the load's run.
func (l *load[A, K, V]) prepare(values context.Context) {
	r := &l.run
	r.Runner, r.Slot = l, l.e.place(l.plan)
	r.Context.Context, r.Context.Apart = values, l.Refresh()
	r.Context.Events.Hold(true)
}

// closed ends a load that was not begun, for the function is closed.
func (l *load[A, K, V]) closed() {
	e := l.e
	for i := range l.jobs {
		l.end(&l.jobs[i], statuses.Outcome[V]{Err: newLoadError(e.name, e.show(l.jobs[i].key), Failed, ErrClosed)})
	}
	l.releaseSlots()
	e.plans.unuse(l.plan)
}

// values is a context with those values of a call's that the load may see.
func (l *load[A, K, V]) values(ctx context.Context) context.Context {
	if ctx == nil { // a stale hit needs none
		ctx = context.Background()
	}
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
	l.releaseSlots() // who is told may call the function, and need one
	l.run.Context.Events.Tell()
}

// startAll waits until the loads may begin, and tells whether there is anything to
// load. The method timeout of one that was queued counts from then, for the one that it
// waits for has its own, and so does that of a batch.
func (l *load[A, K, V]) startAll() (any bool) {
	if len(l.jobs) != 1 {
		return l.startBatch()
	}
	j := &l.jobs[0]
	l.startOne(j, &l.run.Context)
	if j.queued {
		l.e.runs.Limit(&l.run, l.plan.timeout)
	}
	return !j.ended
}

// startOne starts a key's update. It returns the context's error, if that has ended while
// the update had to wait and may go on doing so.
func (l *load[A, K, V]) startOne(j *job[A, K, V], ctx context.Context) (err error) {
	j.secondLook, err = j.update.Start(ctx, l.plan.limits.MaxRunaway)
	switch {
	case err == nil:
	case err == statuses.ErrEnded: // a Set has answered who waited
		l.end(j, statuses.Outcome[V]{Err: err})
	case ctx == atOnce && errors.Is(err, context.Canceled):
		return err
	default:
		l.fail(j, err)
	}
	return nil
}

// takeSlot waits for one of MaxLoads, unless there is a guard. It is false if that took
// too long. The method timeout counts from then on.
func (l *load[A, K, V]) takeSlot() bool {
	r := &l.run
	if l.plan.guard != nil || r.Slot.TryTake() { // a guard is asked later: see admit
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
	if j.ended || l.lookAgain(j) || !l.admit() {
		return
	}
	var a [1]answer[V]
	took := l.ask(1, func(ctx context.Context) (first, all error) {
		a[0] = askOne(ctx, l.e.source.one, j.arg)
		l.judge(a[:])
		return a[0].err, a[0].err
	})
	now := l.e.time.Now()
	stored, err := l.keep(j, &a[0], took, now)
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
	claims, err := e.stores.claim(&l.run.Context, l.plan, false, keys...)
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
		if c.Entry = l.plan.trusted(c.Entry); c.Entry == nil || l.plan.doubt.Has(j.key) {
			continue
		}
		if j.old = c.Entry; l.mayUse(j) {
			if c.Entry.AnswerAt(e.time.Now()) == entry.Fresh {
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
	if stored.AnswerAt(l.e.time.Now()) != entry.Fresh {
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

// ask runs the source for so many keys and says how long it took. source returns the
// error of the first key and that of all. Events of what the source does under its
// context are told at once.
func (l *load[A, K, V]) ask(keys int, source func(ctx context.Context) (first, all error)) (took time.Duration) {
	e := l.e
	if l.plan.settings.Tags != nil {
		l.tagged, l.began = true, e.tags.Begin()
	}
	e.counters.causes[l.cause].loads.Add(1)
	l.run.Context.Events.Hold(false)
	if e.wants(observe.LoadStarted) {
		l.report(&l.run.Context, observe.LoadStarted, keys, 0, nil)
	}
	var ctx context.Context = &l.run.Context
	began, returned := e.time.Steady(), false
	defer func() {
		if !returned { // it has ended its goroutine: survive reports that
			l.verdict = admission.Failure
			l.answered(ctx, keys, began, e.time.Steady(), &PanicError{Value: ErrGoexit, Stack: debug.Stack()})
		}
	}()
	if len(e.wrappers) > 0 {
		ctx = e.wrap(&l.run.Context, l.event(observe.LoadStarted, keys))
		began = e.time.Steady()
	}
	first, all := source(ctx)
	now := e.time.Steady()
	returned = true
	if p, ok := first.(*PanicError); ok {
		l.run.Context.Events.Hold(true)
		_ = e.panicked(&l.run.Context, p)
	}
	l.answered(ctx, keys, began, now, all)
	return now.Sub(began)
}

// answered is called when the source has come back, under the context that it had.
func (l *load[A, K, V]) answered(ctx context.Context, keys int, began, now entry.Instant, err error) {
	took := now.Sub(began)
	l.run.Context.Events.Hold(true)
	l.e.counters.loadTimes.add(took)
	l.leave(now, took, l.verdict)
	if l.e.wants(observe.LoadEnded) {
		l.report(ctx, observe.LoadEnded, keys, took, err)
	}
}

// report tells of an event of the whole load.
func (l *load[A, K, V]) report(ctx context.Context, kind observe.Kind, keys int, took time.Duration, err error) {
	ev := l.event(kind, keys)
	ev.Duration, ev.Err = took, err
	l.e.tell(ctx, ev)
}

// event is one of the whole load. It names the key if there is one.
func (l *load[A, K, V]) event(kind observe.Kind, keys int) observe.Event {
	ev := observe.Event{Kind: kind, Cause: l.cause, Count: keys}
	if keys == 1 {
		ev.Key = l.e.show(l.jobs[0].key)
	}
	return ev
}

// Build and publish.

// keep stores what the source said, now, if it may be.
func (l *load[A, K, V]) keep(j *job[A, K, V], a *answer[V], took time.Duration, now entry.Instant) (store bool, err error) {
	if l.plan.settings.OnRelease != nil && a.err == nil && !a.unchanged { // else others tell of it
		defer func() { l.e.stores.neverStored(&l.run.Context, l.plan, j.key, a.value, &j.result) }() // also if user code panics
	}
	b := built[V]{stays: a.unchanged}
	if store, err = l.build(j, a, took, now, &b); store && err == nil {
		return l.publish(j, &b, now)
	}
	return store, err
}

// build gives what the source said a life, which counts from its return. store is false
// if nothing is to be stored.
func (l *load[A, K, V]) build(j *job[A, K, V], a *answer[V], took time.Duration, now entry.Instant, b *built[V]) (store bool, err error) {
	if a.err != nil {
		n := l.negative(a, now)
		if n == nil {
			return false, a.err
		}
		b.answers(n, now)
	}
	if !l.released.Load() { // a late result ends no problem: those who waited have their error
		l.e.sourceWorks(&l.run.Context, l.cause)
	}
	if a.err == nil {
		if err = l.plan.build(b, j.key, a.value, now); err != nil {
			return false, err
		}
	}
	if l.plan.coster != nil {
		b.took(took)
	}
	if l.tagged {
		if err = l.learnTags(j, b); err != nil {
			return false, err
		}
	}
	switch {
	case a.err == nil && !a.keep:
		l.delay(&l.run.Context, j, NoStore)
	case j.unclaimed: // which was reported
	default:
		return true, nil
	}
	j.result.entry = b.entry()
	return false, nil
}

// negative is the answer that an error is, nil for a failure. The error of a whole batch
// is none.
func (l *load[A, K, V]) negative(a *answer[V], now entry.Instant) *entry.Negative {
	switch {
	case a.shared:
		return nil
	case a.judged:
		return a.negative
	}
	return l.plan.negative(a.err, now)
}

// publish stores what is built, if it may be: store is false if it may not.
func (l *load[A, K, V]) publish(j *job[A, K, V], b *built[V], now entry.Instant) (store bool, err error) {
	if err := j.update.Publish(l.e.life); err != nil {
		l.drop(j, b, err)
		return false, nil
	}
	if j.outdated {
		return false, l.dropOutdated(j, b)
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
	if j.outdated {
		end.Outdated = statuses.Outdated(l.began + 1)
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
	if j.tags > 0 {
		l.e.tags.Settle(j.key)
	}
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
		e.counters.queueTimeouts.Add(1)
		reason = TimedOut
	}
	err := newLoadError(e.name, e.show(j.key), reason, cause)
	if !l.released.Load() { // in time
		e.counters.causes[l.cause].failed.Add(1)
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
	if j.tags > 0 {
		l.e.tidyBehind(j.tags)
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
	if l.tagged {
		e.tags.End(l.began)
	}
	l.releaseSlots()
	if l.pass.Holds() { // it has not come to ask, or was given up
		l.leave(e.time.Steady(), 0, admission.None)
		l.run.Slot.Return()
	}
	l.run.Context.End(context.Canceled)
	e.runs.End(&l.run) // which clears the load
	e.plans.unuse(p)
}

// releaseSlots gives the load's slots back, once.
func (l *load[A, K, V]) releaseSlots() {
	if l.released.Swap(true) {
		return
	}
	if l.plan.guard == nil { // which keeps the place of what is late
		l.run.Slot.Return()
	}
	if l.Refresh() {
		l.e.runs.Unreserve()
	}
}

// Clear lets go of what was loaded. What a load has started and left behind, as an
// operation of the storage that exceeds its budget, must not look at the load.
func (l *load[A, K, V]) Clear() {
	l.e, l.plan, l.jobs, l.one, l.asked = nil, nil, nil, [1]job[A, K, V]{}, nil
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
	l.leave(e.time.Steady(), l.plan.timeout, admission.TimedOut) // before its context has ended, which would say nothing of the source
	l.run.Context.End(context.DeadlineExceeded)
	ctx := l.run.Context.Context // what the load tells of may wait for its end
	for i := range l.jobs {
		if j := &l.jobs[i]; late[i] {
			e.counters.causes[l.cause].late.Add(1)
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
	l.releaseSlots()
	events.Tell()
}

// Refresh tells whether the load runs in the background.
func (l *load[A, K, V]) Refresh() bool { return l.cause == observe.Refresh }
