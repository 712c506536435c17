// Package storebudget keeps a storage that is slow, or never returns, from holding up
// its callers.
package storebudget

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/perennial-go/perennial/internal/runs"
	"github.com/perennial-go/perennial/internal/timeline"
)

// MaxOverdue is how many operations may have exceeded their budget and still run: then
// no other one begins. So goroutines do not pile up behind a storage that never returns.
// Operations that are within their budget are not counted, however many they are.
const MaxOverdue = 64

var (
	// ErrBusy is the error of an operation that was not begun, for too many have
	// not returned.
	ErrBusy = fmt.Errorf("memoize: %d operations of the storage have exceeded their budget and still run: make it obey its context", MaxOverdue)
	// ErrSlow is the error of an operation that exceeds its budget.
	ErrSlow = errors.New("memoize: the storage exceeded its budget: make it faster, or raise config.StoreBudget")
)

// Budget runs operations of a function's storages. Its methods may be called
// concurrently.
type Budget struct {
	time    *timeline.Timeline
	safely  func(op func() error) error
	goexit  error
	overdue atomic.Int64 // operations that were left and still run
}

// Init is called before any other method. safely runs an operation and makes a panic
// an error; goexit is the error of one that ends its goroutine.
func (b *Budget) Init(t *timeline.Timeline, safely func(op func() error) error, goexit error) {
	b.time, b.safely, b.goexit = t, safely, goexit
}

// Within runs an operation of a storage that keeps to the deadline of its context.
func (b *Budget) Within(ctx context.Context, limit time.Duration, op func(ctx context.Context) error) error {
	opCtx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	err := b.safely(func() error { return op(opCtx) })
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
		return fmt.Errorf("%w: %w", ErrSlow, err)
	}
	return err
}

// Run runs an operation on a goroutine of its own, and leaves it when its budget is
// spent or the caller's context ends, whether it obeys its own context or not. done is
// called once the operation has ended, with its error and whether it had been left.
func (b *Budget) Run(ctx context.Context, limit time.Duration, done func(err error, left bool), op func(ctx context.Context) error) error {
	if b.overdue.Load() >= MaxOverdue {
		done(ErrBusy, false)
		return ErrBusy
	}
	opCtx := runs.NewContext(ctx, b.time.Monotonic(b.time.Steady().Add(limit)))
	const (
		running = iota
		returned
		left
	)
	var state atomic.Int32
	result := make(chan error, 1)
	go func() {
		err := b.goexit
		defer func() {
			inTime := state.CompareAndSwap(running, returned)
			if !inTime {
				b.overdue.Add(-1)
			}
			done(err, !inTime)
			opCtx.End(context.Canceled)
			result <- err
		}()
		err = b.safely(func() error { return op(opCtx) })
	}()
	leave := func(why, told error) error {
		b.overdue.Add(1)
		if state.CompareAndSwap(running, left) {
			opCtx.End(told)
			return why
		}
		b.overdue.Add(-1)
		return <-result
	}
	timer := b.time.Clock.Timer(limit)
	defer timer.Stop()
	select {
	case err := <-result:
		return err
	case <-timer.C:
		return leave(ErrSlow, context.DeadlineExceeded)
	case <-ctx.Done():
		return leave(ctx.Err(), ctx.Err())
	}
}
