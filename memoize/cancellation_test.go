package memoize_test

import (
	"context"
	"testing"
	"time"

	"github.com/perennial-go/perennial/memoize"
)

// G5: the leader leaves, the load runs on, with the values of its context.
func TestLeaderLeaves(t *testing.T) {
	bubble(t, func(t *testing.T) {
		type tenant struct{}
		var inside error
		gate := make(chan struct{})
		calls := 0
		f := memoize.Must(memoize.New(func(ctx context.Context, _ string) (string, error) {
			calls++
			<-gate
			inside = ctx.Err()
			return ctx.Value(tenant{}).(string), nil
		}))
		ctx, cancel := context.WithCancel(context.WithValue(t.Context(), tenant{}, "leader"))
		leader := begin(1, func() (string, error) { return f.Call(ctx, "key") })
		others := begin(3, func() (string, error) { return f.Call(t.Context(), "key") })
		cancel()
		if r := leader()[0]; r.err != context.Canceled {
			t.Fatalf("the leader got %v, %v; want %v", r.value, r.err, context.Canceled)
		}
		close(gate)
		allWant(t, "leader", others())
		if inside != nil {
			t.Fatalf("the load's context had ended: %v", inside)
		}
		wants(t, "leader")(f.Call(t.Context(), "key"))
		if calls != 1 {
			t.Fatalf("%d loads, want 1", calls)
		}
		if s := f.Stats(); s.Left != 1 {
			t.Fatalf("%d calls left, want 1", s.Left)
		}
	})
}

// G5: nobody at all waits any more, and the value is stored nevertheless.
func TestEverybodyLeaves(t *testing.T) {
	bubble(t, func(t *testing.T) {
		source := returning[string](1)
		source.takes = time.Minute
		f := memoize.Must(memoize.New(source.load))
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		for i, r := range together(5, func() (int, error) { return f.Call(ctx, "key") }) {
			if r.err != context.DeadlineExceeded {
				t.Fatalf("call %d: got %v, %v; want %v", i, r.value, r.err, context.DeadlineExceeded)
			}
		}
		settled(t, f)
		wants(t, 1)(f.Call(t.Context(), "key"))
		wantCalls(t, source, 1)
	})
}

// G5.
func TestWaiterLeaves(t *testing.T) {
	bubble(t, func(t *testing.T) {
		source := returning[string](1)
		open := source.holds()
		f := memoize.Must(memoize.New(source.load))
		leader := begin(1, func() (int, error) { return f.Call(t.Context(), "key") })
		ctx, cancel := context.WithCancel(t.Context())
		leaves := begin(1, func() (int, error) { return f.Call(ctx, "key") })
		stays := begin(2, func() (int, error) { return f.Call(t.Context(), "key") })
		cancel()
		if r := leaves()[0]; r.err != context.Canceled {
			t.Fatalf("got %v, %v; want %v", r.value, r.err, context.Canceled)
		}
		open()
		allWant(t, 1, leader())
		allWant(t, 1, stays())
		wantCalls(t, source, 1)
	})
}

// G5: a hit does not look at its context; a call that would have to wait with a
// context that has ended starts nothing.
func TestContextThatHasEnded(t *testing.T) {
	bubble(t, func(t *testing.T) {
		source := returning[string](1)
		f := memoize.Must(memoize.New(source.load, minuteAndHour...))
		ended, cancel := context.WithCancel(t.Context())
		cancel()
		for _, call := range []func(context.Context, string) (int, error){f.Call, f.Refresh, f.Direct} {
			if _, err := call(ended, "key"); err != context.Canceled {
				t.Fatalf("got %v, want %v", err, context.Canceled)
			}
		}
		settled(t, f)
		wantCalls(t, source, 0)
		wants(t, 1)(f.Call(t.Context(), "key"))
		wants(t, 1)(f.Call(ended, "key"))
		time.Sleep(2 * time.Minute)
		wants(t, 1)(f.Call(ended, "key")) // stale: its refresh starts
		settled(t, f)
		wantCalls(t, source, 2)
	})
}
