package memoize

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"time"

	"github.com/perennial-go/perennial/guard"
	"github.com/perennial-go/perennial/internal/module"
	"github.com/perennial-go/perennial/internal/runs"
	"github.com/perennial-go/perennial/observe"
	"github.com/perennial-go/perennial/statuses"
)

// Warm loads what is not stored of the arguments, before anybody asks for it, and returns
// once that is done: slices.Values of a list is what it takes. It is work that nobody waits
// for: before a guard it is the first that has to wait (guard.Warm), and it goes on when there
// is room, until ctx ends; without a guard config.MaxBackground bounds it. What somebody else
// loads is left to them, and what is stored is left as it is, stale or fresh. A function that
// is bypassed is not warmed.
//
// Run it on a goroutine of its own when a service begins, or after InvalidateAll. The error
// counts the arguments that could not be loaded and wraps that of the first; the others
// are loaded all the same. A context that has ended, and ErrClosed, end it.
func (f *Func[A, V]) Warm(ctx context.Context, args iter.Seq[A]) error {
	return f.verbs.warm(ctx, args)
}

// Warm is Func.Warm.
func (f *Func2[A, B, V]) Warm(ctx context.Context, args iter.Seq[Args2[A, B]]) error {
	return f.Args.Warm(ctx, args)
}

// Warm is Func.Warm.
func (f *Func3[A, B, C, V]) Warm(ctx context.Context, args iter.Seq[Args3[A, B, C]]) error {
	return f.Args.Warm(ctx, args)
}

// warming is what a Warm has come to.
type warming struct {
	all, failed int
	first       error
}

func (w *warming) fail(err error) {
	if w.failed++; w.first == nil {
		w.first = err
	}
}

func (e *engine[A, K, V]) warm(ctx context.Context, args iter.Seq[A]) error {
	var w warming
	next, stop := iter.Pull(args)
	defer stop()
	for more := true; more; {
		p, err := e.changes.snapshot()
		if err != nil || p.bypass {
			return err
		}
		var wants []*want[A, K, V]
		for n := p.atOnceWarm(e.source.together(p.limits.MaxBatch)); len(wants) < n; {
			var arg A
			if arg, more = next(); !more {
				break
			}
			w.all++
			one := &want[A, K, V]{arg: arg}
			if one.key, err = e.key(ctx, p, arg); err != nil {
				w.fail(err)
				continue
			}
			wants = append(wants, one)
		}
		for len(wants) > 0 {
			var pause time.Duration
			if wants, pause, err = e.warmSome(ctx, p, wants, &w); err == nil && len(wants) > 0 {
				err = e.pause(ctx, pause)
			}
			if err != nil {
				return fmt.Errorf("memoize: Warm of %s ends after %d arguments: %w", e.name, w.all, err)
			}
		}
	}
	if w.failed > 0 {
		return fmt.Errorf("memoize: Warm of %s: %d of %d arguments could not be loaded, the first because: %w", e.name, w.failed, w.all, w.first)
	}
	return nil
}

// warmSome loads what is missing, and returns what the guard has refused, which is to be
// tried again after a pause.
func (e *engine[A, K, V]) warmSome(ctx context.Context, p *plan[A, K, V], wants []*want[A, K, V], w *warming) (again []*want[A, K, V], pause time.Duration, err error) {
	seen := e.ended.Load()
	e.lookAll(ctx, p, wants)
	var led []*want[A, K, V]
	var together []job[A, K, V]
	for _, one := range wants {
		if err := ctx.Err(); err != nil {
			return nil, 0, err
		}
		if one.err != nil { // a storage that fails is no place to load it for
			w.fail(one.err)
			continue
		}
		if one.key != one.key || one.current != nil && one.current.AnswerAt(e.time.Now()).Servable() {
			continue
		}
		update, role := e.statuses.Begin(one.key, statuses.Idle)
		if role == statuses.Join {
			continue
		}
		one.update = update
		led = append(led, one)
		j := job[A, K, V]{key: one.key, arg: one.arg, update: update, queued: role == statuses.Queued}
		if e.source.many != nil && !j.queued {
			together = append(together, j)
		} else {
			e.launch(ctx, p, observe.Warm, seen, j)
		}
	}
	if len(together) > 0 {
		e.launchMany(ctx, p, observe.Warm, seen, together)
	}
	slot := runs.SlotOf(ctx)
	slot.Park()
	defer slot.Resume(ctx)
	for _, one := range led {
		end, err := one.update.Wait(ctx)
		var refused *guard.OverloadedError
		var load *LoadError
		switch {
		case err != nil:
			return nil, 0, err
		case errors.Is(end.Err, ErrClosed):
			return nil, 0, ErrClosed
		case errors.As(end.Err, &load) && load.Reason == Refused && errors.As(end.Err, &refused):
			again, pause = append(again, one), max(pause, refused.RetryAfter)
		case end.Err != nil:
			w.fail(end.Err)
		}
	}
	return again, pause, nil
}

// atOnceWarm is how many keys are warmed at once.
func (p *plan[A, K, V]) atOnceWarm(together int) int {
	if p.guard != nil {
		return max(1, int(float64(p.atOnce(together))*p.guard.Gate(module.Only{}).Share(guard.Warm)))
	}
	if together > 1 {
		return together
	}
	return p.limits.MaxBackground
}

// pause waits on the function's clock.
func (e *engine[A, K, V]) pause(ctx context.Context, d time.Duration) error {
	timer := e.time.Clock.Timer(max(d, time.Millisecond))
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
