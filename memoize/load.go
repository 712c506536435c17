package memoize

import (
	"context"
	"errors"
	"runtime/debug"
	"sync"

	"github.com/benbjohnson/clock"

	"github.com/perennial-go/perennial/entry"
	"github.com/perennial-go/perennial/observe"
	"github.com/perennial-go/perennial/statuses"
)

// load is one run of the source, for one key or a batch of them.
type load[A any, K comparable, V any] struct {
	*engine[A, K, V]
	plan  *plan[A, K, V]
	cause observe.Cause
	seen  uint64 // updates that had ended when the storage was looked at
	ctx   loadContext
	jobs  []job[A, K, V]
	timer *clock.Timer
	done  bool // run came to its end

	mu   sync.Mutex
	over bool // late or cleaned up: its places have been given back
	slot bool // it holds one of MaxLoads
}

// job is what a load does for one key.
type job[A any, K comparable, V any] struct {
	key    K
	arg    A
	update statuses.Update[V]
	stale  *entry.Entry[V] // the entry that is refreshed, if any
	look   bool            // look at the store before loading
	ended  bool            // its update has ended
}

// launch starts a load on a goroutine and a context of its own.
func (e *engine[A, K, V]) launch(ctx context.Context, p *plan[A, K, V], cause observe.Cause, seen uint64, jobs ...job[A, K, V]) {
	if ctx == nil { // a stale hit needs none
		ctx = context.Background()
	}
	l := &load[A, K, V]{engine: e, cause: cause, seen: seen, jobs: jobs}
	l.ctx.Context = context.WithoutCancel(ctx)
	l.ctx.load = l
	l.ctx.apart = cause == observe.Refresh
	if l.plan = e.begin(p, l); l.plan == nil {
		for i := range jobs {
			l.end(&l.jobs[i], nil, newLoadError(e.name, e.show(jobs[i].key), Failed, ErrClosed))
		}
		if cause == observe.Refresh {
			e.loads.unreserve()
		}
		return
	}
	go l.run()
}

// run leads the load's updates from their start to their end. Whatever user
// code does in it, survive and cleanUp end them.
func (l *load[A, K, V]) run() {
	defer l.cleanUp()
	defer l.survive()
	l.startAll()
	if l.takeSlot() {
		l.loadAll()
	}
	l.done = true
}

// startAll waits until the loads may begin. The method timeout counts from
// then: what is waited for has one of its own.
func (l *load[A, K, V]) startAll() {
	for i := range l.jobs {
		j := &l.jobs[i]
		var err error
		if j.look, err = j.update.Start(&l.ctx, l.plan.limits.MaxRunaway); err != nil {
			l.fail(j, err)
		}
	}
	l.ctx.deadline = l.time.deadline(l.plan.timeout)
	l.timer = l.time.clock.AfterFunc(l.plan.timeout, l.timeout)
}

// takeSlot waits for one of MaxLoads. It is false where the method timeout came
// first. A load within another of the function takes none: the outer one would
// wait with its own for the inner ones'.
func (l *load[A, K, V]) takeSlot() bool {
	for outer := range chain(&l.ctx) {
		if o, ok := outer.(*load[A, K, V]); ok && o != l && o.engine == l.engine {
			return true
		}
	}
	if err := l.plan.slots.Acquire(&l.ctx, 1); err != nil {
		l.failAll(err)
		return false
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.over {
		l.plan.slots.Release(1)
		return false
	}
	l.slot = true
	return true
}

// loadAll asks the source for what is not stored meanwhile.
func (l *load[A, K, V]) loadAll() {
	var waiting []*job[A, K, V]
	var args []A
	for i := range l.jobs {
		if j := &l.jobs[i]; !j.ended && !l.lookAgain(j) {
			waiting, args = append(waiting, j), append(args, j.arg)
		}
	}
	if len(waiting) == 0 {
		return
	}
	answers := l.ask(args)
	if len(answers) == 1 {
		l.conclude(waiting[0], answers[0])
		return
	}
	for i, a := range answers { // user code that panics for one key spares the others
		err := safely(func() error {
			l.conclude(waiting[i], a)
			return nil
		})
		if err != nil {
			l.fail(waiting[i], l.panicked(&l.ctx, err))
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
	if !j.look || l.clearing.Load() > 0 || !l.plan.local && l.loads.ended.Load() == l.seen {
		return false
	}
	stored, err := l.look(&l.ctx, l.plan, j.key)
	if err != nil || stored == nil {
		return false
	}
	if _, state := l.time.decide(&stored.Meta); state != entry.Fresh {
		return false
	}
	l.end(j, stored, nil)
	return true
}

// ask runs the source.
func (l *load[A, K, V]) ask(args []A) []answer[V] {
	l.counters.loads.Add(1)
	if l.cause == observe.Refresh {
		l.counters.refreshes.Add(1)
	}
	key := l.jobs[0].key
	l.emitFor(len(args), observe.Event{Kind: observe.LoadStarted}, key)
	began := l.time.now()
	answers := l.source.ask(&l.ctx, args)
	var err error
	for i := range answers {
		err = errors.Join(err, answers[i].err)
	}
	if len(answers) == 1 {
		err = answers[0].err
	}
	if p, ok := answers[0].err.(*PanicError); ok {
		_ = l.panicked(&l.ctx, p)
	}
	l.emitFor(len(args), observe.Event{Kind: observe.LoadEnded, Duration: l.time.now().Sub(began), Err: err}, key)
	return answers
}

// emitFor tells of an event of the whole load. It names the key if there is one.
func (l *load[A, K, V]) emitFor(keys int, ev observe.Event, key K) {
	if ev.Cause, ev.Count = l.cause, keys; keys == 1 {
		l.emit(&l.ctx, ev, key)
	} else {
		l.tell(&l.ctx, ev)
	}
}

// conclude ends a key's update with what the source said.
func (l *load[A, K, V]) conclude(j *job[A, K, V], a answer[V]) {
	if a.err != nil {
		l.fail(j, a.err)
		return
	}
	l.recovered(&l.ctx, j.key)
	now := l.time.now() // a life counts from the source's return
	built := l.plan.settings.Builder.Build(j.key, a.value, now)
	if built == nil {
		l.fail(j, errNilEntry)
		return
	}
	if !a.keep {
		l.delay(j, NoStore)
		l.end(j, built, nil)
		return
	}
	if err := j.update.Publish(l.life); err != nil {
		l.dropped(j, err)
		l.end(j, built, nil)
		return
	}
	ctx := l.storing()
	victim, named, fault, err := l.store(ctx, l.plan, j.key, built)
	if err != nil {
		l.fail(j, err)
		return
	}
	l.backoff.clear(j.key)
	l.end(j, built, nil) // a fault was reported, and costs nobody the value
	if fault == nil {
		l.emit(ctx, observe.Event{Kind: observe.Stored}, j.key)
	}
	if named {
		l.evict(ctx, l.plan, victim)
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
	if j.ended {
		return
	}
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
	if errors.Is(cause, ErrRunaway) {
		l.runaway(&l.ctx, j.key, cause)
	}
	err := newLoadError(l.name, l.show(j.key), Failed, cause)
	if !l.isOver() {
		l.counters.loadsFailed.Add(1)
		if !errors.Is(cause, ErrNoValue) { // that is an answer: the source works
			l.failing(&l.ctx, j.key, l.cause, cause)
		}
		l.delay(j, cause)
	}
	l.end(j, nil, err)
}

func (l *load[A, K, V]) failAll(cause error) {
	for i := range l.jobs {
		l.fail(&l.jobs[i], cause)
	}
}

// delay puts off the next background refresh after one that brought nothing.
func (l *load[A, K, V]) delay(j *job[A, K, V], why error) {
	if l.cause != observe.Refresh || j.stale == nil {
		return
	}
	until, d := l.backoff.delay(j.key, &j.stale.Meta, l.time.now())
	j.stale.SetQuiet(until)
	l.counters.delayed.Add(1)
	l.emit(&l.ctx, observe.Event{Kind: observe.Delayed, Duration: d, Err: why}, j.key)
}

// dropped reports a result that may not be stored.
func (l *load[A, K, V]) dropped(j *job[A, K, V], why error) {
	switch {
	case errors.Is(why, statuses.ErrFenced):
		l.counters.fenced.Add(1)
		l.emit(&l.ctx, observe.Event{Kind: observe.Fenced}, j.key)
	case errors.Is(why, statuses.ErrSuperseded):
		l.counters.superseded.Add(1)
		l.emit(&l.ctx, observe.Event{Kind: observe.Superseded}, j.key)
	}
}

// timeout releases everybody who waits, at the method timeout. The source may
// go on; what it returns is looked at then. It runs on the timer's goroutine:
// what must be done comes before user code is told.
func (l *load[A, K, V]) timeout() {
	late := make([]bool, len(l.jobs))
	for i := range l.jobs {
		j := &l.jobs[i] // false where it is being stored, or over
		late[i] = j.update.Late(newLoadError(l.name, l.show(j.key), TimedOut, ErrLoadTimeout))
	}
	l.loads.giveUp(l)
	l.giveBack()
	l.ctx.end(context.DeadlineExceeded)
	for i := range l.jobs {
		if j := &l.jobs[i]; late[i] {
			l.counters.late.Add(1)
			l.delay(j, ErrLoadTimeout)
			l.failing(&l.ctx, j.key, l.cause, ErrLoadTimeout)
			l.emit(&l.ctx, observe.Event{Kind: observe.Late, Duration: l.plan.timeout, Err: ErrLoadTimeout}, j.key)
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
	l.failAll(l.panicked(&l.ctx, p))
}

// cleanUp ends the load. No user code runs in it.
func (l *load[A, K, V]) cleanUp() {
	if l.timer != nil {
		l.timer.Stop()
	}
	for i := range l.jobs {
		if j := &l.jobs[i]; !j.ended {
			l.end(j, nil, newLoadError(l.name, l.show(j.key), Failed, ErrGoexit))
		}
	}
	l.giveBack()
	l.ctx.end(context.Canceled)
	l.finished(l.plan, l)
}

// giveBack gives the load's places back, once.
func (l *load[A, K, V]) giveBack() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.over {
		return
	}
	l.over = true
	if l.slot {
		l.plan.slots.Release(1)
	}
	if l.cause == observe.Refresh {
		l.loads.unreserve()
	}
}

func (l *load[A, K, V]) isOver() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.over
}

func (l *load[A, K, V]) cancel()       { l.ctx.end(context.Canceled) }
func (l *load[A, K, V]) refresh() bool { return l.cause == observe.Refresh }
