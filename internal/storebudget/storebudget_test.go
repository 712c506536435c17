package storebudget

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/benbjohnson/clock"

	"github.com/perennial-go/perennial/internal/timeline"
)

var (
	errGoexit = errors.New("it ended its goroutine")
	errDown   = errors.New("the storage is down")
)

const limit = time.Second

func newBudget(c clock.Clock) *Budget {
	tl := new(timeline.Timeline)
	tl.Init(c, true, func(time.Duration) {})
	b := new(Budget)
	b.Init(tl, safely, errGoexit)
	return b
}

func safely(op func() error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic: %v", p)
		}
	}()
	return op()
}

type name struct{}

// wait takes some time, whatever its context says.
func wait(d time.Duration, err error) func(context.Context) error {
	return func(context.Context) error { time.Sleep(d); return err }
}

// obey ends with its context, and with an error that is its own.
func obey(ctx context.Context) error {
	<-ctx.Done()
	return errDown
}

// panics fails in the way that is worst.
func panics(context.Context) error { panic(errDown) }

// endsAfter is a context of a caller who goes away after some time, 0 for never.
func endsAfter(t *testing.T, d time.Duration) context.Context {
	ctx, cancel := context.WithCancel(context.WithValue(t.Context(), name{}, "caller"))
	if d > 0 {
		time.AfterFunc(d, cancel)
	}
	t.Cleanup(cancel)
	return ctx
}

// bubbles runs subtests, each in a bubble.
func bubbles[T any](t *testing.T, tests map[string]T, run func(t *testing.T, test T)) {
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) { run(t, test) })
		})
	}
}

// An operation that obeys its context is waited for, and its error is that of the
// caller's context if that has ended, ErrSlow with its own if its budget is spent, and
// its own otherwise. What it has done is done, however long that took.
func TestWithin(t *testing.T) {
	t.Parallel()
	type test struct {
		leaves time.Duration // when the caller does
		op     func(context.Context) error
		want   error
		slow   bool
		took   time.Duration
	}
	bubbles(t, map[string]test{
		"it works":                    {0, wait(limit/2, nil), nil, false, limit / 2},
		"it works late":               {0, wait(2*limit, nil), nil, false, 2 * limit},
		"it fails":                    {0, wait(limit/2, errDown), errDown, false, limit / 2},
		"it fails just in time":       {0, wait(limit-1, errDown), errDown, false, limit - 1},
		"it fails at its end":         {0, wait(limit, errDown), errDown, true, limit},
		"it fails late":               {0, wait(2*limit, errDown), errDown, true, 2 * limit},
		"it obeys":                    {0, obey, errDown, true, limit},
		"the caller leaves":           {limit / 2, obey, context.Canceled, false, limit / 2},
		"the caller leaves, it works": {limit / 2, wait(limit, nil), nil, false, limit},
		"the caller leaves late":      {2 * limit, obey, errDown, true, limit},
		"the caller left meanwhile":   {2 * limit, wait(3*limit, errDown), context.Canceled, false, 3 * limit},
	}, func(t *testing.T, test test) {
		var opCtx context.Context
		began := time.Now()
		err := newBudget(nil).Within(endsAfter(t, test.leaves), limit, func(ctx context.Context) error {
			opCtx = ctx
			return test.op(ctx)
		})
		if !errors.Is(err, test.want) || errors.Is(err, ErrSlow) != test.slow || errors.Is(err, errDown) != (test.want == errDown) {
			t.Errorf("the error is %v", err)
		}
		if took := time.Since(began); took != test.took {
			t.Errorf("it took %v, want %v", took, test.took)
		}
		if opCtx.Err() == nil {
			t.Error("the context of an operation that has ended goes on")
		}
		if opCtx.Value(name{}) != "caller" {
			t.Error("the operation does not see the caller's values")
		}
		if end, ok := opCtx.Deadline(); !ok || !end.Equal(began.Add(limit)) {
			t.Errorf("the deadline is %v after the beginning, %v", end.Sub(began), ok)
		}
	})
}

// An operation that fails at its deadline, before its context says so, is slow.
func TestWithinAtTheDeadline(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		for range 200 {
			end := time.After(limit) // set before the context's
			if err := newBudget(nil).Within(t.Context(), limit, func(context.Context) error { <-end; return errDown }); !errors.Is(err, ErrSlow) {
				t.Fatalf("the error is %v", err)
			}
		}
	})
}

// A caller whose deadline comes before the budget is spent has its own error.
func TestWithinADeadline(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), limit/2)
		defer cancel()
		if err := newBudget(nil).Within(ctx, limit, obey); err != context.DeadlineExceeded {
			t.Errorf("the error is %v", err)
		}
	})
}

// A panic of an operation is an error.
func TestPanics(t *testing.T) {
	t.Parallel()
	for name, run := range map[string]func(b *Budget) error{
		"within": func(b *Budget) error { return b.Within(t.Context(), limit, panics) },
		"run":    func(b *Budget) error { return b.Run(t.Context(), limit, func(error, bool) {}, panics) },
	} {
		if err := run(newBudget(nil)); err == nil || err.Error() != "panic: the storage is down" {
			t.Errorf("%s: the error is %v", name, err)
		}
	}
}

// ended is what Run has said when an operation had ended.
type ended struct {
	times int
	err   error
	left  bool
	after time.Duration
}

// An operation is left when its budget is spent or the caller's context ends, whether it
// obeys or not. Its context ends then, and never before, whatever becomes of the
// caller's. When it has ended, done is told how, and whether it had been left.
func TestRun(t *testing.T) {
	t.Parallel()
	type test struct {
		leaves time.Duration // when the caller does
		op     func(context.Context) error
		want   error
		took   time.Duration
		done   ended
		why    error // of the operation's context
	}
	goexit := func(context.Context) error { time.Sleep(limit / 2); runtime.Goexit(); return nil }
	bubbles(t, map[string]test{
		"it works":                   {0, wait(limit/2, nil), nil, limit / 2, ended{1, nil, false, limit / 2}, context.Canceled},
		"it fails":                   {0, wait(limit/2, errDown), errDown, limit / 2, ended{1, errDown, false, limit / 2}, context.Canceled},
		"it is just in time":         {0, wait(limit-1, nil), nil, limit - 1, ended{1, nil, false, limit - 1}, context.Canceled},
		"it obeys":                   {0, obey, ErrSlow, limit, ended{1, errDown, true, limit}, context.DeadlineExceeded},
		"it works late":              {0, wait(2*limit, nil), ErrSlow, limit, ended{1, nil, true, 2 * limit}, context.DeadlineExceeded},
		"it fails late":              {0, wait(2*limit, errDown), ErrSlow, limit, ended{1, errDown, true, 2 * limit}, context.DeadlineExceeded},
		"it ends its goroutine":      {0, goexit, errGoexit, limit / 2, ended{1, errGoexit, false, limit / 2}, context.Canceled},
		"the caller leaves":          {limit / 2, obey, context.Canceled, limit / 2, ended{1, errDown, true, limit / 2}, context.Canceled},
		"the caller leaves, it goes": {limit / 2, wait(3*limit, nil), context.Canceled, limit / 2, ended{1, nil, true, 3 * limit}, context.Canceled},
		"the caller leaves late":     {2 * limit, obey, ErrSlow, limit, ended{1, errDown, true, limit}, context.DeadlineExceeded},
	}, func(t *testing.T, test test) {
		b := newBudget(nil)
		var opCtx context.Context
		var done ended
		began := time.Now()
		err := b.Run(endsAfter(t, test.leaves), limit, func(err error, left bool) {
			if left == (opCtx.Err() == nil) {
				t.Errorf("it was left: %v, and its context says %v", left, opCtx.Err())
			}
			done = ended{done.times + 1, err, left, time.Since(began)}
		}, func(ctx context.Context) error {
			opCtx = ctx
			return test.op(ctx)
		})
		if err != test.want {
			t.Errorf("the error is %v, want %v", err, test.want)
		}
		if took := time.Since(began); took != test.took {
			t.Errorf("it took %v, want %v", took, test.took)
		}
		time.Sleep(10 * limit)
		synctest.Wait()
		if end, ok := opCtx.Deadline(); !ok || !end.Equal(began.Add(limit)) || opCtx.Value(name{}) != "caller" {
			t.Errorf("the deadline is %v after the beginning, %v; the caller is %v", end.Sub(began), ok, opCtx.Value(name{}))
		}
		if done != test.done {
			t.Errorf("it has ended as %v, want %v", done, test.done)
		}
		if opCtx.Err() != test.why {
			t.Errorf("its context ends with %v, want %v", opCtx.Err(), test.why)
		}
		if n := b.overdue.Load(); n != 0 {
			t.Errorf("%d operations count as left, and none runs", n)
		}
	})
}

// An operation that has ended in time was not left, however long done takes: the caller
// is told how it has ended.
func TestDoneTakesLong(t *testing.T) {
	t.Parallel()
	for name, leaves := range map[string]time.Duration{"the budget is spent": 0, "the caller leaves": limit * 3 / 4} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				b := newBudget(nil)
				began := time.Now()
				err := b.Run(endsAfter(t, leaves), limit, func(err error, left bool) {
					if time.Sleep(2 * limit); left || err != errDown {
						t.Errorf("it was left: %v, with %v", left, err)
					}
					if n := b.overdue.Load(); n != 0 {
						t.Errorf("%d operations count as left, and none was", n)
					}
				}, wait(limit/2, errDown))
				if took := time.Since(began); err != errDown || took != 2*limit+limit/2 {
					t.Errorf("the error is %v after %v", err, took)
				}
			})
		})
	}
}

// An operation that ends in time leaves no timer behind.
func TestTimerIsStopped(t *testing.T) {
	t.Parallel()
	c := clock.NewMock()
	if err := newBudget(c).Run(t.Context(), limit, func(error, bool) {}, wait(0, nil)); err != nil {
		t.Fatal(err)
	}
	if before := c.Now(); !c.WaitForAllTimers().Equal(before) {
		t.Error("a timer runs for an operation that has ended")
	}
}

// A budget is in the time of a clock that was handed in. That is nobody else's, so the
// operation's context has no deadline in it.
func TestRunByAClock(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := clock.NewMock()
		returned := make(chan error, 1)
		go func() {
			returned <- newBudget(c).Run(t.Context(), limit, func(error, bool) {}, func(ctx context.Context) error {
				if end, ok := ctx.Deadline(); ok {
					t.Errorf("the deadline is %v", end)
				}
				return obey(ctx)
			})
		}()
		synctest.Wait()
		time.Sleep(2 * limit)
		c.Add(limit - 1)
		select {
		case err := <-returned:
			t.Fatalf("it is left too early: %v", err)
		default:
		}
		if c.Add(1); <-returned != ErrSlow {
			t.Error("it is left with another error")
		}
	})
}

// When too many operations were left and still run, none begins until one of them ends.
func TestTooManyOverdue(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBudget(nil)
		ends := make(chan struct{})
		never := func(context.Context) error { <-ends; return nil }
		for i := range MaxOverdue {
			if err := b.Run(t.Context(), limit, func(error, bool) {}, never); err != ErrSlow {
				t.Fatalf("operation %d fails with %v", i, err)
			}
		}
		began := time.Now()
		var done ended
		busy := func() error {
			done = ended{}
			return b.Run(t.Context(), limit, func(err error, left bool) { done = ended{done.times + 1, err, left, 0} }, wait(0, nil))
		}
		if err := busy(); err != ErrBusy || done != (ended{1, ErrBusy, false, 0}) || time.Since(began) != 0 {
			t.Errorf("one more fails with %v and has ended as %v, after %v", err, done, time.Since(began))
		}
		ends <- struct{}{}
		synctest.Wait()
		if err := busy(); err != nil || done != (ended{1, nil, false, 0}) {
			t.Errorf("when one has ended, another fails with %v and has ended as %v", err, done)
		}
		if err := b.Run(t.Context(), limit, func(error, bool) {}, never); err != ErrSlow {
			t.Errorf("the last one fails with %v", err)
		}
		if err := busy(); err != ErrBusy {
			t.Errorf("one more fails with %v", err)
		}
		close(ends)
		synctest.Wait()
		if n := b.overdue.Load(); n != 0 {
			t.Errorf("%d operations count as left, and none runs", n)
		}
	})
}

// An operation that ends at the moment at which it would be left has either been left or
// not: the caller and done are told the same, and nothing is counted in the end.
func TestEndsAsItIsLeft(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBudget(nil)
		var wg sync.WaitGroup
		var leftOnes, inTime atomic.Int64
		for range 100 {
			wg.Go(func() {
				end := time.After(limit)
				told := make(chan bool, 1)
				err := b.Run(t.Context(), limit, func(_ error, left bool) { told <- left }, func(context.Context) error { <-end; return errDown })
				switch left := <-told; {
				case left && err == ErrSlow:
					leftOnes.Add(1)
				case !left && err == errDown:
					inTime.Add(1)
				default:
					t.Errorf("it was left: %v, and the caller is told %v", left, err)
				}
			})
		}
		wg.Wait()
		t.Logf("%d were left, %d were in time", leftOnes.Load(), inTime.Load())
		if n := b.overdue.Load(); n != 0 {
			t.Errorf("%d operations count as left, and none runs", n)
		}
	})
}
