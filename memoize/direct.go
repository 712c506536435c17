package memoize

import (
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"math"
	"runtime/debug"
	"slices"
	"sync"
	"time"

	"github.com/perennial-go/perennial/entry"
	"github.com/perennial-go/perennial/guard"
	"github.com/perennial-go/perennial/internal/admission"
	"github.com/perennial-go/perennial/internal/runs"
	"github.com/perennial-go/perennial/observe"
)

// direct asks the source past the cache: nothing is looked up, joined or stored. The
// method timeout and the limit of runaway loads hold, and a panic is an error, as in
// every run. Values are not postprocessed yet.
type direct[A any, K comparable, V any] struct {
	core        *core[A, K, V]
	source      source[A, V]
	plainErrors bool
}

// one asks for one argument.
func (d *direct[A, K, V]) one(ctx context.Context, p *plan[A, K, V], arg A) (r Result[V], err error) {
	results, errs := d.together(ctx, p, []A{arg})
	return results[0], errs[0]
}

// many asks no more often than through the cache: for equal keys once, for those that
// the source takes together at once, else side by side. An argument of which no key can
// be made is asked for as it is.
func (d *direct[A, K, V]) many(ctx context.Context, p *plan[A, K, V], wants []*want[A, K, V]) {
	batches := slices.Collect(slices.Chunk(wants, d.source.together(p.limits.MaxBatch)))
	for some := range slices.Chunk(batches, p.atOnce(1)) {
		var asking sync.WaitGroup
		for _, batch := range some {
			asking.Go(func() { d.batch(ctx, p, batch) })
		}
		asking.Wait()
	}
}

func (d *direct[A, K, V]) batch(ctx context.Context, p *plan[A, K, V], batch []*want[A, K, V]) {
	args := make([]A, len(batch))
	for i, w := range batch {
		args[i], w.err = w.arg, ErrGoexit // unless an observer lets it come back
	}
	results, errs := d.together(ctx, p, args)
	for i, w := range batch {
		w.result, w.err = results[i], errs[i]
	}
}

// together asks for arguments of one run.
func (d *direct[A, K, V]) together(ctx context.Context, p *plan[A, K, V], args []A) ([]Result[V], []error) {
	results, errs := make([]Result[V], len(args)), make([]error, len(args))
	answers, reason, err := d.ask(ctx, p, args)
	for i, arg := range args {
		switch {
		case err == nil && answers[i].err == nil:
			d.core.counters.end(loaded)
			results[i] = Result[V]{Value: answers[i].value, State: entry.Missing, Why: Direct}
		case err == nil && answers[i].none:
			d.core.counters.end(remembered)
			errs[i] = answers[i].err
		case err == nil:
			d.core.counters.causes[observe.Direct].failed.Add(1)
			errs[i] = d.core.refused(d.failure(arg, Failed, answers[i].err))
		case reason != 0:
			errs[i] = d.core.refused(d.failure(arg, reason, err))
		case err == ErrClosed:
			errs[i] = d.core.refused(err)
		default:
			errs[i] = d.core.leaves(err)
		}
	}
	return results, errs
}

// ask runs the source. An error is that of all arguments: for a reason, that of a load,
// else ErrClosed or that of the caller's context.
func (d *direct[A, K, V]) ask(ctx context.Context, p *plan[A, K, V], args []A) (answers []answer[V], reason Reason, err error) {
	if err := ctx.Err(); err != nil {
		return nil, 0, err
	}
	if d.core.runs.Late() >= p.limits.MaxRunaway {
		d.core.counters.runaways.Add(1)
		d.core.problem(ctx, observe.Event{Kind: observe.Runaway, Err: ErrRunaway})
		return nil, Failed, ErrRunaway
	}
	l := d.launch(ctx, p, args)
	if l == nil {
		return nil, 0, ErrClosed
	}
	slot := runs.SlotOf(ctx)
	slot.Park()
	defer slot.Resume(ctx)
	select {
	case answers = <-l.result:
		if l.refusal != nil {
			return nil, Refused, l.refusal
		}
	case <-l.late:
		reason, err = TimedOut, fmt.Errorf("%w (it is %v)", ErrLoadTimeout, l.plan.timeout)
		d.core.failing(ctx, observe.Direct, err, func() string { return d.showArg(args[0]) })
		return nil, reason, err
	case <-ctx.Done():
		l.run.Context.End(ctx.Err())
		return nil, 0, ctx.Err()
	}
	for i := range answers {
		a := &answers[i]
		a.none = a.err != nil && d.isAnswer(ctx, p, a)
	}
	if i := slices.IndexFunc(answers, func(a answer[V]) bool { return a.err != nil && !a.none }); i >= 0 {
		d.core.failing(ctx, observe.Direct, answers[i].err, func() string { return d.showArg(args[i]) })
	} else {
		d.core.sourceWorks(ctx, observe.Direct)
	}
	return answers, 0, nil
}

// isAnswer tells whether an error is an answer, which is not kept here.
func (d *direct[A, K, V]) isAnswer(ctx context.Context, p *plan[A, K, V], a *answer[V]) (yes bool) {
	if a.shared {
		return false
	}
	err := safely(func() error {
		yes = p.negative(a.err, d.core.time.Now()) != nil
		return nil
	})
	if err != nil {
		_ = d.core.panicked(ctx, err)
	}
	return yes
}

// failure is the error of a call that has asked the source for itself.
func (d *direct[A, K, V]) failure(arg A, reason Reason, err error) error {
	if d.plainErrors && reason == Failed && err != ErrRunaway {
		return err
	}
	return newLoadError(d.core.name, d.showArg(arg), reason, err)
}

// showArg is an argument as people see it, if no key was made of it.
func (d *direct[A, K, V]) showArg(arg A) string {
	if d.core.hide {
		return "(hidden)"
	}
	return quoted(arg)
}

// directLoad is a run of the source past the cache.
type directLoad[A any, K comparable, V any] struct {
	run     *runs.Run // apart, for its context may outlive the load
	pass    admission.Pass
	until   time.Time // that the caller waits; zero is for ever
	refusal error     // of the guard
	direct  *direct[A, K, V]
	plan    *plan[A, K, V]
	args    []A
	late    chan struct{} // closed at the method timeout
	result  chan []answer[V]
}

// launch runs the source. It is given up at the method timeout, whether its caller is
// still there or not. After Close it is nil.
func (d *direct[A, K, V]) launch(ctx context.Context, p *plan[A, K, V], args []A) *directLoad[A, K, V] {
	l := &directLoad[A, K, V]{run: new(runs.Run), direct: d, plan: d.core.plans.use(p), args: args, late: make(chan struct{}), result: make(chan []answer[V], 1)}
	l.run.Runner, l.run.Context.Context = l, runs.ValuesOf(ctx)
	if l.plan.guard != nil {
		l.run.Slot = d.core.place(l.plan)
		l.until, _ = ctx.Deadline()
	}
	work := d.core.runs.Begin(l.run, l.plan.timeout, true)
	if work == nil {
		d.core.plans.unuse(l.plan)
		return nil
	}
	go work()
	return l
}

func (l *directLoad[A, K, V]) Run() {
	d, run := l.direct, &l.run.Context
	var ctx context.Context = run // what the source gets
	began := d.core.time.Steady()
	answers := make([]answer[V], len(l.args))
	for i := range answers {
		answers[i].err = &PanicError{Value: ErrGoexit, Stack: debug.Stack()}
	}
	asked := false
	defer func() {
		if p, ok := answers[0].err.(*PanicError); ok && asked {
			_ = d.core.panicked(run, p)
		}
		if l.pass.Holds() { // it has not come to ask, or was given up
			l.leave(admission.None, 0)
			l.run.Slot.Return()
		}
		run.End(context.Canceled)
		d.core.runs.End(l.run)
		d.core.plans.unuse(l.plan)
		l.result <- answers
	}()
	if l.refusal = l.admit(); l.refusal != nil {
		return
	}
	asked = true
	d.core.counters.causes[observe.Direct].loads.Add(1)
	verdict := admission.Failure
	defer func() {
		took := d.core.time.Steady().Sub(began)
		l.leave(verdict, took)
		d.core.counters.loadTimes.add(took)
		if d.core.wants(observe.LoadEnded) {
			ev := l.event(observe.LoadEnded)
			ev.Duration, ev.Err = took, errorOf(answers)
			d.core.tell(ctx, ev)
		}
	}()
	if d.core.wants(observe.LoadStarted) { // an observer may end the goroutine
		d.core.tell(run, l.event(observe.LoadStarted))
	}
	if len(d.core.wrappers) > 0 {
		ctx = d.core.wrap(run, l.event(observe.LoadStarted))
	}
	began = d.core.time.Steady()
	got, unasked := d.source.ask(ctx, l.args)
	answers = got
	verdict = l.judge(answers)
	d.core.unasked(run, unasked)
}

// event is one of the load. It names the key if there is one.
func (l *directLoad[A, K, V]) event(kind observe.Kind) observe.Event {
	ev := observe.Event{Kind: kind, Cause: observe.Direct, Count: len(l.args)}
	if len(l.args) == 1 {
		ev.Key = l.direct.showArg(l.args[0])
	}
	return ev
}

func (l *directLoad[A, K, V]) Timeout() {
	l.leave(admission.TimedOut, l.plan.timeout)
	l.direct.core.counters.causes[observe.Direct].late.Add(uint64(len(l.args)))
	l.direct.core.runs.Abandon(l.run)
	close(l.late)
	l.run.Context.End(context.DeadlineExceeded)
}

// admit asks the guard, if there is one, and waits in its queue.
func (l *directLoad[A, K, V]) admit() error {
	if l.plan.guard == nil {
		return nil
	}
	err := enter(&l.direct.core.runs, l.run, l.plan.guard, &l.pass, guard.Miss, l.plan.timeout, l)
	if errors.Is(err, ErrOverloaded) {
		l.direct.core.overloaded(&l.run.Context, observe.Direct, err, func() string { return l.direct.showArg(l.args[0]) })
	}
	return err
}

// judge is what the answers say of the source.
func (l *directLoad[A, K, V]) judge(answers []answer[V]) admission.Outcome {
	verdict := admission.None
	for i := range answers {
		o, a := admission.Success, &answers[i]
		switch {
		case l.plan.guard == nil:
		case a.err == nil && l.direct.core.fails != nil && l.direct.core.fails(a.value):
			o = admission.Failure
		case a.err != nil && !l.direct.isAnswer(&l.run.Context, l.plan, a):
			o = outcomeOf(l.plan.guard, a.err)
		}
		if o == admission.Success {
			return o
		}
		verdict = max(verdict, o)
	}
	return verdict
}

func (l *directLoad[A, K, V]) leave(o admission.Outcome, took time.Duration) {
	if l.plan.guard != nil {
		leave(l.plan.guard, l.run, &l.pass, l.direct.core.time.Steady(), took, o, l)
	}
}

// Left implements admission.Caller.
func (l *directLoad[A, K, V]) Left() time.Duration {
	if l.until.IsZero() {
		return math.MaxInt64
	}
	return l.direct.core.time.Until(l.until)
}

// Hash implements admission.Caller. Of the argument there may be no key.
func (l *directLoad[A, K, V]) Hash() uint64 {
	return maphash.String(directKeys, l.direct.showArg(l.args[0]))
}

var directKeys = maphash.MakeSeed()

func (l *directLoad[A, K, V]) Refresh() bool { return false }

func (l *directLoad[A, K, V]) Clear() {} // its context shares the memory of its run alone
