package memoize_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/perennial-go/perennial/config"
	"github.com/perennial-go/perennial/memoize"
)

// A load's context is a context like any other: what hangs on it ends with it,
// unless it was taken off, and once it has ended at once.
func TestContextOfALoad(t *testing.T) {
	bubble(t, func(t *testing.T) {
		ran := make(chan string, 10)
		var kept context.Context
		var child context.Context
		var deadline time.Time
		began := time.Now()
		source := func(ctx context.Context, _ string) (int, error) {
			kept = ctx
			var cancel context.CancelFunc
			child, cancel = context.WithCancel(ctx)
			t.Cleanup(cancel)
			deadline, _ = ctx.Deadline()
			context.AfterFunc(ctx, func() { ran <- "stays" })
			stop := context.AfterFunc(ctx, func() { ran <- "taken off" })
			if !stop() || stop() {
				t.Error("what was hung on it can't be taken off, or can twice")
			}
			if ctx.Err() != nil || child.Err() != nil {
				t.Error("it has ended")
			}
			return 1, nil
		}
		f := memoize.Must(memoize.New(source, config.ExpireAfter(time.Hour), config.MethodTimeout(time.Minute)))
		wants(t, 1)(f.Call(t.Context(), "key"))
		settled(t, f)
		synctest.Wait()
		if len(ran) != 1 || <-ran != "stays" {
			t.Error("what hangs on a load's context has not run at its end, alone")
		}
		if kept.Err() == nil || !errors.Is(child.Err(), context.Canceled) {
			t.Errorf("after the load its context is %v, and a child %v", kept.Err(), child.Err())
		}
		if want := began.Add(time.Minute); !deadline.Equal(want) {
			t.Errorf("its deadline is %v, want %v", deadline, want)
		}
		select {
		case <-kept.Done():
		default:
			t.Error("after the load Done is not closed")
		}
		stop := context.AfterFunc(kept, func() { ran <- "late" })
		synctest.Wait()
		if stop() || len(ran) != 1 || <-ran != "late" {
			t.Error("what is hung on a context that has ended does not run at once")
		}
	})
}

// At the method timeout a load's context ends with DeadlineExceeded.
func TestContextOfALateLoad(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var cause error
		source := func(ctx context.Context, _ string) (int, error) {
			<-ctx.Done()
			cause = ctx.Err()
			return 0, cause
		}
		for name, opts := range map[string][]config.Option{"a load": nil, "a bypassed one": {config.Bypass(true)}} {
			f := memoize.Must(memoize.New(source, append(opts, config.ExpireAfter(time.Hour), config.MethodTimeout(time.Second), config.Logger(discardLog))...))
			_, err := f.Call(t.Context(), "key")
			loadError(t, err, memoize.TimedOut, memoize.ErrLoadTimeout)
			synctest.Wait()
			if !errors.Is(cause, context.DeadlineExceeded) {
				t.Errorf("%s: its context ends with %v", name, cause)
			}
		}
	})
}
