package memoize

import (
	"context"
	"runtime/debug"

	"github.com/perennial-go/perennial/entry"
	"github.com/perennial-go/perennial/observe"
)

// directLoad is a run of the source past the cache: nothing is looked up,
// joined or stored. It obeys the method timeout and the limit of runaway loads
// and turns a panic into an error, as every run does.
type directLoad[A, V any] struct {
	ctx    loadContext
	result chan answer[V]
}

func (d *directLoad[A, V]) cancel()       { d.ctx.end(context.Canceled) }
func (d *directLoad[A, V]) refresh() bool { return false }

// straight asks the source for the call alone.
func (e *engine[A, K, V]) straight(ctx context.Context, p *plan[A, K, V], arg A) (r Result[V], err error) {
	if err := ctx.Err(); err != nil {
		return r, e.leaves(err)
	}
	if _, _, late := e.loads.counts(); late >= p.limits.MaxRunaway {
		e.troubled(ctx, observe.Event{Kind: observe.Runaway, Err: ErrRunaway})
		return r, e.refused(newLoadError(e.name, e.showArg(arg), Failed, ErrRunaway))
	}
	d := &directLoad[A, V]{result: make(chan answer[V], 1)}
	d.ctx.Context = context.WithoutCancel(ctx)
	d.ctx.deadline = e.time.clock.Now().Add(p.timeout)
	stop := context.AfterFunc(ctx, func() { d.ctx.end(ctx.Err()) })
	defer stop()
	e.counters.loads.Add(1)
	e.loads.add(d)
	go d.run(e.source, arg, &e.loads)
	timer := e.time.clock.Timer(p.timeout)
	defer timer.Stop()
	var a answer[V]
	select {
	case a = <-d.result:
	case <-timer.C:
		e.counters.late.Add(1)
		e.loads.giveUp(d)
		d.ctx.end(context.DeadlineExceeded)
		return r, e.refused(newLoadError(e.name, e.showArg(arg), TimedOut, ErrLoadTimeout))
	case <-ctx.Done():
		return r, e.leaves(ctx.Err())
	}
	if a.err != nil {
		e.counters.loadsFailed.Add(1)
		if p, ok := a.err.(*PanicError); ok {
			_ = e.panicked(ctx, p)
		}
		if e.plainErrors {
			return r, e.refused(a.err)
		}
		return r, e.refused(newLoadError(e.name, e.showArg(arg), Failed, a.err))
	}
	e.counters.end(loaded)
	return e.finish(ctx, p, Result[V]{Value: a.value, State: entry.Missing, Why: Direct})
}

func (d *directLoad[A, V]) run(src source[A, V], arg A, running *loads) {
	a := answer[V]{err: &PanicError{Value: ErrGoexit, Stack: debug.Stack()}}
	defer func() {
		running.remove(d)
		d.ctx.end(context.Canceled)
		d.result <- a
	}()
	a = src.ask(&d.ctx, []A{arg})[0]
}

// showArg is an argument as people see it, where no key was made of it.
func (e *engine[A, K, V]) showArg(arg A) string {
	if e.hide {
		return "(hidden)"
	}
	return quoted(arg)
}
