package memoize

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"sync/atomic"
	"time"
)

// errStoreBusy is the fault of a storage that has not returned from too many
// operations.
var errStoreBusy = fmt.Errorf("memoize: %d operations of the storage have exceeded their budget and still run: make it obey its context", maxOverdue)

// errStoreSlow is the fault of an operation that exceeds its budget.
var errStoreSlow = errors.New("memoize: the storage exceeded its budget: make it faster, or raise config.StoreBudget")

// maxOverdue bounds the goroutines that a storage can keep by not returning.
const maxOverdue = 64

// keepsTime tells whether a plan's storage keeps to deadlines itself. It can't keep
// to those of a clock that was handed in.
func (e *engine[A, K, V]) keepsTime(p *plan[A, K, V]) bool { return p.prompt && !e.time.handed }

// within is budget for a storage that keeps to deadlines itself.
func (e *engine[A, K, V]) within(ctx context.Context, limit time.Duration, op func(ctx context.Context) error) error {
	opCtx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	err := safely(func() error { return op(opCtx) })
	if err == nil {
		return nil
	}
	if end, _ := opCtx.Deadline(); time.Until(end) <= 0 {
		<-opCtx.Done() // which may come a moment later
	}
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case opCtx.Err() != nil:
		return fmt.Errorf("%w: %w", errStoreSlow, err)
	}
	return err
}

// budget runs an operation of the storage, and leaves it when its budget is
// spent or the caller's context ends, whether it obeys its own context or not.
// done is told how it ended once it has, and whether it had been left.
func (e *engine[A, K, V]) budget(ctx context.Context, limit time.Duration, done func(err error, left bool), op func(ctx context.Context) error) error {
	if e.overdue.Load() >= maxOverdue {
		done(errStoreBusy, false)
		return errStoreBusy
	}
	opCtx := &loadContext{Context: valuesOf(ctx), deadline: e.time.monotonic(e.time.steady().Add(limit))}
	const (
		running = iota
		returned
		left
	)
	var state atomic.Int32
	result := make(chan error, 1)
	go func() {
		err := error(&PanicError{Value: ErrGoexit})
		defer func() {
			if r := recover(); r != nil {
				err = &PanicError{Value: r, Stack: debug.Stack()}
			}
			inTime := state.CompareAndSwap(running, returned)
			if !inTime {
				e.overdue.Add(-1)
			}
			done(err, !inTime)
			opCtx.end(context.Canceled)
			result <- err
		}()
		err = op(opCtx)
	}()
	leave := func(why, told error) error {
		e.overdue.Add(1)
		if state.CompareAndSwap(running, left) {
			opCtx.end(told)
			return why
		}
		e.overdue.Add(-1)
		return <-result
	}
	timer := e.time.clock.Timer(limit)
	defer timer.Stop()
	select {
	case err := <-result:
		return err
	case <-timer.C:
		return leave(errStoreSlow, context.DeadlineExceeded)
	case <-ctx.Done():
		return leave(ctx.Err(), ctx.Err())
	}
}
