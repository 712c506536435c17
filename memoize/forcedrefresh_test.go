package memoize_test

import (
	"context"
	"testing"
	"time"

	"github.com/perennial-go/perennial/memoize"
)

func TestRefreshInEveryState(t *testing.T) {
	for _, c := range []struct {
		state string
		age   time.Duration // of the entry; negative: there is none
	}{
		{"missing", -1},
		{"fresh", time.Second},
		{"stale", 2 * time.Minute},
		{"expired", 2 * time.Hour},
	} {
		t.Run(c.state, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				source := returning[string](1)
				f := memoize.Must(memoize.New(source.load, minuteAndHour...))
				calls := 0
				if c.age >= 0 {
					calls++
					wants(t, 1)(f.Call(t.Context(), "key"))
					time.Sleep(c.age)
				}
				source.returns(2)
				source.takes = time.Second
				began := time.Now()
				wants(t, 2)(f.Refresh(t.Context(), "key"))
				if took := time.Since(began); took != time.Second {
					t.Fatalf("it took %v, want a load's second", took)
				}
				wants(t, 2)(f.Call(t.Context(), "key")) // it was stored
				settled(t, f)
				wantCalls(t, source, calls+1)
			})
		})
	}
}

// G8: a forced refresh that fails tells so, and leaves what is stored.
func TestRefreshFailsInEveryState(t *testing.T) {
	for _, c := range []struct {
		state string
		age   time.Duration
		left  bool // a plain call afterwards is served
	}{
		{"missing", -1, false},
		{"fresh", time.Second, true},
		{"stale", 2 * time.Minute, true},
		{"expired", 2 * time.Hour, false},
	} {
		t.Run(c.state, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				source := returning[string](1)
				f := memoize.Must(memoize.New(source.load, minuteAndHour...))
				if c.age >= 0 {
					wants(t, 1)(f.Call(t.Context(), "key"))
					time.Sleep(c.age)
				}
				source.fails(errOutage)
				_, err := f.Refresh(t.Context(), "key")
				loadError(t, err, memoize.Failed, errOutage)
				got, err := f.Call(t.Context(), "key")
				if c.left {
					wants(t, 1)(got, err)
				} else {
					loadError(t, err, memoize.Failed, errOutage)
				}
				settled(t, f)
			})
		})
	}
}

// A load that runs may have seen an older state of the world: a forced refresh
// waits for the next one, and all who ask meanwhile share that.
func TestRefreshWhileALoadRunsJoinsTheNext(t *testing.T) {
	for _, c := range []struct {
		state string
		age   time.Duration
	}{{"missing", -1}, {"stale", 2 * time.Minute}, {"expired", 2 * time.Hour}} {
		t.Run(c.state, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				source := returning[string](0)
				f := memoize.Must(memoize.New(source.load, minuteAndHour...))
				if c.age >= 0 {
					wants(t, 0)(f.Call(t.Context(), "key"))
					time.Sleep(c.age)
				}
				before := source.count()
				source.returns(1)
				open := source.holds()
				first := begin(1, func() (int, error) { return f.Call(t.Context(), "key") })
				wantCalls(t, source, before+1)

				source.returns(2) // the world changes; the load that runs has seen 1
				source.lets()
				forced := begin(10, func() (int, error) { return f.Refresh(t.Context(), "key") })
				wantCalls(t, source, before+1) // none, while that one runs
				open()
				allWant(t, 2, forced())
				old := 1
				if c.state == "stale" {
					old = 0 // served at once
				}
				allWant(t, old, first())
				wantCalls(t, source, before+2)
				wants(t, 2)(f.Call(t.Context(), "key"))
			})
		})
	}
}

// A refresh that is queued is cancelled with nobody; who asked for it may go.
func TestQueuedRefreshOutlivesWhoAskedForIt(t *testing.T) { // G5
	bubble(t, func(t *testing.T) {
		source := returning[string](1)
		open := source.holds()
		f := memoize.Must(memoize.New(source.load))
		first := begin(1, func() (int, error) { return f.Call(t.Context(), "key") })
		source.returns(2)
		source.lets()
		ctx, cancel := context.WithCancel(t.Context())
		forced := begin(1, func() (int, error) { return f.Refresh(ctx, "key") })
		cancel()
		if r := forced()[0]; r.err != context.Canceled {
			t.Fatalf("got %v, %v; want %v", r.value, r.err, context.Canceled)
		}
		open()
		allWant(t, 1, first())
		settled(t, f)
		wants(t, 2)(f.Call(t.Context(), "key"))
	})
}
