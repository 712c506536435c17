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
	late   chan struct{} // closed at the method timeout
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
	d := e.launchDirect(ctx, p, arg)
	stop := context.AfterFunc(ctx, func() { d.ctx.end(ctx.Err()) })
	defer stop()
	var a answer[V]
	select {
	case a = <-d.result:
	case <-d.late:
		return r, e.refused(newLoadError(e.name, e.showArg(arg), TimedOut, ErrLoadTimeout))
	case <-ctx.Done():
		return r, e.leaves(ctx.Err())
	}
	if a.err != nil {
		e.counters.loadsFailed.Add(1)
		if e.plainErrors {
			return r, e.refused(a.err)
		}
		return r, e.refused(newLoadError(e.name, e.showArg(arg), Failed, a.err))
	}
	e.counters.end(loaded)
	return e.finish(ctx, p, Result[V]{Value: a.value, State: entry.Missing, Why: Direct})
}

// launchDirect runs the source. It is given up at the method timeout, whether
// its caller is still there or not.
func (e *engine[A, K, V]) launchDirect(ctx context.Context, p *plan[A, K, V], arg A) *directLoad[A, V] {
	d := &directLoad[A, V]{late: make(chan struct{}), result: make(chan answer[V], 1)}
	d.ctx.Context = context.WithoutCancel(ctx)
	d.ctx.deadline = e.time.clock.Now().Add(p.timeout)
	e.counters.loads.Add(1)
	e.loads.add(d)
	timer := e.time.clock.AfterFunc(p.timeout, func() {
		e.counters.late.Add(1)
		e.loads.giveUp(d)
		close(d.late)
		d.ctx.end(context.DeadlineExceeded)
	})
	go func() {
		a := answer[V]{err: &PanicError{Value: ErrGoexit, Stack: debug.Stack()}}
		defer func() {
			timer.Stop()
			if p, ok := a.err.(*PanicError); ok {
				_ = e.panicked(&d.ctx, p)
			}
			d.ctx.end(context.Canceled)
			e.loads.remove(d)
			d.result <- a
		}()
		a = e.source.ask(&d.ctx, []A{arg})[0]
	}()
	return d
}

// showArg is an argument as people see it, where no key was made of it.
func (e *engine[A, K, V]) showArg(arg A) string {
	if e.hide {
		return "(hidden)"
	}
	return quoted(arg)
}
