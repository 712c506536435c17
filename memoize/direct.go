package memoize

import (
	"context"
	"fmt"
	"runtime/debug"

	"github.com/perennial-go/perennial/entry"
	"github.com/perennial-go/perennial/observe"
)

// directLoad is a run of the source past the cache: nothing is looked up,
// joined or stored. It obeys the method timeout and the limit of runaway loads
// and turns a panic into an error, as every run does.
type directLoad[A any, K comparable, V any] struct {
	flight
	engine *engine[A, K, V]
	plan   *plan[A, K, V]
	arg    A
	late   chan struct{} // closed at the method timeout
	result chan answer[V]
}

// straight asks the source for the call alone. Its value is not postprocessed
// yet.
func (e *engine[A, K, V]) straight(ctx context.Context, p *plan[A, K, V], arg A) (r Result[V], err error) {
	if err := ctx.Err(); err != nil {
		return r, e.leaves(err)
	}
	if e.loads.late.Load() >= int64(p.limits.MaxRunaway) {
		e.troubled(ctx, observe.Event{Kind: observe.Runaway, Err: ErrRunaway})
		return r, e.refused(newLoadError(e.name, e.showArg(arg), Failed, ErrRunaway))
	}
	d := e.launchDirect(ctx, p, arg)
	if d == nil {
		return r, e.refused(ErrClosed)
	}
	stop := context.AfterFunc(ctx, func() { d.ctx.end(ctx.Err()) })
	defer stop()
	slot := slotOf(ctx)
	slot.Park()
	defer slot.Resume(ctx)
	var a answer[V]
	select {
	case a = <-d.result:
	case <-d.late:
		err := fmt.Errorf("%w (it is %v)", ErrLoadTimeout, d.plan.timeout)
		e.failing(ctx, observe.Direct, err, func() string { return e.showArg(arg) })
		return r, e.refused(newLoadError(e.name, e.showArg(arg), TimedOut, err))
	case <-ctx.Done():
		return r, e.leaves(ctx.Err())
	}
	if a.err != nil {
		e.counters.loadsFailed.Add(1)
		e.failing(ctx, observe.Direct, a.err, func() string { return e.showArg(arg) })
		if e.plainErrors {
			return r, e.refused(a.err)
		}
		return r, e.refused(newLoadError(e.name, e.showArg(arg), Failed, a.err))
	}
	e.recovered(ctx, observe.Direct)
	e.counters.end(loaded)
	return Result[V]{Value: a.value, State: entry.Missing, Why: Direct}, nil
}

// launchDirect runs the source. It is given up at the method timeout, whether
// its caller is still there or not. After Close there is none.
func (e *engine[A, K, V]) launchDirect(ctx context.Context, p *plan[A, K, V], arg A) *directLoad[A, K, V] {
	d := &directLoad[A, K, V]{engine: e, plan: p, arg: arg, late: make(chan struct{}), result: make(chan answer[V], 1)}
	d.owner, d.ctx.Context = d, valuesOf(ctx)
	if !e.begin(&d.plan, &d.flight, true) {
		return nil
	}
	e.counters.loads.Add(1)
	go e.loads.worker()
	return d
}

func (d *directLoad[A, K, V]) run() {
	e := d.engine
	began := e.time.now()
	a := answer[V]{err: &PanicError{Value: ErrGoexit, Stack: debug.Stack()}}
	defer func() {
		if p, ok := a.err.(*PanicError); ok {
			_ = e.panicked(&d.ctx, p)
		}
		d.ctx.end(context.Canceled)
		e.finished(d.plan, &d.flight)
		d.result <- a
	}()
	defer func() {
		if e.wants(observe.LoadEnded) {
			e.tell(&d.ctx, observe.Event{Kind: observe.LoadEnded, Cause: observe.Direct, Count: 1, Key: e.showArg(d.arg), Duration: e.time.now().Sub(began), Err: a.err})
		}
	}()
	if e.wants(observe.LoadStarted) { // an observer may end the goroutine
		e.tell(&d.ctx, observe.Event{Kind: observe.LoadStarted, Cause: observe.Direct, Count: 1, Key: e.showArg(d.arg)})
	}
	a = e.source.ask(&d.ctx, []A{d.arg})[0]
}

func (d *directLoad[A, K, V]) timeout() {
	d.engine.counters.late.Add(1)
	d.engine.loads.giveUp(&d.flight)
	close(d.late)
	d.ctx.end(context.DeadlineExceeded)
}

func (d *directLoad[A, K, V]) refresh() bool { return false }

// showArg is an argument as people see it, where no key was made of it.
func (e *engine[A, K, V]) showArg(arg A) string {
	if e.hide {
		return "(hidden)"
	}
	return quoted(arg)
}
