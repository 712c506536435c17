package memoize

import (
	"context"
	"fmt"
	"runtime/debug"
	"slices"

	"github.com/perennial-go/perennial/entry"
	"github.com/perennial-go/perennial/observe"
)

// directLoad is a run of the source past the cache: nothing is looked up,
// joined or stored. It obeys the method timeout and the limit of runaway loads
// and turns a panic into an error, as every run does.
type directLoad[A any, K comparable, V any] struct {
	*flight
	engine *engine[A, K, V]
	plan   *plan[A, K, V]
	args   []A
	late   chan struct{} // closed at the method timeout
	result chan []answer[V]
}

// direct asks the source for the call alone. Its value is not postprocessed yet.
func (e *engine[A, K, V]) direct(ctx context.Context, p *plan[A, K, V], arg A) (r Result[V], err error) {
	results, errs := e.directMany(ctx, p, []A{arg})
	return results[0], errs[0]
}

// directMany is direct for many arguments, of which the source is asked at once.
func (e *engine[A, K, V]) directMany(ctx context.Context, p *plan[A, K, V], args []A) ([]Result[V], []error) {
	results, errs := make([]Result[V], len(args)), make([]error, len(args))
	answers, reason, err := e.answers(ctx, p, args)
	for i, arg := range args {
		switch {
		case err == nil && answers[i].err == nil:
			e.counters.end(loaded)
			results[i] = Result[V]{Value: answers[i].value, State: entry.Missing, Why: Direct}
		case err == nil:
			e.counters.loadsFailed.Add(1)
			errs[i] = e.refused(e.directError(arg, Failed, answers[i].err))
		case reason != 0:
			errs[i] = e.refused(e.directError(arg, reason, err))
		case err == ErrClosed:
			errs[i] = e.refused(err)
		default:
			errs[i] = e.leaves(err)
		}
	}
	return results, errs
}

// answers runs the source. An error is that of all arguments: for a reason, that of a
// load, else ErrClosed or that of the caller's context.
func (e *engine[A, K, V]) answers(ctx context.Context, p *plan[A, K, V], args []A) (answers []answer[V], reason Reason, err error) {
	if err := ctx.Err(); err != nil {
		return nil, 0, err
	}
	if e.loads.late.Load() >= int64(p.limits.MaxRunaway) {
		e.troubled(ctx, observe.Event{Kind: observe.Runaway, Err: ErrRunaway})
		return nil, Failed, ErrRunaway
	}
	d := e.launchDirect(ctx, p, args)
	if d == nil {
		return nil, 0, ErrClosed
	}
	slot := slotOf(ctx)
	slot.Park()
	defer slot.Resume(ctx)
	select {
	case answers = <-d.result:
	case <-d.late:
		reason, err = TimedOut, fmt.Errorf("%w (it is %v)", ErrLoadTimeout, d.plan.timeout)
		e.failing(ctx, observe.Direct, err, func() string { return e.showArg(args[0]) })
		return nil, reason, err
	case <-ctx.Done():
		d.ctx.end(ctx.Err())
		return nil, 0, ctx.Err()
	}
	if i := slices.IndexFunc(answers, func(a answer[V]) bool { return a.err != nil }); i >= 0 {
		e.failing(ctx, observe.Direct, answers[i].err, func() string { return e.showArg(args[i]) })
	} else {
		e.recovered(ctx, observe.Direct)
	}
	return answers, 0, nil
}

// directError is the error of a call that has asked the source for itself.
func (e *engine[A, K, V]) directError(arg A, reason Reason, err error) error {
	if e.plainErrors && reason == Failed && err != ErrRunaway {
		return err
	}
	return newLoadError(e.name, e.showArg(arg), reason, err)
}

// launchDirect runs the source. It is given up at the method timeout, whether
// its caller is still there or not. After Close there is none.
func (e *engine[A, K, V]) launchDirect(ctx context.Context, p *plan[A, K, V], args []A) *directLoad[A, K, V] {
	d := &directLoad[A, K, V]{flight: new(flight), engine: e, plan: p, args: args, late: make(chan struct{}), result: make(chan []answer[V], 1)}
	d.owner, d.ctx.Context = d, valuesOf(ctx)
	if !e.begin(&d.plan, d.flight, true) {
		return nil
	}
	e.counters.loads.Add(1)
	go e.loads.worker()
	return d
}

func (d *directLoad[A, K, V]) run() {
	e := d.engine
	began := e.time.steady()
	answers := make([]answer[V], len(d.args))
	for i := range answers {
		answers[i].err = &PanicError{Value: ErrGoexit, Stack: debug.Stack()}
	}
	defer func() {
		if p, ok := answers[0].err.(*PanicError); ok {
			_ = e.panicked(&d.ctx, p)
		}
		d.ctx.end(context.Canceled)
		e.finished(d.plan, d.flight)
		d.result <- answers
	}()
	defer func() {
		if e.wants(observe.LoadEnded) {
			d.report(observe.Event{Kind: observe.LoadEnded, Duration: e.time.steady().Sub(began), Err: errorOf(answers)})
		}
	}()
	if e.wants(observe.LoadStarted) { // an observer may end the goroutine
		d.report(observe.Event{Kind: observe.LoadStarted})
	}
	got, unasked := e.source.ask(&d.ctx, d.args)
	answers = got
	e.unasked(&d.ctx, unasked)
}

// report tells of an event of the load. It names the key if there is one.
func (d *directLoad[A, K, V]) report(ev observe.Event) {
	ev.Cause, ev.Count = observe.Direct, len(d.args)
	if len(d.args) == 1 {
		ev.Key = d.engine.showArg(d.args[0])
	}
	d.engine.tell(&d.ctx, ev)
}

func (d *directLoad[A, K, V]) timeout() {
	d.engine.counters.late.Add(uint64(len(d.args)))
	d.engine.loads.abandon(d.flight)
	close(d.late)
	d.ctx.end(context.DeadlineExceeded)
}

func (d *directLoad[A, K, V]) refresh() bool { return false }

func (d *directLoad[A, K, V]) clear() {} // its context shares the memory of its flight alone

// showArg is an argument as people see it, where no key was made of it.
func (e *engine[A, K, V]) showArg(arg A) string {
	if e.hide {
		return "(hidden)"
	}
	return quoted(arg)
}
