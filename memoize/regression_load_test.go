package memoize_test

import (
	"context"
	"errors"
	"math"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/benbjohnson/clock"

	"github.com/perennial-go/perennial/config"
	"github.com/perennial-go/perennial/entry"
	"github.com/perennial-go/perennial/memoize"
	"github.com/perennial-go/perennial/observe"
	"github.com/perennial-go/perennial/statuses"
)

// The tests of this file and of regression_store_test.go each hold on to one
// thing that is easy to get wrong: here of loads and calls, there of storages,
// strategies and configurations.

// heldKeys makes "key" of every argument. A call with "held" stays between its
// snapshot and its key until open is called.
func heldKeys() (keys config.Option, open func()) {
	gate := make(chan struct{})
	return config.Keys(config.KeyOf(func(arg string) string {
		if arg == "held" {
			<-gate
		}
		return "key"
	})), sync.OnceFunc(func() { close(gate) })
}

// patient is a context that outlasts what a test waits for, so that a call that
// hangs fails the test instead of hanging it.
func patient(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
	t.Cleanup(cancel)
	return ctx
}

// atOnce checks that what began at an instant of a bubble ended at the same.
func atOnce(t *testing.T, began time.Time) {
	t.Helper()
	if took := time.Since(began); took != 0 {
		t.Fatalf("it took %v, want no time", took)
	}
}

// The method timeout.

// G6: the method timeout covers the builder as well as the source.
func TestHungBuilderReleasesCallers(t *testing.T) {
	bubble(t, func(t *testing.T) {
		gate := make(chan struct{})
		open := sync.OnceFunc(func() { close(gate) })
		defer open()
		source := returning[string](1)
		f := memoize.Must(memoize.New(source.load, config.MethodTimeout(time.Second),
			config.Builder(entry.BuilderFunc[string, int](func(_ string, value int, now entry.Instant) *entry.Entry[int] {
				<-gate
				return entry.New(value, now, entry.Life{UpdateAfter: time.Minute, ExpireAfter: time.Hour})
			}))))
		ctx := patient(t)
		began := time.Now()
		for _, r := range together(3, func() (int, error) { return f.Call(ctx, "key") }) {
			loadError(t, r.err, memoize.TimedOut, memoize.ErrLoadTimeout)
		}
		if took := time.Since(began); took != time.Second {
			t.Fatalf("callers were released after %v, want the method timeout", took)
		}
		open()
		synctest.Wait()
		wants(t, 1)(f.Call(ctx, "key")) // the late entry is stored
		wantCalls(t, source, 1)
	})
}

// The goroutine of the method timeout serves every key of a batch: an observer
// that ends it at the first must not keep it from the others.
func TestGoexitOfAnObserverAtTheTimeoutReleasesCallers(t *testing.T) {
	bubble(t, func(t *testing.T) {
		gate := make(chan struct{})
		open := sync.OnceFunc(func() { close(gate) })
		defer open()
		f := memoize.Must(memoize.NewBatched(func(_ context.Context, keys []string) (map[string]int, error) {
			if len(keys) > 1 {
				<-gate
			}
			return map[string]int{"other": 1}, nil
		}, config.MethodTimeout(time.Second), config.MaxLoads(2), config.Observe(observe.Func(func(_ context.Context, e observe.Event) {
			if e.Kind == observe.Failing || e.Kind == observe.Late {
				runtime.Goexit()
			}
		}))))
		ctx := patient(t)
		for _, batch := range [][]string{{"a", "b"}, {"c", "d"}} {
			_, err := f.CallMany(ctx, batch)
			var many *memoize.ManyError
			if !errors.As(err, &many) {
				t.Fatalf("got %v, want a *ManyError", err)
			}
			for i := range batch {
				loadError(t, many.At(i), memoize.TimedOut, memoize.ErrLoadTimeout)
			}
		}
		synctest.Wait()
		if s := f.Stats(); s.LoadsRunning != 0 {
			t.Fatalf("%d loads count as in their time, want none", s.LoadsRunning)
		}
		wants(t, 1)(f.Call(ctx, "other")) // the late loads' places are free
	})
}

// An update that the registry's own timeout has ended is over for its callers.
// Its load still has a place, which the method timeout frees, and a record,
// which its end does.
func TestLockTimeoutLeaksNothing(t *testing.T) {
	bubble(t, func(t *testing.T) {
		registry := statuses.NewInMemory[string, int](time.Second, nil)
		source := returning[string](1)
		open := source.holds()
		defer open()
		f := memoize.Must(memoize.New(source.load, config.MethodTimeout(time.Minute), config.MaxLoads(1),
			config.UpdateStatuses(registry)))
		ctx := patient(t)
		_, err := f.Call(ctx, "key")
		loadError(t, err, memoize.TimedOut, statuses.ErrLockTimeout)
		source.lets()
		time.Sleep(time.Minute)
		synctest.Wait()
		wants(t, 1)(f.Call(ctx, "other"))
		settled(t, f)
		if s := f.Stats(); s.LoadsRunning != 0 {
			t.Fatalf("%d loads count as in their time, want none", s.LoadsRunning)
		}
		open()
		synctest.Wait()
		if got := registry.Counts(); got != (statuses.Counts{}) {
			t.Fatalf("the registry still counts %+v", got)
		}
		wants(t, 1)(f.Call(ctx, "key"))
		wantCalls(t, source, 2)
	})
}

// G8: an entry that has been stale since before time began and is never to
// expire has a window that no duration holds.
func TestBackOffOfAnEndlessWindow(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var delays []time.Duration
		source := returning[string](1)
		f := memoize.Must(memoize.New(source.load,
			config.Builder(entry.BuilderFunc[string, int](func(_ string, value int, now entry.Instant) *entry.Entry[int] {
				return entry.Restore(value, now, entry.At(time.Time{}), entry.Never)
			})),
			config.Observe(observe.Func(func(_ context.Context, e observe.Event) {
				if e.Kind == observe.Delayed {
					delays = append(delays, e.Duration)
				}
			}))))
		wants(t, 1)(f.Call(t.Context(), "key"))
		source.fails(errOutage)
		for range 3 {
			wants(t, 1)(f.Call(t.Context(), "key"))
			settled(t, f)
		}
		if len(delays) != 1 || delays[0] < time.Second/2 || delays[0] > time.Second {
			t.Fatalf("delays are %v, want one between half a second and a second", delays)
		}
		time.Sleep(time.Second)
		source.returns(2)
		wants(t, 1)(f.Call(t.Context(), "key"))
		settled(t, f)
		wants(t, 2)(f.Call(t.Context(), "key"))
		settled(t, f)
	})
}

// Close and Wait.

// A call that has its snapshot when Close comes finds out before it loads.
func TestCallPastItsSnapshotIsClosed(t *testing.T) {
	bubble(t, func(t *testing.T) {
		source := returning[string](1)
		keys, open := heldKeys()
		f := memoize.Must(memoize.New(source.load, keys))
		finish := begin(1, func() (int, error) { return f.Call(t.Context(), "held") })
		noError(t, f.Close(t.Context()))
		open()
		if r := finish()[0]; !errors.Is(r.err, memoize.ErrClosed) {
			t.Fatalf("got %v, %v; want ErrClosed", r.value, r.err)
		}
		wantCalls(t, source, 0)
	})
}

// G11: a load that was given up at the method timeout is one that runs.
func TestCloseWaitsForLateLoads(t *testing.T) {
	bubble(t, func(t *testing.T) {
		source := returning[string](1)
		open := source.holds()
		defer open()
		f := memoize.Must(memoize.New(source.load, config.MethodTimeout(time.Second)))
		_, err := f.Call(t.Context(), "key")
		loadError(t, err, memoize.TimedOut, memoize.ErrLoadTimeout)
		closed := make(chan error, 1)
		go func() { closed <- f.Close(t.Context()) }()
		synctest.Wait()
		if len(closed) > 0 {
			t.Fatalf("Close returned %v while a late load runs", <-closed)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		var c *memoize.CloseError
		if err := f.Close(ctx); !errors.As(err, &c) || c.Running != 1 || !errors.Is(err, context.DeadlineExceeded) {
			t.Fatalf("got %v, want a *CloseError of one load", err)
		}
		open()
		noError(t, <-closed)
	})
}

// Whoever waits for the loads from within one does not wait for that one,
// however it was started.
func TestWaitInsideASource(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var f *memoize.Func[string, int]
		f = memoize.Must(memoize.New(func(ctx context.Context, _ string) (int, error) { return 1, f.Wait(ctx) },
			config.MethodTimeout(time.Second)))
		began := time.Now()
		wants(t, 1)(f.Direct(t.Context(), "key"))
		wants(t, 1)(f.Call(t.Context(), "key"))
		wants(t, 1)(f.Refresh(t.Context(), "key"))
		atOnce(t, began)
	})
}

// Loads within loads.

// The outer load holds the only place until the inner one has ended.
func TestNestedLoadsNeedOnePlace(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var f *memoize.Func[int, int]
		f = memoize.Must(memoize.New(func(ctx context.Context, n int) (int, error) {
			if n == 0 {
				return 0, nil
			}
			below, err := f.Call(ctx, n-1)
			return below + 1, err
		}, config.MaxLoads(1), config.MethodTimeout(time.Second)))
		began := time.Now()
		wants(t, 3)(f.Call(t.Context(), 3))
		atOnce(t, began)
	})
}

// The context of a load is not that of a caller who waits for it any more once
// the load has ended.
func TestContextOfAnEndedLoadIsNoRecursion(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var kept context.Context
		source := returning[string](1)
		f := memoize.Must(memoize.New(func(ctx context.Context, key string) (int, error) {
			kept = context.WithoutCancel(ctx) // for a goroutine that outlives the load
			return source.load(ctx, key)
		}))
		wants(t, 1)(f.Call(t.Context(), "key"))
		settled(t, f)
		source.returns(2)
		wants(t, 2)(f.Refresh(kept, "key"))
		if _, err := f.CallMany(kept, []string{"key"}); err != nil {
			t.Fatal(err)
		}
	})
}

// Nobody waits for a refresh in the background, so it may wait for the load
// that started it.
func TestRefreshMayWaitForTheLoadThatStartedIt(t *testing.T) {
	bubble(t, func(t *testing.T) {
		gate := make(chan struct{})
		open := sync.OnceFunc(func() { close(gate) })
		defer open()
		var f *memoize.Func[string, int]
		var refreshing atomic.Bool
		f = memoize.Must(memoize.New(func(ctx context.Context, key string) (int, error) {
			switch {
			case key == "outer":
				inner, err := f.Call(ctx, "inner") // stale: starts its refresh
				<-gate
				return inner + 10, err
			case refreshing.Load():
				return f.Call(ctx, "outer")
			}
			return 1, nil
		}, minuteAndHour...))
		wants(t, 1)(f.Call(t.Context(), "inner"))
		settled(t, f)
		time.Sleep(2 * time.Minute)
		refreshing.Store(true)
		outer := begin(1, func() (int, error) { return f.Call(t.Context(), "outer") })
		open()
		allWant(t, 11, outer())
		settled(t, f)
		wants(t, 11)(f.Call(t.Context(), "inner"))
	})
}

// Forced calls.

// An update that waits its turn may have been asked for by a call that any
// value is good enough for. A Refresh that joins it needs one that is loaded.
func TestRefreshThatJoinsAQueuedCallIsForced(t *testing.T) {
	bubble(t, func(t *testing.T) {
		storing := make(chan struct{})
		var hold atomic.Bool
		store := &mockStorage[string, int]{offer: func(context.Context, string) error {
			if hold.Load() {
				<-storing
			}
			return nil
		}}
		source := returning[string](1)
		f := memoize.Must(memoize.New(source.load, with(config.Storage[string, int](store), config.StoreBudget(time.Minute, time.Minute))...))
		call := func() (int, error) { return f.Call(t.Context(), "key") }
		var open [2]func()
		for i := range open {
			open[i] = source.holds()
			defer open[i]()
			begin(1, call)
			noError(t, f.Invalidate(t.Context(), "key"))
		}
		source.lets()
		queued := begin(1, call) // two superseded loads run: it waits for one of them
		hold.Store(true)
		set := begin(1, func() (int, error) { return 0, f.Set(t.Context(), "key", 2) })
		source.returns(3)
		forced := begin(1, func() (int, error) { return f.Refresh(t.Context(), "key") })
		wantCalls(t, source, 2)
		close(storing)
		allWant(t, 0, set())
		open[0]()
		open[1]()
		allWant(t, 3, forced())
		allWant(t, 3, queued())
		wantCalls(t, source, 3)
		settled(t, f)
	})
}

// Many keys.

// A NaN is found under no key: each is asked for on its own, once the other
// keys' loads have begun, and nothing of it is kept.
func TestNaNAmongManyKeys(t *testing.T) {
	bubble(t, func(t *testing.T) {
		began := time.Now()
		var late journal
		var loads atomic.Int64
		f := memoize.Must(memoize.New(func(_ context.Context, key float64) (int, error) {
			if key == key && time.Since(began) > 0 {
				late.add("%v", key)
			}
			n := loads.Add(1)
			time.Sleep(time.Second)
			if key != key {
				return 1000 * int(n), nil
			}
			return int(key), nil
		}, config.Postprocess(config.CopyBy(func(v int) int { return v + 100 }))))
		nan := math.NaN()
		got, err := f.CallMany(t.Context(), []float64{nan, 1, nan, 2})
		noError(t, err)
		if got[1] != 101 || got[3] != 102 || got[0] == got[2] {
			t.Fatalf("got %v, want the key's own value for each", got)
		}
		for _, i := range []int{0, 2} {
			if got[i] < 1000 || got[i]%1000 != 100 {
				t.Fatalf("got %d for NaN, want its value, postprocessed once", got[i])
			}
		}
		if held := late.all(); len(held) > 0 {
			t.Fatalf("the loads of %q waited for a NaN's", held)
		}
		settled(t, f)
		if n := loads.Load(); n != 4 || f.Len() != 2 {
			t.Fatalf("%d loads and %d entries, want 4 and those of 1 and 2", n, f.Len())
		}
	})
}

// G7: a builder that panics for one key of a batch fails that one.
func TestPanicOfTheBuilderSparesTheRestOfABatch(t *testing.T) {
	bubble(t, func(t *testing.T) {
		f := memoize.Must(memoize.NewBatched(func(_ context.Context, keys []string) (map[string]int, error) {
			values := map[string]int{}
			for _, key := range keys {
				values[key] = len(key)
			}
			return values, nil
		}, config.Logger(discardLog), config.Builder(entry.BuilderFunc[string, int](func(key string, value int, now entry.Instant) *entry.Entry[int] {
			if key == "bad" {
				panic("boom")
			}
			return entry.New(value, now, entry.Life{UpdateAfter: time.Minute, ExpireAfter: time.Hour})
		}))))
		got, err := f.CallMany(t.Context(), []string{"bad", "a", "bb"})
		var many *memoize.ManyError
		var p *memoize.PanicError
		if !errors.As(err, &many) || !errors.As(many.At(0), &p) || many.At(1) != nil || many.At(2) != nil {
			t.Fatalf("got %v, want a *PanicError for the first key alone", err)
		}
		if got[1] != 1 || got[2] != 2 || !f.Has(t.Context(), "a") || !f.Has(t.Context(), "bb") {
			t.Fatalf("got %v, %d entries; want the others' values, stored", got, f.Len())
		}
	})
}

// A key of a background batch that waits for superseded loads of its own does
// not make the other keys wait with it.
func TestQueuedKeyDoesNotHoldUpABackgroundBatch(t *testing.T) {
	bubble(t, func(t *testing.T) {
		gate := make(chan struct{})
		open := sync.OnceFunc(func() { close(gate) })
		defer open()
		var hold atomic.Bool
		var value atomic.Int64
		f := memoize.Must(memoize.NewBatched(func(_ context.Context, keys []string) (map[string]int, error) {
			if hold.Load() {
				<-gate
			}
			values := map[string]int{}
			for _, key := range keys {
				values[key] = int(value.Load())
			}
			return values, nil
		}, with(config.MethodTimeout(time.Hour))...))
		hold.Store(true)
		for range 2 { // two loads of slow, superseded
			begin(1, func() (int, error) { return f.Refresh(t.Context(), "slow") })
			noError(t, f.Invalidate(t.Context(), "slow"))
		}
		hold.Store(false)
		noError(t, f.SetMany(t.Context(), []string{"slow", "other"}, []int{1, 1}))
		time.Sleep(2 * time.Minute)
		value.Store(2)
		got, err := f.CallMany(t.Context(), []string{"slow", "other"}) // stale: both are refreshed
		if err != nil || got[0] != 1 || got[1] != 1 {
			t.Fatalf("got %v, %v; want the stale values", got, err)
		}
		synctest.Wait()
		if v, _ := f.Peek(t.Context(), "other"); v != 2 {
			t.Fatalf("the other key is still %d: its refresh waits for the superseded loads", v)
		}
		open()
		settled(t, f)
		if v, _ := f.Peek(t.Context(), "slow"); v != 2 {
			t.Fatalf("the key that waited is %d, want 2", v)
		}
	})
}

// Places.

// A change that leaves MaxLoads alone leaves the loads that run in their
// places.
func TestPlacesCarryOverAChange(t *testing.T) {
	bubble(t, func(t *testing.T) {
		live := mutable(with(config.MaxLoads(1))...)
		source := returning[string](1)
		open := source.holds()
		defer open()
		f := memoize.Must(memoize.Memoize(source.load, live))
		first := begin(1, func() (int, error) { return f.Call(t.Context(), "first") })
		noError(t, live.Apply(config.UpdateAfter(2*time.Minute)))
		second := begin(1, func() (int, error) { return f.Call(t.Context(), "second") })
		wantCalls(t, source, 1)
		open()
		allWant(t, 1, first())
		allWant(t, 1, second())
		wantCalls(t, source, 2)
	})
}

// A clock that is handed in.

// hookedClock runs a hook once, between the moment at which it reads the time
// and that at which it returns it.
type hookedClock struct {
	*clock.Mock
	hook atomic.Pointer[func()]
}

func (c *hookedClock) Now() time.Time {
	now := c.Mock.Now()
	if hook := c.hook.Swap(nil); hook != nil {
		(*hook)()
	}
	return now
}

// One who reads the clock may be overtaken by one who reads it later; then time
// has not gone back.
func TestConcurrentReadingsOfAClockAreNoStepBack(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var seen journal
		mock := &hookedClock{Mock: clock.NewMock()}
		f := memoize.Must(memoize.New(returning[string](1).load, config.Clock(mock),
			config.Observe(observe.Func(func(_ context.Context, e observe.Event) { seen.add("%v", e.Kind) }))))
		wants(t, 1)(f.Call(t.Context(), "key"))
		settled(t, f)
		mock.Add(time.Second)
		overtake := func() {
			mock.Add(time.Second)
			f.Peek(t.Context(), "key")
		}
		mock.hook.Store(&overtake)
		f.Peek(t.Context(), "key")
		if mock.hook.Load() != nil {
			t.Fatal("the test expects Peek to read the clock")
		}
		seen.exactly(t, "clock backwards", 0)
	})
}

// A deadline is compared with the time of the world: one on another clock would
// end what the source does at once, or never.
func TestNoDeadlineUnderAClockThatIsHandedIn(t *testing.T) {
	for name, handed := range map[string]bool{"handed in": true, "real": false} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				var seen journal
				note := func(ctx context.Context, what string) {
					if _, has := ctx.Deadline(); has == handed {
						seen.add("%s: has a deadline: %v", what, has)
					}
				}
				store := &mockStorage[string, int]{
					get:   func(ctx context.Context, _ string) error { note(ctx, "get"); return nil },
					offer: func(ctx context.Context, _ string) error { note(ctx, "offer"); return nil },
				}
				opts := []config.Option{config.Storage[string, int](store)}
				if handed {
					opts = append(opts, config.Clock(clock.NewMock()))
				}
				calls := 0
				f := memoize.Must(memoize.New(func(ctx context.Context, _ string) (int, error) {
					calls++
					note(ctx, "source")
					return 1, nil
				}, opts...))
				wants(t, 1)(f.Call(t.Context(), "key"))
				wants(t, 1)(f.Direct(t.Context(), "key"))
				settled(t, f)
				if wrong := seen.all(); len(wrong) > 0 || calls != 2 {
					t.Fatalf("of 2 loads %d ran; wrong are %q", calls, wrong)
				}
			})
		})
	}
}

// G7: an observer that ends the goroutine of a call past the cache releases its
// caller.
func TestGoexitOfAnObserverOfDirect(t *testing.T) {
	bubble(t, func(t *testing.T) {
		f := memoize.Must(memoize.New(returning[int](1).load, config.Observe(observe.Func(func(_ context.Context, e observe.Event) {
			if e.Kind == observe.LoadStarted {
				runtime.Goexit()
			}
		}))))
		began := time.Now()
		if _, err := f.Direct(t.Context(), 1); !errors.Is(err, memoize.ErrGoexit) || time.Since(began) > 0 {
			t.Errorf("after %v: %v", time.Since(began), err)
		}
		noError(t, f.Close(t.Context()))
	})
}
