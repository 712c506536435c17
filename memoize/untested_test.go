package memoize_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/perennial-go/perennial/config"
	"github.com/perennial-go/perennial/entry"
	"github.com/perennial-go/perennial/eviction"
	"github.com/perennial-go/perennial/memoize"
	"github.com/perennial-go/perennial/observe"
	"github.com/perennial-go/perennial/statuses"
	"github.com/perennial-go/perennial/storage"
)

// The tests of this file are of what py-memoize has no tests for.

// Failures.

// G1: those who come while a load fails share its failure, and the leader's
// error is told from theirs.
func TestConcurrentCallsShareOneFailure(t *testing.T) {
	bubble(t, func(t *testing.T) {
		source := returning[string](0)
		source.fails(errOutage)
		open := source.holds()
		f := memoize.Must(memoize.New(source.load))
		finish := begin(20, func() (int, error) { return f.Call(t.Context(), "key") })
		open()
		reasons := map[memoize.Reason]int{}
		joined := map[*memoize.LoadError]bool{}
		for _, r := range finish() {
			var l *memoize.LoadError
			if !errors.As(r.err, &l) || !errors.Is(r.err, errOutage) {
				t.Fatalf("got %v, %v; want a *LoadError of the outage", r.value, r.err)
			}
			reasons[l.Reason]++
			if l.Reason == memoize.JoinedFailed {
				joined[l] = true
			}
		}
		if reasons[memoize.Failed] != 1 || reasons[memoize.JoinedFailed] != 19 {
			t.Fatalf("reasons are %v, want one Failed and 19 JoinedFailed", reasons)
		}
		if len(joined) != 1 {
			t.Fatalf("those who joined got %d errors, want one that they share", len(joined))
		}
		wantCalls(t, source, 1)
	})
}

// G8: after a failure everybody who waits tries again, together.
func TestConcurrentCallsAfterFailureShareTheNextLoad(t *testing.T) {
	bubble(t, func(t *testing.T) {
		source := returning[string](0)
		source.fails(errOutage)
		f := memoize.Must(memoize.New(source.load))
		for range 2 {
			together(5, func() (int, error) { return f.Call(t.Context(), "key") })
		}
		source.returns(7)
		source.takes = time.Second
		before := source.count()
		allWant(t, 7, together(5, func() (int, error) { return f.Call(t.Context(), "key") }))
		wantCalls(t, source, before+1)
	})
}

// G8: stale hits during an outage are served, and tries come ever more rarely.
func TestFailingRefreshesAreDelayed(t *testing.T) {
	bubble(t, func(t *testing.T) {
		source := returning[string](1)
		f := memoize.Must(memoize.New(source.load, minuteAndHour...))
		wants(t, 1)(f.Call(t.Context(), "key"))
		source.fails(errOutage)
		time.Sleep(time.Minute)
		var tries []time.Duration
		stale := time.Now()
		for n := source.count(); time.Since(stale) < 58*time.Minute; time.Sleep(100 * time.Millisecond) {
			wants(t, 1)(f.Call(t.Context(), "key"))
			synctest.Wait()
			if now := source.count(); now > n {
				n = now
				tries = append(tries, time.Since(stale))
			}
		}
		if len(tries) < 6 || len(tries) > 20 {
			t.Fatalf("%d tries in 58 minutes of outage, at %v; want 6 to 20", len(tries), tries)
		}
		const longest = 59 * time.Minute / 4
		for i, at := range tries[1:] {
			gap := at - tries[i]
			upper := min(time.Second<<i, longest)
			if gap < upper/2 || gap > upper+100*time.Millisecond {
				t.Errorf("try %d came %v after the one before, want %v to %v", i+2, gap, upper/2, upper)
			}
		}
		source.returns(2)
		wants(t, 2)(f.Refresh(t.Context(), "key")) // a forced call always tries
	})
}

// Forced refreshes.

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

// Lock timeouts.

// A registry of one's own may have a lock timeout that is shorter than the
// method timeout: those who wait get an error that says so, the key can be
// loaded again, and the late value is stored where there is nothing newer.
func TestLockTimeoutWithWaiters(t *testing.T) {
	bubble(t, func(t *testing.T) {
		source := returning[string](1)
		open := source.holds()
		f := memoize.Must(memoize.New(source.load, config.MethodTimeout(time.Hour),
			config.UpdateStatuses(statuses.NewInMemory[string, int](time.Minute, nil))))
		for i, r := range together(3, func() (int, error) { return f.Call(t.Context(), "key") }) {
			if !errors.Is(r.err, statuses.ErrLockTimeout) {
				t.Fatalf("call %d: got %v, %v; want ErrLockTimeout", i, r.value, r.err)
			}
		}
		open()
		settled(t, f)
		wants(t, 1)(f.Call(t.Context(), "key"))
		wantCalls(t, source, 1)
	})
}

// Func.Call promises a *LoadError for a load that failed; one that the
// registry's lock timeout has ended is no exception.
func TestLockTimeoutIsALoadError(t *testing.T) {
	bubble(t, func(t *testing.T) {
		source := returning[string](1)
		open := source.holds()
		f := memoize.Must(memoize.New(source.load, config.MethodTimeout(time.Hour),
			config.UpdateStatuses(statuses.NewInMemory[string, int](time.Minute, nil))))
		_, err := f.Call(t.Context(), "key")
		open()
		settled(t, f)
		var l *memoize.LoadError
		if !errors.As(err, &l) || !errors.Is(err, memoize.ErrLoadFailed) {
			t.Fatalf("got %v (%T), want a *LoadError that matches ErrLoadFailed", err, err)
		}
	})
}

// Cancellation.

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

// Boundary instants.

// G2: at the instant itself the later state holds.
func TestBoundaryInstants(t *testing.T) {
	const update, expire = time.Minute, time.Hour
	for _, c := range []struct {
		name  string
		age   time.Duration
		state entry.State
		why   memoize.Why
		calls int // of the source, once everything has come to rest
	}{
		{"at birth", 0, entry.Fresh, memoize.Hit, 1},
		{"before update-after", update - 1, entry.Fresh, memoize.Hit, 1},
		{"at update-after", update, entry.Stale, memoize.Stale, 2},
		{"past update-after", update + 1, entry.Stale, memoize.Stale, 2},
		{"before expires-after", expire - 1, entry.Stale, memoize.Stale, 2},
		{"at expires-after", expire, entry.Fresh, memoize.Miss, 2},
		{"past expires-after", expire + 1, entry.Fresh, memoize.Miss, 2},
	} {
		t.Run(c.name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				source := returning[string](1)
				source.takes = time.Second // a life counts from the source's return
				f := memoize.Must(memoize.New(source.load, config.UpdateAfter(update), config.ExpireAfter(expire)))
				wants(t, 1)(f.Call(t.Context(), "key"))
				time.Sleep(c.age)
				servable := c.why != memoize.Miss
				if has := f.Has(t.Context(), "key"); has != servable {
					t.Errorf("Has: %v, want %v", has, servable)
				}
				if _, ok := f.Peek(t.Context(), "key"); ok != servable {
					t.Errorf("Peek: %v, want %v", ok, servable)
				}
				wantAge := c.age
				if !servable {
					wantAge = 0
				}
				r, err := f.Result(t.Context(), "key")
				if err != nil || r.State != c.state || r.Why != c.why || r.Age != wantAge {
					t.Errorf("got %+v, %v; want state %v, why %v, age %v", r, err, c.state, c.why, wantAge)
				}
				settled(t, f)
				wantCalls(t, source, c.calls)
			})
		})
	}
}

// The instants of 1.1's table that are legal and odd.
func TestLifeOfZero(t *testing.T) {
	bubble(t, func(t *testing.T) {
		source := returning[string](1)
		always := memoize.Must(memoize.New(source.load, config.UpdateAfter(0), config.ExpireAfter(time.Hour)))
		for n := range 3 { // every hit starts a refresh
			wants(t, 1)(always.Call(t.Context(), "key"))
			settled(t, always)
			wantCalls(t, source, n+1)
		}
	})
	bubble(t, func(t *testing.T) {
		source := returning[string](1)
		source.takes = time.Second
		never := memoize.Must(memoize.New(source.load, config.ExpireAfter(0)))
		for n := range 2 { // every call waits, and those who come together share
			allWant(t, 1, together(3, func() (int, error) { return never.Call(t.Context(), "key") }))
			wantCalls(t, source, n+1)
		}
		if never.Len() != 0 {
			t.Fatalf("%d entries are held that nobody could be served", never.Len())
		}
	})
	bubble(t, func(t *testing.T) {
		source := returning[string](1)
		equal := memoize.Must(memoize.New(source.load, config.UpdateAfter(time.Minute), config.ExpireAfter(time.Minute)))
		wants(t, 1)(equal.Call(t.Context(), "key"))
		time.Sleep(time.Minute - 1)
		wants(t, 1)(equal.Call(t.Context(), "key"))
		settled(t, equal)
		wantCalls(t, source, 1) // nothing is refreshed in the background
		time.Sleep(time.Nanosecond)
		wants(t, 1)(equal.Call(t.Context(), "key"))
		wantCalls(t, source, 2)
	})
}

// Reconfiguration.

// G10: a load ends under the configuration that it began with.
func TestStorageSwappedWhileALoadRuns(t *testing.T) {
	bubble(t, func(t *testing.T) {
		before, after := storage.NewInMemory[string, int](), storage.NewInMemory[string, int]()
		live := mutable(with(config.Storage(before))...)
		source := returning[string](1)
		open := source.holds()
		f := memoize.Must(memoize.Memoize(source.load, live))
		finish := begin(1, func() (int, error) { return f.Call(t.Context(), "key") })
		noError(t, live.Apply(config.Storage(after)))
		open()
		allWant(t, 1, finish())
		settled(t, f)
		if got, _ := before.Get(t.Context(), "key"); got == nil || got.Value != 1 {
			t.Fatalf("the storage that the load began with holds %v, want its value", got)
		}
		if after.Len() != 0 {
			t.Fatal("the load wrote to a storage that was not in force when it began")
		}
		source.returns(2)
		wants(t, 2)(f.Call(t.Context(), "key")) // a later call sees the new one
		if got, _ := after.Get(t.Context(), "key"); got == nil || got.Value != 2 {
			t.Fatalf("the storage in force holds %v, want the later value", got)
		}
	})
}

// G10: a background refresh sees the snapshot of the call that started it.
func TestStorageSwappedWhileARefreshRuns(t *testing.T) {
	bubble(t, func(t *testing.T) {
		before, after := storage.NewInMemory[string, int](), storage.NewInMemory[string, int]()
		live := mutable(with(config.Storage(before))...)
		source := returning[string](1)
		f := memoize.Must(memoize.Memoize(source.load, live))
		wants(t, 1)(f.Call(t.Context(), "key"))
		time.Sleep(2 * time.Minute)
		source.returns(2)
		open := source.holds()
		wants(t, 1)(f.Call(t.Context(), "key"))
		synctest.Wait()
		noError(t, live.Apply(config.Storage(after)))
		open()
		settled(t, f)
		if got, _ := before.Get(t.Context(), "key"); got == nil || got.Value != 2 {
			t.Fatalf("the storage that the refresh began with holds %v, want its value", got)
		}
		if after.Len() != 0 {
			t.Fatal("the refresh wrote to a storage that was not in force when it began")
		}
	})
}

// G4, G10: invalidation reaches the storages of every snapshot in use, so that
// an old one that comes back does not bring the value back.
func TestInvalidationReachesStoragesOfLoadsThatRun(t *testing.T) {
	bubble(t, func(t *testing.T) {
		before := &mockStorage[string, int]{}
		after := storage.NewInMemory[string, int]()
		live := mutable(with(config.Storage[string, int](before))...)
		source := returning[string](1)
		f := memoize.Must(memoize.Memoize(source.load, live))
		wants(t, 1)(f.Call(t.Context(), "key"))
		settled(t, f)
		open := source.holds()
		finish := begin(1, func() (int, error) { return f.Call(t.Context(), "other") })
		noError(t, live.Apply(config.Storage(after)))
		noError(t, f.Invalidate(t.Context(), "key"))
		if got, ok := before.holds("key"); ok {
			t.Fatalf("the storage of a load that runs still holds %v", got)
		}
		open()
		allWant(t, 1, finish())
	})
}

func TestTimeoutAndLifeChangeForTheNextCall(t *testing.T) {
	bubble(t, func(t *testing.T) {
		live := mutable(with(config.MethodTimeout(time.Minute))...)
		source := returning[string](1)
		source.takes = 10 * time.Second
		f := memoize.Must(memoize.Memoize(source.load, live))
		finish := begin(1, func() (int, error) { return f.Call(t.Context(), "before") })
		noError(t, live.Apply(config.MethodTimeout(time.Second), config.UpdateAfter(time.Hour), config.ExpireAfter(2*time.Hour)))
		_, err := f.Call(t.Context(), "after")
		loadError(t, err, memoize.TimedOut, memoize.ErrLoadTimeout)
		allWant(t, 1, finish()) // under the timeout that it began with
		time.Sleep(time.Hour)
		if f.Has(t.Context(), "before") {
			t.Fatal("a value has another life than that of its snapshot")
		}
		if !f.Has(t.Context(), "after") {
			t.Fatal("the late value is not there, or has not the new life")
		}
	})
}

// All the options take effect, or none does.
func TestApplyAllOrNothing(t *testing.T) {
	bubble(t, func(t *testing.T) {
		live := mutable(minuteAndHour...)
		f := memoize.Must(memoize.Memoize(returning[string](1).load, live))
		was := live.Snapshot()
		err := live.Apply(config.Configured(false), config.MethodTimeout(-1), config.Capacity(-1))
		if err == nil || !strings.Contains(err.Error(), "Capacity is -1") {
			t.Fatalf("got %v, want the faults", err)
		}
		if live.Snapshot() != was {
			t.Fatal("a change that was refused is in force")
		}
		wants(t, 1)(f.Call(t.Context(), "key"))

		// A part that a function can't put in force refuses the change too.
		taken := storage.NewInMemory[string, int]()
		memoize.Must(memoize.New(returning[string](1).load, config.Storage(taken)))
		err = live.Apply(config.Configured(false), config.Storage(taken))
		if err == nil || live.Snapshot() != was {
			t.Fatalf("a storage that serves another function was put in force: %v", err)
		}
		wants(t, 1)(f.Call(t.Context(), "key"))
	})
}

func TestConfiguredAndBypassAreSwitches(t *testing.T) {
	bubble(t, func(t *testing.T) {
		live := mutable(minuteAndHour...)
		source := returning[string](1)
		f := memoize.Must(memoize.Memoize(source.load, live))
		wants(t, 1)(f.Call(t.Context(), "key"))
		source.returns(2)
		noError(t, live.Apply(config.Bypass(true)))
		wants(t, 2)(f.Call(t.Context(), "key"))
		wants(t, 2)(f.Call(t.Context(), "key"))
		wantCalls(t, source, 3)
		noError(t, live.Apply(config.Bypass(false)))
		wants(t, 1)(f.Call(t.Context(), "key")) // the cache was not touched
		noError(t, live.Apply(config.Configured(false)))
		if _, err := f.Call(t.Context(), "key"); !errors.Is(err, memoize.ErrNotConfigured) {
			t.Fatalf("got %v, want ErrNotConfigured", err)
		}
		noError(t, live.Apply(config.Configured(true)))
		wants(t, 1)(f.Call(t.Context(), "key"))
	})
}

// G11: a strategy that comes into force learns of what is held.
func TestStrategySwappedShrinks(t *testing.T) {
	bubble(t, func(t *testing.T) {
		live := mutable(minuteAndHour...)
		f := memoize.Must(memoize.Memoize(returning[string](1).load, live))
		for i := range 10 {
			wants(t, 1)(f.Call(t.Context(), fmt.Sprint(i)))
			time.Sleep(time.Millisecond)
		}
		noError(t, live.Apply(config.Evict(eviction.LeastRecentlyUpdated[string](3))))
		if f.Len() != 3 {
			t.Fatalf("%d entries are held, want 3", f.Len())
		}
		for i := range 10 {
			if has := f.Has(t.Context(), fmt.Sprint(i)); has != (i >= 7) {
				t.Errorf("key %d is there: %v, want the three that were written last", i, has)
			}
		}
		wants(t, 1)(f.Call(t.Context(), "one more"))
		settled(t, f)
		if f.Len() != 3 || f.Has(t.Context(), "7") {
			t.Fatalf("%d entries are held, the oldest among them: %v; want 3 without it", f.Len(), f.Has(t.Context(), "7"))
		}
	})
}

// A storage in memory that comes back holds nothing from before.
func TestStorageComesBackEmpty(t *testing.T) {
	bubble(t, func(t *testing.T) {
		one, two := storage.NewInMemory[string, int](), storage.NewInMemory[string, int]()
		live := mutable(with(config.Storage(one))...)
		source := returning[string](1)
		f := memoize.Must(memoize.Memoize(source.load, live))
		wants(t, 1)(f.Call(t.Context(), "key"))
		source.returns(2)
		noError(t, live.Apply(config.Storage(two)))
		noError(t, live.Apply(config.Storage(one)))
		wants(t, 2)(f.Call(t.Context(), "key"))
	})
}

// Storage errors.

var errStore = errors.New("store is away")

func failing(context.Context, string) error { return errStore }

// G9: a storage that fails reads as a miss.
func TestStorageGetFails(t *testing.T) {
	for name, get := range map[string]func(context.Context, string) error{
		"error":  failing,
		"panic":  func(context.Context, string) error { panic(errStore) },
		"goexit": func(context.Context, string) error { runtime.Goexit(); return nil },
		"hangs":  func(ctx context.Context, _ string) error { <-ctx.Done(); return ctx.Err() },
		"slow":   func(context.Context, string) error { time.Sleep(time.Second); return nil },
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				store := &mockStorage[string, int]{get: get}
				source := returning[string](1)
				f := memoize.Must(memoize.New(source.load, with(config.Storage[string, int](store))...))
				began := time.Now()
				wants(t, 1)(f.Call(t.Context(), "key"))
				if took := time.Since(began); took > config.DefaultStoreRead {
					t.Fatalf("the call took %v, above the budget of a read", took)
				}
				settled(t, f)
				source.returns(2)
				wants(t, 2)(f.Call(t.Context(), "key"))
				if s := f.Stats(); s.StoreFaults < 2 {
					t.Fatalf("%d faults are counted, want 2 at least", s.StoreFaults)
				}
				time.Sleep(time.Minute) // what was left comes back
			})
		})
	}
}

// G9: a failed write costs nobody the value. The key is in doubt: what the
// storage holds of it is not served until a write is acknowledged.
func TestStorageOfferFails(t *testing.T) {
	bubble(t, func(t *testing.T) {
		store := &mockStorage[string, int]{}
		source := returning[string](1)
		f := memoize.Must(memoize.New(source.load, with(config.Storage[string, int](store))...))
		wants(t, 1)(f.Call(t.Context(), "key"))
		settled(t, f)
		store.offer = failing
		source.returns(2)
		wants(t, 2)(f.Refresh(t.Context(), "key"))
		settled(t, f)
		if got, _ := store.holds("key"); got != 1 {
			t.Fatalf("the storage holds %v, want 1: the test is wrong", got)
		}
		source.returns(3)
		wants(t, 3)(f.Call(t.Context(), "key")) // not 1, which is older than what somebody has seen
		settled(t, f)
		store.offer = nil
		source.returns(4)
		wants(t, 4)(f.Call(t.Context(), "key"))
		settled(t, f)
		source.returns(5)
		wants(t, 4)(f.Call(t.Context(), "key")) // acknowledged: it is served
		if s := f.Stats(); s.StoreFaults != 2 {
			t.Fatalf("%d faults are counted, want 2", s.StoreFaults)
		}
		if err := f.Set(t.Context(), "key", 6); err != nil {
			t.Fatal(err)
		}
		store.offer = failing
		if err := f.Set(t.Context(), "key", 7); !errors.Is(err, memoize.ErrUnavailable) || !errors.Is(err, errStore) {
			t.Fatalf("Set: got %v, want ErrUnavailable for %v", err, errStore)
		}
	})
}

// G4, G9: with the storage away invalidation takes effect in this process.
func TestStorageReleaseFails(t *testing.T) {
	bubble(t, func(t *testing.T) {
		store := &mockStorage[string, int]{}
		source := returning[string](1)
		f := memoize.Must(memoize.New(source.load, with(config.Storage[string, int](store))...))
		wants(t, 1)(f.Call(t.Context(), "key"))
		settled(t, f)
		store.free = failing
		if err := f.Invalidate(t.Context(), "key"); !errors.Is(err, memoize.ErrUnavailable) || !errors.Is(err, errStore) {
			t.Fatalf("got %v, want ErrUnavailable for %v", err, errStore)
		}
		if f.Has(t.Context(), "key") {
			t.Fatal("a value is served that was invalidated")
		}
		source.returns(2)
		wants(t, 2)(f.Call(t.Context(), "key"))
		settled(t, f)
		wants(t, 2)(f.Call(t.Context(), "key"))
		wantCalls(t, source, 2)
	})
}

// A storage that fails to release what was evicted costs nobody anything.
func TestStorageFailsToEvict(t *testing.T) {
	bubble(t, func(t *testing.T) {
		store := &mockStorage[string, int]{free: failing}
		f := memoize.Must(memoize.New(returning[string](1).load, with(config.Storage[string, int](store), config.Capacity(1))...))
		for _, key := range []string{"a", "b", "a", "c"} {
			wants(t, 1)(f.Call(t.Context(), key))
			settled(t, f)
		}
	})
}

// Invalidation.

// G4: a load that began before an invalidation is given to those who wait for
// it, and stored by nobody.
func TestInvalidationWhileALoadRuns(t *testing.T) {
	verbs := map[string]func(t *testing.T, f *memoize.Func[string, int]) error{
		"one": func(t *testing.T, f *memoize.Func[string, int]) error { return f.Invalidate(t.Context(), "key") },
		"all": func(t *testing.T, f *memoize.Func[string, int]) error { return f.InvalidateAll(t.Context()) },
		"many": func(t *testing.T, f *memoize.Func[string, int]) error {
			return f.InvalidateMany(t.Context(), []string{"key"})
		},
	}
	for _, c := range []struct {
		name string
		age  time.Duration
		run  func(t *testing.T, f *memoize.Func[string, int]) (memoize.Result[int], error)
		want memoize.Why
	}{
		{"miss", -1, func(t *testing.T, f *memoize.Func[string, int]) (memoize.Result[int], error) {
			return f.Result(t.Context(), "key")
		}, memoize.Fenced},
		{"expired", 2 * time.Hour, func(t *testing.T, f *memoize.Func[string, int]) (memoize.Result[int], error) {
			return f.Result(t.Context(), "key")
		}, memoize.Fenced},
		{"background", 2 * time.Minute, func(t *testing.T, f *memoize.Func[string, int]) (memoize.Result[int], error) {
			return f.Result(t.Context(), "key")
		}, memoize.Stale},
		{"forced", time.Second, func(t *testing.T, f *memoize.Func[string, int]) (memoize.Result[int], error) {
			v, err := f.Refresh(t.Context(), "key")
			return memoize.Result[int]{Value: v}, err
		}, 0},
	} {
		for verb, invalidate := range verbs {
			t.Run(c.name+" "+verb, func(t *testing.T) {
				bubble(t, func(t *testing.T) {
					source := returning[string](1)
					f := memoize.Must(memoize.New(source.load, minuteAndHour...))
					if c.age >= 0 {
						wants(t, 1)(f.Call(t.Context(), "key"))
						time.Sleep(c.age)
					}
					open := source.holds()
					finish := begin(1, func() (memoize.Result[int], error) { return c.run(t, f) })
					noError(t, invalidate(t, f))
					source.returns(2)
					source.lets()
					wants(t, 2)(f.Call(t.Context(), "key")) // a call that begins later
					open()                                  // the fenced load ends after the newer one
					r := finish()[0]
					if r.err != nil || r.value.Why != c.want {
						t.Fatalf("got %+v, %v; want why %v", r.value, r.err, c.want)
					}
					settled(t, f)
					wants(t, 2)(f.Call(t.Context(), "key"))
					if s := f.Stats(); s.Fenced != 1 || s.SupersededRunning != 0 {
						t.Fatalf("%d results are counted as fenced, %d superseded loads run; want 1 and 0", s.Fenced, s.SupersededRunning)
					}
				})
			})
		}
	}
}

// G4: a Set supersedes what runs.
func TestSetWhileALoadRuns(t *testing.T) {
	bubble(t, func(t *testing.T) {
		source := returning[string](1)
		open := source.holds()
		f := memoize.Must(memoize.New(source.load, minuteAndHour...))
		finish := begin(2, func() (int, error) { return f.Call(t.Context(), "key") })
		noError(t, f.Set(t.Context(), "key", 2))
		wants(t, 2)(f.Call(t.Context(), "key"))
		open()
		allWant(t, 2, finish()) // what is stored is newer than what they waited for
		settled(t, f)
		wants(t, 2)(f.Call(t.Context(), "key"))
		wantCalls(t, source, 1)
	})
}

// G4: an invalidation that comes while a value is being stored waits for that
// to end, and releases it.
func TestInvalidationWhileAValueIsStored(t *testing.T) {
	bubble(t, func(t *testing.T) {
		gate := make(chan struct{})
		store := &mockStorage[string, int]{}
		store.offer = func(context.Context, string) error { <-gate; return nil }
		source := returning[string](1)
		f := memoize.Must(memoize.New(source.load, with(config.Storage[string, int](store), config.StoreBudget(time.Hour, time.Hour))...))
		finish := begin(1, func() (int, error) { return f.Call(t.Context(), "key") })
		store.exactly(t, "offer key=1", 1)
		invalidated := begin(1, func() (int, error) { return 0, f.Invalidate(t.Context(), "key") })
		store.exactly(t, "release key", 0) // it waits
		close(gate)
		allWant(t, 0, invalidated())
		allWant(t, 1, finish())
		settled(t, f)
		if got, ok := store.holds("key"); ok {
			t.Fatalf("the storage holds %v after the invalidation has returned", got)
		}
	})
}

// G4, under chance: whatever runs meanwhile, a call that begins after an
// invalidation has returned gets nothing that was loaded before it.
func TestInvalidationRacesEverything(t *testing.T) {
	const keys, rounds = 3, 300
	for _, slow := range []bool{false, true} {
		t.Run(fmt.Sprintf("storage that takes time %v", slow), func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				var world [keys]atomic.Int64
				pause := func() { time.Sleep(time.Duration(rand.IntN(1000))) }
				opts := []config.Option{config.UpdateAfter(2 * time.Microsecond), config.ExpireAfter(10 * time.Microsecond), config.Capacity(2)}
				if slow {
					wait := func(context.Context, int) error { pause(); return nil }
					opts = append(opts, config.Storage[int, int](&clearable[int, int]{mockStorage[int, int]{get: wait, offer: wait, free: wait}}))
				}
				f := memoize.Must(memoize.New(func(_ context.Context, key int) (int, error) {
					seen := int(world[key].Load())
					pause()
					if rand.IntN(10) == 0 {
						return 0, errOutage
					}
					return seen, nil
				}, opts...))
				check := func(key int, call func(context.Context, int) (int, error)) {
					v := world[key].Load() // invalidated, if even
					v -= v % 2
					if got, err := call(t.Context(), key); err == nil && int64(got) < v-1 {
						t.Errorf("key %d: got %d, invalidated at %d", key, got, v)
					}
				}
				var wg sync.WaitGroup
				for key := range keys {
					wg.Go(func() { // odd: changed; even: invalidated too
						for range rounds {
							world[key].Add(1)
							if rand.IntN(10) > 0 {
								noErrorIn(t, f.Invalidate(t.Context(), key))
							} else {
								noErrorIn(t, f.InvalidateAll(t.Context()))
							}
							world[key].Add(1)
							pause()
						}
					})
					for range 3 {
						wg.Go(func() {
							for range rounds {
								check(key, f.Call)
								pause()
								if rand.IntN(4) == 0 {
									check(key, f.Refresh)
								}
							}
						})
					}
				}
				wg.Wait()
				settled(t, f)
				noError(t, f.Close(t.Context()))
			})
		})
	}
}

// clearable is a mockStorage that can drop everything.
type clearable[K comparable, V any] struct{ mockStorage[K, V] }

func (s *clearable[K, V]) Clear(ctx context.Context) error {
	var none K
	_ = s.free(ctx, none)
	s.stored.Clear()
	_ = s.free(ctx, none)
	return nil
}

func noErrorIn(t *testing.T, err error) {
	if err != nil {
		t.Error(err)
	}
}

// Panics.

// G7: whatever user code panics or calls runtime.Goexit, those who wait get an
// error with the stack, and the key works as soon as the code does.
func TestPanicsAndGoexit(t *testing.T) {
	var broken atomic.Bool
	var breakage func()
	crash := func(string) {
		if broken.Load() {
			breakage()
		}
	}
	crashOn := func(what string) func(string) {
		return func(happens string) {
			if happens == what {
				crash(what)
			}
		}
	}
	places := map[string]func(source *scripted[string, int]) *memoize.Func[string, int]{
		"source": func(source *scripted[string, int]) *memoize.Func[string, int] {
			return memoize.Must(memoize.New(func(ctx context.Context, arg string) (int, error) {
				v, err := source.load(ctx, arg)
				crash("source")
				return v, err
			}, minuteAndHour...))
		},
		"builder": func(source *scripted[string, int]) *memoize.Func[string, int] {
			return memoize.Must(memoize.New(source.load, config.Builder(entry.BuilderFunc[string, int](
				func(_ string, v int, now entry.Instant) *entry.Entry[int] {
					crash("builder")
					return entry.New(v, now, entry.Life{UpdateAfter: time.Minute, ExpireAfter: time.Hour})
				}))))
		},
		"strategy is told of a write": func(source *scripted[string, int]) *memoize.Func[string, int] {
			return memoize.Must(memoize.New(source.load, config.Evict[string](&mockStrategy[string]{hook: crashOn("written")})))
		},
		"strategy names a key": func(source *scripted[string, int]) *memoize.Func[string, int] {
			return memoize.Must(memoize.New(source.load, config.Evict[string](&mockStrategy[string]{hook: crashOn("next")})))
		},
	}
	for place, build := range places {
		for how, b := range map[string]func(){"panic": func() { panic(errOutage) }, "goexit": runtime.Goexit} {
			t.Run(place+" "+how, func(t *testing.T) {
				bubble(t, func(t *testing.T) {
					source := returning[string](1)
					f := build(source)
					open := source.holds()
					breakage = b
					broken.Store(true)
					finish := begin(3, func() (int, error) { return f.Call(t.Context(), "key") })
					open()
					for _, r := range finish() {
						var p *memoize.PanicError
						if !errors.As(r.err, &p) {
							t.Fatalf("got %v, %v; want a *PanicError", r.value, r.err)
						}
						if how == "panic" && (p.Value != errOutage || !errors.Is(r.err, errOutage)) || how == "goexit" && p.Value != memoize.ErrGoexit {
							t.Errorf("the panic's value is %v", p.Value)
						}
						if !strings.Contains(string(p.Stack), "untested_test.go") {
							t.Errorf("the stack does not show where it happened:\n%s", p.Stack)
						}
					}
					if s := f.Stats(); s.Panics != 1 {
						t.Errorf("%d panics are counted, want 1", s.Panics)
					}
					broken.Store(false)
					wants(t, 1)(f.Refresh(t.Context(), "key"))
					settled(t, f)
					noError(t, f.Close(t.Context()))
				})
			})
		}
	}
}

// G7: a panic in a background refresh is nobody's but the observer's.
func TestPanicInABackgroundRefresh(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var seen journal
		healthy := true
		f := memoize.Must(memoize.New(func(context.Context, string) (int, error) {
			if !healthy {
				panic("boom")
			}
			return 1, nil
		}, with(config.Observe(observe.Func(func(_ context.Context, e observe.Event) { seen.add("%v", e.Kind) })))...))
		wants(t, 1)(f.Call(t.Context(), "key"))
		healthy = false
		time.Sleep(2 * time.Minute)
		wants(t, 1)(f.Call(t.Context(), "key"))
		settled(t, f)
		seen.exactly(t, "panicked", 1)
		healthy = true
		time.Sleep(2 * time.Minute)
		wants(t, 1)(f.Call(t.Context(), "key"))
		settled(t, f)
		seen.exactly(t, "recovered", 1)
	})
}

// G7: code that runs on the caller's own goroutine. A Goexit there ends that
// goroutine, as it is meant to, and no other.
func TestPanicsOfTheCallersOwn(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var crash func()
		source := returning[string](1)
		strategy := &mockStrategy[string]{}
		f := memoize.Must(memoize.NewKeyed(source.load, func(k string) string {
			if k == "bad key" && crash != nil {
				crash()
			}
			return k
		}, with(config.Evict[string](strategy), config.Postprocess(config.CopyBy(func(v int) int {
			if v == 2 && crash != nil {
				crash()
			}
			return v
		})))...))
		crash = func() { panic("boom") }
		_, err := f.Call(t.Context(), "bad key")
		if p := (*memoize.PanicError)(nil); !errors.As(err, &p) || !errors.Is(err, memoize.ErrKey) {
			t.Fatalf("key function: got %v, want a *PanicError that matches ErrKey", err)
		}
		source.returns(2)
		for n := range 2 { // a miss and a hit
			_, err = f.Call(t.Context(), "key")
			if p := (*memoize.PanicError)(nil); !errors.As(err, &p) {
				t.Fatalf("postprocessing, call %d: got %v, want a *PanicError", n, err)
			}
		}
		wantCalls(t, source, 1)
		strategy.hook = func(what string) {
			if what == "read" {
				panic("boom")
			}
		}
		_, err = f.Call(t.Context(), "key")
		if p := (*memoize.PanicError)(nil); !errors.As(err, &p) {
			t.Fatalf("strategy's MarkRead: got %v, want a *PanicError", err)
		}
		strategy.hook = nil

		crash = runtime.Goexit
		for _, key := range []string{"bad key", "key"} {
			gone := make(chan bool, 1)
			go func() {
				returned := false
				defer func() { gone <- !returned }()
				f.Call(t.Context(), key)
				returned = true
			}()
			if !<-gone {
				t.Fatalf("key %q: the call returned, though its code ended the goroutine", key)
			}
		}
		crash = nil
		wants(t, 2)(f.Call(t.Context(), "bad key"))
		wants(t, 2)(f.Call(t.Context(), "key"))
		settled(t, f)
	})
}

// A panic of the observer's harms nobody.
func TestPanicOfAnObserver(t *testing.T) { // G7
	bubble(t, func(t *testing.T) {
		f := memoize.Must(memoize.New(returning[string](1).load,
			config.Observe(observe.Func(func(context.Context, observe.Event) { panic("boom") })), config.Logger(discardLog)))
		wants(t, 1)(f.Call(t.Context(), "key"))
		settled(t, f)
		wants(t, 1)(f.Call(t.Context(), "key"))
	})
}

// Hung sources.

// G1, G6: a source that does not obey its context is left to run; its key can
// be loaded once more, and then calls fail instead of piling up.
func TestHungSource(t *testing.T) {
	bubble(t, func(t *testing.T) {
		source := returning[string](1)
		open := source.holds()
		f := memoize.Must(memoize.New(source.load, config.MethodTimeout(time.Second)))
		for range 2 {
			for _, r := range together(3, func() (int, error) { return f.Call(t.Context(), "key") }) {
				loadError(t, r.err, memoize.TimedOut, memoize.ErrLoadTimeout)
			}
		}
		_, err := f.Call(t.Context(), "key")
		loadError(t, err, memoize.Failed, memoize.ErrRunaway)
		wantCalls(t, source, 2)
		synctest.Wait() // callers are released before the load is counted as late
		if s := f.Stats(); s.SupersededRunning != 2 || s.LoadsRunning != 0 || s.Late != 2 {
			t.Fatalf("%d superseded loads and %d others run, %d were late; want 2, 0 and 2", s.SupersededRunning, s.LoadsRunning, s.Late)
		}
		open()
		synctest.Wait()
		wants(t, 1)(f.Call(t.Context(), "key")) // a late result is stored
		wantCalls(t, source, 2)
	})
}

// G6: a late result is dropped where something newer is there.
func TestLateResultDoesNotReplaceANewerOne(t *testing.T) {
	for name, newer := range map[string]func(t *testing.T, f *memoize.Func[string, int], source *scripted[string, int]) int{
		"loaded": func(t *testing.T, f *memoize.Func[string, int], source *scripted[string, int]) int {
			source.returns(2)
			source.lets()
			wants(t, 2)(f.Call(t.Context(), "key"))
			return 2
		},
		"set": func(t *testing.T, f *memoize.Func[string, int], _ *scripted[string, int]) int {
			noError(t, f.Set(t.Context(), "key", 3))
			return 3
		},
		"invalidated": func(t *testing.T, f *memoize.Func[string, int], source *scripted[string, int]) int {
			noError(t, f.Invalidate(t.Context(), "key"))
			source.returns(4)
			source.lets()
			return 4
		},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				source := returning[string](1)
				open := source.holds()
				f := memoize.Must(memoize.New(source.load, config.MethodTimeout(time.Second)))
				_, err := f.Call(t.Context(), "key")
				loadError(t, err, memoize.TimedOut, memoize.ErrLoadTimeout)
				want := newer(t, f, source)
				open()
				synctest.Wait()
				wants(t, want)(f.Call(t.Context(), "key"))
				if s := f.Stats(); s.Superseded+s.Fenced != 1 {
					t.Fatalf("%d and %d results are counted as superseded and fenced, want one", s.Superseded, s.Fenced)
				}
			})
		})
	}
}

// Close.

// G11: Close drains; past the end of its context it cancels and says so.
func TestCloseDrainsOrCancels(t *testing.T) {
	bubble(t, func(t *testing.T) {
		source := returning[string](1)
		source.takes = time.Second
		f := memoize.Must(memoize.New(source.load))
		finish := begin(2, func() (int, error) { return f.Call(t.Context(), "key") })
		noError(t, f.Close(t.Context()))
		allWant(t, 1, finish())
		if _, err := f.Call(t.Context(), "key"); !errors.Is(err, memoize.ErrClosed) {
			t.Fatalf("got %v, want ErrClosed", err)
		}
	})
	bubble(t, func(t *testing.T) {
		f := memoize.Must(memoize.New(sleeping(time.Minute)))
		finish := begin(1, func() (int, error) { return f.Call(t.Context(), args{}) })
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		var c *memoize.CloseError
		if err := f.Close(ctx); !errors.As(err, &c) || c.Running != 1 || !errors.Is(err, context.DeadlineExceeded) {
			t.Fatalf("got %v, want a *CloseError of one load", err)
		}
		loadError(t, finish()[0].err, memoize.Failed, context.Canceled)
		noError(t, f.Close(t.Context()))
	})
}

// What the seed does in so many words, and has no test for.

// A nil is a value like any other.
func TestNilValueIsCached(t *testing.T) {
	bubble(t, func(t *testing.T) {
		source := returning[string]((*int)(nil))
		f := memoize.Must(memoize.New(source.load, minuteAndHour...))
		for range 3 {
			wants(t, (*int)(nil))(f.Call(t.Context(), "key"))
		}
		if v, ok := f.Peek(t.Context(), "key"); v != nil || !ok {
			t.Fatalf("Peek: %v, %v; want nil, and that it is there", v, ok)
		}
		wantCalls(t, source, 1)
	})
}

// The strategy learns of a read of an expired entry too.
func TestMarkReadOfAnExpiredEntry(t *testing.T) {
	bubble(t, func(t *testing.T) {
		strategy, store := &mockStrategy[string]{}, &mockStorage[string, string]{} // which is not swept
		f := keyed(returning[args]("value"), with(config.Evict[string](strategy), config.Storage[string, string](store))...)
		wants(t, "value")(f.Call(t.Context(), testArgs))
		time.Sleep(2 * time.Hour)
		strategy.exactly(t, "read key", 0)
		wants(t, "value")(f.Call(t.Context(), testArgs))
		strategy.exactly(t, "read key", 1)
		settled(t, f)
		strategy.exactly(t, "written key", 2)
	})
}

// G3: twenty calls on a stale entry are all served it, and start one load.
func TestTwentyCallsOnStale(t *testing.T) {
	bubble(t, func(t *testing.T) {
		source := returning[string](1)
		f := memoize.Must(memoize.New(source.load, minuteAndHour...))
		wants(t, 1)(f.Call(t.Context(), "key"))
		time.Sleep(2 * time.Minute)
		source.returns(2)
		open := source.holds()
		allWant(t, 1, together(20, func() (int, error) { return f.Call(t.Context(), "key") }))
		wantCalls(t, source, 2)
		open()
		settled(t, f)
		wants(t, 2)(f.Call(t.Context(), "key"))
		wantCalls(t, source, 2)
	})
}

// Everybody gets a value of their own: after a load each of those who waited,
// and on every hit.
func TestPostprocessingOnEveryReturn(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var applied atomic.Int64
		source := returning[string](1)
		open := source.holds()
		f := memoize.Must(memoize.New(source.load, with(config.Postprocess(config.CopyBy(func(v int) int {
			applied.Add(1)
			return v + 10
		})))...))
		finish := begin(3, func() (int, error) { return f.Call(t.Context(), "key") })
		open()
		allWant(t, 11, finish())
		wants(t, 11)(f.Call(t.Context(), "key")) // fresh
		time.Sleep(2 * time.Minute)
		wants(t, 11)(f.Call(t.Context(), "key")) // stale
		if n := applied.Load(); n != 5 {
			t.Fatalf("applied %d times to 5 returns", n)
		}
		settled(t, f)
		if n := applied.Load(); n != 5 {
			t.Fatalf("applied in a refresh: %d times to 5 returns", n)
		}
	})
}

// G11: the seed does not release a key that is being updated, and forgets that
// it was to be released. Here it is released, and its update enters it again.
func TestEvictionOfAKeyThatIsBeingUpdated(t *testing.T) {
	bubble(t, func(t *testing.T) {
		source := returning[string](1)
		f := memoize.Must(memoize.New(source.load, with(config.Evict(eviction.LeastRecentlyUpdated[string](1)))...))
		wants(t, 1)(f.Call(t.Context(), "a"))
		time.Sleep(2 * time.Minute)
		open := source.holds()
		wants(t, 1)(f.Call(t.Context(), "a")) // its refresh begins
		synctest.Wait()
		source.lets()
		wants(t, 1)(f.Call(t.Context(), "b"))
		synctest.Wait()
		if f.Has(t.Context(), "a") || f.Len() != 1 {
			t.Fatalf("a is there: %v, %d entries; want b alone", f.Has(t.Context(), "a"), f.Len())
		}
		open()
		settled(t, f)
		if !f.Has(t.Context(), "a") || f.Len() != 1 {
			t.Fatalf("a is there: %v, %d entries; want a alone", f.Has(t.Context(), "a"), f.Len())
		}
		if s := f.Stats(); s.Evicted != 2 {
			t.Fatalf("%d entries were evicted, want 2", s.Evicted)
		}
	})
}

// Capacity 0 keeps nothing and still collapses.
func TestCapacityZero(t *testing.T) {
	bubble(t, func(t *testing.T) {
		source := returning[string](1)
		source.takes = time.Second
		f := memoize.Must(memoize.New(source.load, with(config.Capacity(0))...))
		for n := range 3 {
			allWant(t, 1, together(5, func() (int, error) { return f.Call(t.Context(), "key") }))
			settled(t, f)
			wantCalls(t, source, n+1)
			if f.Len() != 0 {
				t.Fatalf("%d entries are held", f.Len())
			}
		}
	})
}

// A builder of one's own gives each value its life, counted from the source's
// return.
func TestLifeFromTheValue(t *testing.T) {
	bubble(t, func(t *testing.T) {
		source := returning[string](10 * time.Second)
		source.takes = time.Minute
		f := memoize.Must(memoize.New(source.load, config.Builder(entry.LifeOf[string](func(ttl time.Duration) entry.Life {
			return entry.Life{UpdateAfter: ttl, ExpireAfter: ttl + ttl/10}
		}))))
		wants(t, 10*time.Second)(f.Call(t.Context(), "key"))
		for _, c := range []struct {
			after time.Duration
			state entry.State
			has   bool
		}{{10*time.Second - 1, entry.Fresh, true}, {1, entry.Stale, true}, {time.Second - 1, entry.Stale, true}, {1, entry.Missing, false}} {
			time.Sleep(c.after)
			if has := f.Has(t.Context(), "key"); has != c.has {
				t.Fatalf("after %v more it is there: %v, want %v", c.after, has, c.has)
			}
			if !c.has {
				continue
			}
			if r, err := f.Result(t.Context(), "key"); err != nil || r.State != c.state {
				t.Fatalf("after %v more: %+v, %v; want %v", c.after, r, err, c.state)
			}
		}
		settled(t, f)
	})
}

// Defaults are a storage and a strategy of the function's own.
func TestFunctionsShareNothing(t *testing.T) {
	bubble(t, func(t *testing.T) {
		one, two := returning[string](1), returning[string](2)
		f, g := memoize.Must(memoize.New(one.load)), memoize.Must(memoize.New(two.load))
		wants(t, 1)(f.Call(t.Context(), "key"))
		wants(t, 2)(g.Call(t.Context(), "key"))
		noError(t, f.Invalidate(t.Context(), "key"))
		if !g.Has(t.Context(), "key") {
			t.Fatal("an invalidation of one function reached another")
		}
	})
}

// In the seed the strategy is not told of an invalidation, and a key that is
// gone takes a place.
func TestInvalidationTellsTheStrategy(t *testing.T) {
	bubble(t, func(t *testing.T) {
		strategy := &mockStrategy[string]{}
		f := keyed(returning[args]("value"), config.Evict[string](strategy))
		wants(t, "value")(f.Call(t.Context(), testArgs))
		noError(t, f.Invalidate(t.Context(), testArgs))
		strategy.exactly(t, "released key", 1)
	})
}

// A timeout of the source's own is a failure like any other: in the seed it
// can't be told from the method timeout.
func TestSourcesOwnTimeout(t *testing.T) {
	bubble(t, func(t *testing.T) {
		source := returning[string](1)
		source.fails(context.DeadlineExceeded)
		f := memoize.Must(memoize.New(source.load))
		_, err := f.Call(t.Context(), "key")
		if l := loadError(t, err, memoize.Failed, context.DeadlineExceeded); l.Timeout() || errors.Is(err, memoize.ErrLoadTimeout) {
			t.Fatalf("%v passes for the method timeout", err)
		}
	})
}

// A builder that makes no entry fails the load.
func TestBuilderMakesNothing(t *testing.T) {
	bubble(t, func(t *testing.T) {
		f := memoize.Must(memoize.New(returning[string](1).load, config.Builder(entry.BuilderFunc[string, int](
			func(string, int, entry.Instant) *entry.Entry[int] { return nil }))))
		_, err := f.Call(t.Context(), "key")
		var l *memoize.LoadError
		if !errors.As(err, &l) || !strings.Contains(err.Error(), "builder returned nil") {
			t.Fatalf("got %v, want a *LoadError that names the builder", err)
		}
		if err := f.Set(t.Context(), "key", 2); err == nil || f.Len() != 0 {
			t.Fatalf("Set: %v, %d entries", err, f.Len())
		}
	})
}

// Postprocessing and keys change for the next call.
func TestPostprocessingAndKeysChange(t *testing.T) {
	bubble(t, func(t *testing.T) {
		live := mutable(minuteAndHour...)
		source := returning[string](1)
		f := memoize.Must(memoize.Memoize(source.load, live))
		wants(t, 1)(f.Call(t.Context(), "key"))
		noError(t, live.Apply(config.Postprocess(config.CopyBy(func(v int) int { return v + 10 }))))
		wants(t, 11)(f.Call(t.Context(), "key"))
		wantCalls(t, source, 1)
		noError(t, live.Apply(config.Keys(config.KeyOf(strings.ToUpper))))
		wants(t, 11)(f.Call(t.Context(), "key"))
		wants(t, 11)(f.Call(t.Context(), "Key"))
		wantCalls(t, source, 2)
	})
}
