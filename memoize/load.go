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
	"github.com/perennial-go/perennial/observe"
	"github.com/perennial-go/perennial/statuses"
)

// load is one run of the source, for one key or a batch of them.
type load[A any, K comparable, V any] struct {
	flight
	*engine[A, K, V]
	plan  *plan[A, K, V]
	seen  uint64 // updates that had ended when the storage was looked at
	jobs  []job[A, K, V]
	one   [1]job[A, K, V] // the jobs of a load for one key
	cause observe.Cause
	done  bool // run came to its end

	given atomic.Bool // its places have been given back: it is late or cleaned up
}

// job is what a load does for one key.
type job[A any, K comparable, V any] struct {
	key    K
	arg    A
	update statuses.Update[V]
	stale  *entry.Entry[V] // the entry that is refreshed, if any
	queued bool            // it waits for another load first
	look   bool            // look at the store before loading
	ended  bool            // its update has ended

	unclaimed bool         // the storage could not be asked for a claim: the value is not stored
	stored    stored[K, V] // what became of the value
}

// launch starts a load for one key.
func (e *engine[A, K, V]) launch(ctx context.Context, p *plan[A, K, V], cause observe.Cause, seen uint64, j job[A, K, V]) {
	l := &load[A, K, V]{engine: e, cause: cause, seen: seen, one: [1]job[A, K, V]{j}}
	l.jobs = l.one[:]
	l.start(ctx, p)
}

// launchMany starts a load for a batch of keys.
func (e *engine[A, K, V]) launchMany(ctx context.Context, p *plan[A, K, V], cause observe.Cause, seen uint64, jobs []job[A, K, V]) {
	l := &load[A, K, V]{engine: e, cause: cause, seen: seen, jobs: jobs}
	l.start(ctx, p)
}

// start lets the load run on a goroutine and a context of its own.
func (l *load[A, K, V]) start(ctx context.Context, p *plan[A, K, V]) {
	if ctx == nil { // a stale hit needs none
		ctx = context.Background()
	}
	l.plan, l.owner, l.slot, l.ctx.Context, l.ctx.apart = p, l, l.slots.Slot(), l.values(ctx, p), l.refresh()
	l.ctx.postponed.holds.Store(true)
	work := l.loads.worker // another goroutine may run the load to its end before this one goes on
	if !l.begin(&l.plan, &l.flight, !l.jobs[0].queued) {
		for i := range l.jobs {
			l.end(&l.jobs[i], nil, newLoadError(l.name, l.show(l.jobs[i].key), Failed, ErrClosed))
		}
		l.releaseSlots()
		return
	}
	go work()
}

// run leads the load's updates from their start to their end. Whatever user
// code does in it, survive and cleanUp end them.
func (l *load[A, K, V]) run() {
	defer l.cleanUp()
	defer l.survive()
	if l.startAll() && l.takeSlot() {
		l.loadAll()
		l.makeRoom()
	}
	l.done = true
	l.ctx.postponed.tell()
}

// startAll waits until the loads may begin. The method timeout of one that was
// queued counts from then: what it waits for has one of its own. It is false where
// nothing is to be loaded.
func (l *load[A, K, V]) startAll() (any bool) {
	for i := range l.jobs {
		j := &l.jobs[i]
		var err error
		switch j.look, err = j.update.Start(&l.ctx, l.plan.limits.MaxRunaway); err {
		case nil:
		case statuses.ErrEnded: // a Set has answered who waited
			l.end(j, nil, err)
		default:
			l.fail(j, err)
		}
		if j.queued {
			l.limit(l.plan, &l.flight)
		}
		any = any || !j.ended
	}
	return any
}

// takeSlot waits for one of MaxLoads. It is false where that took too long. The method
// timeout counts from then on.
func (l *load[A, K, V]) takeSlot() bool {
	if l.slot.TryTake() {
		return true
	}
	most := cmp.Or(l.plan.limits.QueueTimeout, l.plan.timeout)
	l.queue(&l.flight, most)
	if l.slot.Take(&l.ctx) == nil && l.limit(l.plan, &l.flight) {
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
	if l.source.one == nil {
		l.loadBatch()
		return
	}
	j := &l.jobs[0]
	if j.ended || l.lookAgain(j) {
		return
	}
	began := l.asks(1)
	a := askOne(&l.ctx, l.source.one, j.arg)
	took := l.answered(1, began, a.err, a.err)
	now := l.time.now()
	stored, err := l.keep(j, &a, took, now)
	l.settle(j, stored, err)
}

// lookAgain looks at the store once more before loading: an update may have
// ended after the call had found nothing and before it claimed the key. Its
// value is as good as one that would be loaded now.
//
//	caller A: miss ........................ Begin, leads: loads a second time
//	caller B: miss  Begin, leads  stores  End
func (l *load[A, K, V]) lookAgain(j *job[A, K, V]) (found bool) {
	if l.plan.fenced != nil || !l.mayUse(j) || !l.plan.local && l.loads.ended.Load() == l.seen {
		return false // a claim has looked already
	}
	stored, err := l.look(&l.ctx, l.plan, j.key)
	if err != nil || stored == nil {
		return false
	}
	if _, _, state := l.time.decide(&stored.Meta); state != entry.Fresh {
		return false
	}
	l.end(j, stored, nil)
	return true
}

// mayUse tells whether what is stored is as good as what would be loaded.
func (l *load[A, K, V]) mayUse(j *job[A, K, V]) bool { return j.look && l.clearing.Load() == 0 }

// asks is called before the source runs. What that does under its context is told as
// it comes. When it began is known, in steady time, where somebody wants to know what
// it took.
func (l *load[A, K, V]) asks(keys int) (began entry.Instant) {
	l.counters.loads.Add(1)
	if l.refresh() {
		l.counters.refreshes.Add(1)
	}
	l.ctx.postponed.holds.Store(false)
	if l.wants(observe.LoadStarted) {
		l.report(observe.LoadStarted, keys, 0, nil)
	}
	if l.wants(observe.LoadEnded) || l.plan.coster != nil {
		began = l.time.steady()
	}
	return began
}

// answered is called when the source has returned: first is the error of the
// first key, err that of all. What it took is known where somebody wants to know.
func (l *load[A, K, V]) answered(keys int, began entry.Instant, first, err error) (took time.Duration) {
	l.ctx.postponed.holds.Store(true)
	if l.wants(observe.LoadEnded) || l.plan.coster != nil {
		took = l.time.steady().Sub(began)
	}
	if p, ok := first.(*PanicError); ok {
		_ = l.panicked(&l.ctx, p)
	}
	if l.wants(observe.LoadEnded) {
		l.report(observe.LoadEnded, keys, took, err)
	}
	return took
}

// report tells of an event of the whole load. It names the key if there is one.
func (l *load[A, K, V]) report(kind observe.Kind, keys int, took time.Duration, err error) {
	ev := observe.Event{Kind: kind, Cause: l.cause, Count: keys, Duration: took, Err: err}
	if keys == 1 {
		l.emit(&l.ctx, ev, l.jobs[0].key)
	} else {
		l.tell(&l.ctx, ev)
	}
}

// keep stores what the source said, now, if it may be.
func (l *load[A, K, V]) keep(j *job[A, K, V], a *answer[V], took time.Duration, now entry.Instant) (store bool, err error) {
	var b built[V]
	if store, err = l.ready(j, a, took, now, &b); store && err == nil {
		return l.publish(j, &b, now)
	}
	return store, err
}

// publish stores what is ready, if it may be: store is false where it may not.
func (l *load[A, K, V]) publish(j *job[A, K, V], b *built[V], now entry.Instant) (store bool, err error) {
	if err := j.update.Publish(l.life); err != nil {
		l.dropped(j, b, err)
		return false, nil
	}
	return true, l.store(l.storing(), l.plan, j.key, b, now, &j.stored)
}

// ready gives what the source said a life, which counts from its return. store is
// false where nothing is to be stored.
func (l *load[A, K, V]) ready(j *job[A, K, V], a *answer[V], took time.Duration, now entry.Instant, b *built[V]) (store bool, err error) {
	if a.err != nil {
		return false, a.err
	}
	if !l.given.Load() { // a late result heals nothing: those who waited have their error
		l.recovered(&l.ctx, l.cause)
	}
	if err = l.plan.build(b, j.key, a.value, now); err != nil {
		return false, err
	}
	if l.plan.coster != nil {
		b.took(took)
	}
	switch {
	case !a.keep:
		l.delay(&l.ctx, j, NoStore)
	case j.unclaimed: // which was reported
	default:
		return true, nil
	}
	j.stored.entry = b.entry()
	return false, nil
}

// settle ends a key's update once it is known what became of the value.
func (l *load[A, K, V]) settle(j *job[A, K, V], store bool, err error) {
	if err != nil {
		l.fail(j, err)
		return
	}
	if store {
		l.backoff.clear(j.key)
	}
	if l.plan.fenced != nil {
		l.confirm(j, store)
	} else {
		l.end(j, j.stored.entry, nil) // a fault was reported, and costs nobody the value
	}
}

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
	if j.stored.kept && !j.stored.gone {
		l.note(l.storing(), observe.Stored, j.key)
	}
	if j.stored.named {
		l.evict(l.storing(), l.plan, j.stored.victim)
	}
}

// storing is the context that results are stored under: a late one is stored
// too, and the storage has a budget of its own.
func (l *load[A, K, V]) storing() context.Context {
	if l.plan.local {
		return &l.ctx
	}
	return context.WithoutCancel(&l.ctx)
}

// end ends a key's update and wakes everybody.
func (l *load[A, K, V]) end(j *job[A, K, V], built *entry.Entry[V], err error) {
	j.ended = true
	if j.stale != nil && j.stale.Quiet() == entry.Never {
		j.stale.SetQuiet(j.stale.UpdateAfter()) // whoever still finds it may try again
	}
	l.loads.ended.Add(1)
	j.update.End(built, err)
}

// fail ends a key's update with an error.
func (l *load[A, K, V]) fail(j *job[A, K, V], cause error) {
	if j.ended {
		return
	}
	if cause == ErrRunaway { // ours, and not that of a function within the source
		l.runaway(&l.ctx, j.key, cause)
	}
	reason := Failed
	if errors.Is(cause, errQueueTimeout) {
		reason = TimedOut
	}
	err := newLoadError(l.name, l.show(j.key), reason, cause)
	if !l.given.Load() { // in time
		l.counters.loadsFailed.Add(1)
		if cause != ErrNoValue { // that is an answer: the source works
			l.failing(&l.ctx, l.cause, cause, func() string { return l.show(j.key) })
		}
		l.delay(&l.ctx, j, cause)
	}
	l.end(j, nil, err)
}

func (l *load[A, K, V]) failAll(cause error) {
	for i := range l.jobs {
		l.fail(&l.jobs[i], cause)
	}
}

// delay puts off the next background refresh after one that brought nothing.
func (l *load[A, K, V]) delay(ctx context.Context, j *job[A, K, V], why error) {
	if !l.refresh() || j.stale == nil {
		return
	}
	until, d := l.backoff.delay(j.key, &j.stale.Meta, l.time.now())
	j.stale.SetQuiet(until)
	l.counters.delayed.Add(1)
	l.emit(ctx, observe.Event{Kind: observe.Delayed, Duration: d, Err: why}, j.key)
}

// dropped reports a result that may not be stored.
func (l *load[A, K, V]) dropped(j *job[A, K, V], b *built[V], why error) {
	j.stored.entry = b.entry()
	switch {
	case errors.Is(why, statuses.ErrFenced):
		l.counters.fenced.Add(1)
		l.note(&l.ctx, observe.Fenced, j.key)
	case errors.Is(why, statuses.ErrSuperseded):
		l.counters.superseded.Add(1)
		l.note(&l.ctx, observe.Superseded, j.key)
	}
}

// timeout releases everybody who waits, at the method timeout. The source may
// go on; what it returns is looked at then. It runs on the timer's goroutine:
// what must be done comes before user code is told.
func (l *load[A, K, V]) timeout() {
	if l.loads.isQueued(&l.flight) { // run waits for its slot, and fails
		l.ctx.end(context.DeadlineExceeded)
		return
	}
	late := make([]bool, len(l.jobs))
	why := fmt.Errorf("%w (it is %v)", ErrLoadTimeout, l.plan.timeout)
	for i := range l.jobs {
		j := &l.jobs[i] // false where it is being stored, or over
		late[i] = j.update.Late(newLoadError(l.name, l.show(j.key), TimedOut, why))
	}
	l.loads.abandon(&l.flight)
	l.releaseSlots()
	l.ctx.end(context.DeadlineExceeded)
	ctx := l.ctx.Context // what the load tells of may wait for its end
	for i := range l.jobs {
		if j := &l.jobs[i]; late[i] {
			l.counters.late.Add(1)
			l.delay(ctx, j, why)
			l.failing(ctx, l.cause, why, func() string { return l.show(j.key) })
			l.emit(ctx, observe.Event{Kind: observe.Late, Duration: l.plan.timeout, Err: why}, j.key)
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
	l.ctx.postponed.holds.Store(true)
	l.failAll(l.panicked(&l.ctx, p))
	l.ctx.postponed.tell()
}

// cleanUp ends the load. No user code runs in it.
func (l *load[A, K, V]) cleanUp() {
	for i := range l.jobs {
		if j := &l.jobs[i]; !j.ended {
			l.end(j, nil, newLoadError(l.name, l.show(j.key), Failed, ErrGoexit))
		}
	}
	l.releaseSlots()
	l.ctx.end(context.Canceled)
	l.finished(l.plan, &l.flight)
}

// releaseSlots gives the load's places back, once.
func (l *load[A, K, V]) releaseSlots() {
	if l.given.Swap(true) {
		return
	}
	l.slot.Return()
	if l.refresh() {
		l.loads.unreserve()
	}
}

func (l *load[A, K, V]) refresh() bool { return l.cause == observe.Refresh }

// clear lets go of what was loaded. What a load has started and left behind, as an
// operation of the storage that exceeds its budget, must not look at the load.
func (l *load[A, K, V]) clear() {
	l.engine, l.plan, l.jobs, l.one = nil, nil, nil, [1]job[A, K, V]{}
}
