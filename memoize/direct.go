package memoize

import (
	"context"
	"fmt"
	"runtime/debug"
	"slices"
	"sync"

	"github.com/perennial-go/perennial/entry"
	"github.com/perennial-go/perennial/internal/runs"
	"github.com/perennial-go/perennial/observe"
)

// direct asks the source past the cache: nothing is looked up, joined or stored. The
// method timeout and the limit of runaway loads hold, and a panic is an error, as in
// every run. Values are not postprocessed yet.
type direct[A any, K comparable, V any] struct {
	*core[A, K, V]
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
	together := 1
	if d.source.many != nil {
		together = p.limits.MaxBatch
	}
	batches := slices.Collect(slices.Chunk(wants, together))
	for some := range slices.Chunk(batches, p.limits.MaxLoads) {
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
			d.counters.end(loaded)
			results[i] = Result[V]{Value: answers[i].value, State: entry.Missing, Why: Direct}
		case err == nil:
			d.counters.loadsFailed.Add(1)
			errs[i] = d.refused(d.failure(arg, Failed, answers[i].err))
		case reason != 0:
			errs[i] = d.refused(d.failure(arg, reason, err))
		case err == ErrClosed:
			errs[i] = d.refused(err)
		default:
			errs[i] = d.leaves(err)
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
	if d.runs.Late() >= p.limits.MaxRunaway {
		d.problem(ctx, observe.Event{Kind: observe.Runaway, Err: ErrRunaway})
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
	case <-l.late:
		reason, err = TimedOut, fmt.Errorf("%w (it is %v)", ErrLoadTimeout, l.plan.timeout)
		d.failing(ctx, observe.Direct, err, func() string { return d.showArg(args[0]) })
		return nil, reason, err
	case <-ctx.Done():
		l.run.Context.End(ctx.Err())
		return nil, 0, ctx.Err()
	}
	if i := slices.IndexFunc(answers, func(a answer[V]) bool { return a.err != nil }); i >= 0 {
		d.failing(ctx, observe.Direct, answers[i].err, func() string { return d.showArg(args[i]) })
	} else {
		d.sourceWorks(ctx, observe.Direct)
	}
	return answers, 0, nil
}

// failure is the error of a call that has asked the source for itself.
func (d *direct[A, K, V]) failure(arg A, reason Reason, err error) error {
	if d.plainErrors && reason == Failed && err != ErrRunaway {
		return err
	}
	return newLoadError(d.name, d.showArg(arg), reason, err)
}

// showArg is an argument as people see it, if no key was made of it.
func (d *direct[A, K, V]) showArg(arg A) string {
	if d.hide {
		return "(hidden)"
	}
	return quoted(arg)
}

// directLoad is a run of the source past the cache.
type directLoad[A any, K comparable, V any] struct {
	run    *runs.Run // apart, for its context may outlive the load
	direct *direct[A, K, V]
	plan   *plan[A, K, V]
	args   []A
	late   chan struct{} // closed at the method timeout
	result chan []answer[V]
}

// launch runs the source. It is given up at the method timeout, whether its caller is
// still there or not. After Close it is nil.
func (d *direct[A, K, V]) launch(ctx context.Context, p *plan[A, K, V], args []A) *directLoad[A, K, V] {
	l := &directLoad[A, K, V]{run: new(runs.Run), direct: d, plan: d.plans.use(p), args: args, late: make(chan struct{}), result: make(chan []answer[V], 1)}
	l.run.Runner, l.run.Context.Context = l, runs.ValuesOf(ctx)
	work := d.runs.Begin(l.run, l.plan.timeout, true)
	if work == nil {
		d.plans.unuse(l.plan)
		return nil
	}
	d.counters.loads.Add(1)
	go work()
	return l
}

func (l *directLoad[A, K, V]) Run() {
	d, ctx := l.direct, &l.run.Context
	began := d.time.Steady()
	answers := make([]answer[V], len(l.args))
	for i := range answers {
		answers[i].err = &PanicError{Value: ErrGoexit, Stack: debug.Stack()}
	}
	defer func() {
		if p, ok := answers[0].err.(*PanicError); ok {
			_ = d.panicked(ctx, p)
		}
		ctx.End(context.Canceled)
		d.runs.End(l.run)
		d.plans.unuse(l.plan)
		l.result <- answers
	}()
	defer func() {
		if d.wants(observe.LoadEnded) {
			l.report(observe.Event{Kind: observe.LoadEnded, Duration: d.time.Steady().Sub(began), Err: errorOf(answers)})
		}
	}()
	if d.wants(observe.LoadStarted) { // an observer may end the goroutine
		l.report(observe.Event{Kind: observe.LoadStarted})
	}
	got, unasked := d.source.ask(ctx, l.args)
	answers = got
	d.unasked(ctx, unasked)
}

// report tells of an event of the load. It names the key if there is one.
func (l *directLoad[A, K, V]) report(ev observe.Event) {
	ev.Cause, ev.Count = observe.Direct, len(l.args)
	if len(l.args) == 1 {
		ev.Key = l.direct.showArg(l.args[0])
	}
	l.direct.tell(&l.run.Context, ev)
}

func (l *directLoad[A, K, V]) Timeout() {
	l.direct.counters.late.Add(uint64(len(l.args)))
	l.direct.runs.Abandon(l.run)
	close(l.late)
	l.run.Context.End(context.DeadlineExceeded)
}

func (l *directLoad[A, K, V]) Refresh() bool { return false }

func (l *directLoad[A, K, V]) Clear() {} // its context shares the memory of its run alone
