package memoize_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/perennial-go/perennial/config"
	"github.com/perennial-go/perennial/invalidation"
	"github.com/perennial-go/perennial/memoize"
	"github.com/perennial-go/perennial/statuses"
	"github.com/perennial-go/perennial/storage"
)

// The tests of this file are of what py-memoize does wrong, one for each
// defect. Each would fail on its logic.

// The seed: the future that all wait on is cancelled with the waiter, so that
// every other waiter is cancelled and the leader gets an error of the registry.
func TestDefect01CancelledWaiterHarmsNobody(t *testing.T) { // G5
	bubble(t, func(t *testing.T) {
		source := returning[string](1)
		open := source.holds()
		f := memoize.Must(memoize.New(source.load))
		leader := begin(1, func() (int, error) { return f.Call(t.Context(), "key") })
		ctx, cancel := context.WithCancel(t.Context())
		leaves := begin(1, func() (int, error) { return f.Call(ctx, "key") })
		others := begin(3, func() (int, error) { return f.Call(t.Context(), "key") })
		cancel()
		if r := leaves()[0]; r.err != context.Canceled {
			t.Fatalf("who was cancelled got %v, %v", r.value, r.err)
		}
		open()
		allWant(t, 1, leader())
		allWant(t, 1, others())
		wants(t, 1)(f.Call(t.Context(), "key"))
		wantCalls(t, source, 1)
	})
}

// The seed: those who wait for a leader that is cancelled crash on a value that
// is an exception which they do not take for one.
func TestDefect02CancelledLeaderHarmsNobody(t *testing.T) { // G5
	bubble(t, func(t *testing.T) {
		source := returning[string](1)
		open := source.holds()
		f := memoize.Must(memoize.New(source.load))
		ctx, cancel := context.WithCancel(t.Context())
		leader := begin(1, func() (int, error) { return f.Call(ctx, "key") })
		others := begin(3, func() (int, error) { return f.Call(t.Context(), "key") })
		cancel()
		if r := leader()[0]; r.err != context.Canceled {
			t.Fatalf("the leader got %v, %v", r.value, r.err)
		}
		open()
		allWant(t, 1, others())
		wantCalls(t, source, 1)
	})
}

// lockTimeout memoizes under a registry whose lock timeout is a second and a
// method timeout of an hour.
func lockTimeout(source *scripted[string, int]) *memoize.Func[string, int] {
	return memoize.Must(memoize.New(source.load, config.MethodTimeout(time.Hour),
		config.UpdateStatuses(statuses.NewInMemory[string, int](time.Second, nil))))
}

// The seed: at the lock timeout those who wait get None and crash on it; the
// leader gets an error of the registry although its value was stored.
func TestDefect03LockTimeoutIsAnErrorForAll(t *testing.T) {
	bubble(t, func(t *testing.T) {
		source := returning[string](1)
		open := source.holds()
		f := lockTimeout(source)
		for _, r := range together(4, func() (int, error) { return f.Call(t.Context(), "key") }) { // the leader among them
			if !errors.Is(r.err, statuses.ErrLockTimeout) {
				t.Fatalf("got %v, %v; want ErrLockTimeout", r.value, r.err)
			}
		}
		open()
		settled(t, f)
		wants(t, 1)(f.Call(t.Context(), "key"))
		wantCalls(t, source, 1)
	})
}

// The seed: a load that outlasts the lock timeout ends the next update of its
// key, with its older value; those who wait for the newer one get the older,
// and the second leader an error.
func TestDefect04LateLoadDoesNotEndTheNextUpdate(t *testing.T) {
	bubble(t, func(t *testing.T) {
		source := returning[string](1)
		openFirst := source.holds()
		f := lockTimeout(source)
		together(1, func() (int, error) { return f.Call(t.Context(), "key") })
		source.returns(2)
		openSecond := source.holds()
		second := begin(3, func() (int, error) { return f.Call(t.Context(), "key") })
		openFirst()
		synctest.Wait()
		openSecond()
		allWant(t, 2, second())
		settled(t, f)
		wants(t, 2)(f.Call(t.Context(), "key"))
		wantCalls(t, source, 2)
	})
}

// The seed: a forced refresh returns the current entry at once if a refresh
// runs, even one that has expired.
func TestDefect05ForcedRefreshWaitsForANewValue(t *testing.T) { // G2
	for name, age := range map[string]time.Duration{"fresh": 0, "stale": 2 * time.Minute, "expired": 2 * time.Hour} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				source := returning[string](1)
				f := memoize.Must(memoize.New(source.load, minuteAndHour...))
				wants(t, 1)(f.Call(t.Context(), "key"))
				time.Sleep(age)
				source.returns(2)
				open := source.holds()
				running := begin(1, func() (int, error) { return f.Refresh(t.Context(), "key") })
				source.returns(3)
				source.lets()
				forced := begin(1, func() (int, error) { return f.Refresh(t.Context(), "key") })
				open()
				allWant(t, 3, forced())
				allWant(t, 2, running())
			})
		})
	}
}

// The seed: what goes wrong after the value was stored (in eviction) reaches
// the caller as whatever exception it was.
func TestDefect06FailingEvictionIsALoadErrorOrNobodys(t *testing.T) { // G7, G9
	for _, what := range []string{"written", "next"} {
		t.Run("strategy panics in "+what, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				strategy := &mockStrategy[string]{hook: func(happens string) {
					if happens == what {
						panic("boom")
					}
				}}
				f := memoize.Must(memoize.New(returning[string](1).load, config.Evict[string](strategy)))
				for _, r := range together(3, func() (int, error) { return f.Refresh(t.Context(), "key") }) {
					var l *memoize.LoadError
					if !errors.As(r.err, &l) {
						t.Fatalf("got %v, %v; want a *LoadError", r.value, r.err)
					}
				}
			})
		})
	}
	// The release of what was evicted concerns no caller.
	for name, broken := range map[string]struct {
		strategy *mockStrategy[string]
		store    *mockStorage[string, string]
	}{
		"storage fails to release": {releasing(), &mockStorage[string, string]{free: failing}},
		"strategy panics when told": {func() *mockStrategy[string] {
			s := releasing()
			s.hook = func(what string) {
				if what == "released" {
					panic("boom")
				}
			}
			return s
		}(), &mockStorage[string, string]{}},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				f := keyed(returning[args]("value"), config.Evict[string](broken.strategy), config.Storage[string, string](broken.store))
				wants(t, "value")(f.Call(t.Context(), testArgs))
				settled(t, f)
				wants(t, "value")(f.Call(t.Context(), testArgs))
			})
		})
	}
}

// The seed: an exception that is no Exception (SystemExit, GeneratorExit) keeps
// the key locked until the lock timeout. Go's are panics and runtime.Goexit.
func TestDefect07KeyIsNeverWedged(t *testing.T) { // G7
	for name, crash := range map[string]func(){"panic": func() { panic("boom") }, "goexit": runtime.Goexit} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				calls := 0
				f := memoize.Must(memoize.New(func(context.Context, string) (int, error) {
					if calls++; calls == 1 {
						crash()
					}
					return calls, nil
				}))
				began := time.Now()
				_, err := f.Call(t.Context(), "key")
				var p *memoize.PanicError
				if !errors.As(err, &p) {
					t.Fatalf("got %v, want a *PanicError", err)
				}
				wants(t, 2)(f.Call(t.Context(), "key"))
				if took := time.Since(began); took != 0 {
					t.Fatalf("the key was free after %v, want at once", took)
				}
			})
		})
	}
}

// The seed: a look-up that finds nothing in a slow storage, while another's
// load stores the value and ends, leads to a needless second load.
func TestDefect08NoSecondLoadAfterASlowLookUp(t *testing.T) { // G1
	bubble(t, func(t *testing.T) {
		store := &mockStorage[string, int]{get: func(context.Context, string) error {
			time.Sleep(50 * time.Millisecond)
			return nil
		}}
		source := returning[string](1)
		source.takes = 10 * time.Millisecond
		f := memoize.Must(memoize.New(source.load, config.Storage[string, int](store)))
		var calls []func() []returned[int]
		for range 6 { // look-ups begin before the value is stored, and end after
			calls = append(calls, begin(1, func() (int, error) { return f.Call(t.Context(), "key") }))
			time.Sleep(9 * time.Millisecond)
		}
		for _, finish := range calls {
			allWant(t, 1, finish())
		}
		wantCalls(t, source, 1)
	})
}

// The seed: a refresh that runs during an invalidation stores its older value
// afterwards.
func TestDefect09InvalidationIsFinal(t *testing.T) { // G4
	bubble(t, func(t *testing.T) {
		source := returning[string](1)
		f := memoize.Must(memoize.New(source.load, minuteAndHour...))
		wants(t, 1)(f.Call(t.Context(), "key"))
		time.Sleep(2 * time.Minute)
		open := source.holds()
		wants(t, 1)(f.Call(t.Context(), "key")) // its refresh begins
		synctest.Wait()
		noError(t, f.Invalidate(t.Context(), "key"))
		open()
		settled(t, f)
		if v, ok := f.Peek(t.Context(), "key"); ok {
			t.Fatalf("the cache holds %v, which was loaded before the invalidation", v)
		}
		source.returns(2)
		wants(t, 2)(f.Call(t.Context(), "key"))
	})
}

// The seed: invalidation goes to the storage and the keys of the moment at
// which it was set up, and one InvalidationSupport that is given to two
// functions silently serves the first alone.
func TestDefect10InvalidationFollowsTheConfiguration(t *testing.T) { // G4, G10
	bubble(t, func(t *testing.T) {
		var support invalidation.Support[string]
		live := mutable(minuteAndHour...)
		source := returning[string](1)
		f := memoize.Must(memoize.Memoize(source.load, live, config.Name("first"), config.InvalidatedBy(&support)))
		noError(t, live.Apply(
			config.Storage(storage.NewInMemory[string, int]()),
			config.Keys(config.KeyOf(func(arg string) string { return "new " + arg }))))
		wants(t, 1)(f.Call(t.Context(), "key"))
		noError(t, support.Invalidate(t.Context(), "key"))
		source.returns(2)
		wants(t, 2)(f.Call(t.Context(), "key"))

		_, err := memoize.New(source.load, config.Name("second"), config.InvalidatedBy(&support))
		if err == nil || !strings.Contains(err.Error(), `"first"`) || !strings.Contains(err.Error(), `"second"`) {
			t.Fatalf("got %v, want an error that names both functions", err)
		}
		noError(t, support.Invalidate(t.Context(), "key")) // it serves the first still
		source.returns(3)
		wants(t, 3)(f.Call(t.Context(), "key"))
	})
}

// The seed: background tasks have no bound, cannot be awaited or stopped, are
// not counted, and all keys of one birth are refreshed together.
func TestDefect11BackgroundIsBounded(t *testing.T) { // G11
	bubble(t, func(t *testing.T) {
		const keys, limit = 20, 4
		source := returning[int](1)
		f := memoize.Must(memoize.New(source.load, with(config.MaxBackground(limit))...))
		for key := range keys {
			wants(t, 1)(f.Call(t.Context(), key))
		}
		time.Sleep(2 * time.Minute)
		open := source.holds()
		for range 3 {
			for key := range keys {
				wants(t, 1)(f.Call(t.Context(), key))
			}
		}
		synctest.Wait()
		wantCalls(t, source, keys+limit)
		if s := f.Stats(); s.RefreshesRunning != limit || s.Shed == 0 {
			t.Fatalf("%d refreshes run, %d were shed; want %d and some", s.RefreshesRunning, s.Shed, limit)
		}
		source.fails(errOutage) // for those that come
		closed := begin(1, func() (int, error) { return 0, f.Close(t.Context()) })
		open()
		allWant(t, 0, closed())
		if s := f.Stats(); s.LoadsRunning != 0 {
			t.Fatalf("%d loads run after Close", s.LoadsRunning)
		}
	})
}

func TestDefect11FailuresAreCounted(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var log strings.Builder
		source := returning[string](1)
		f := memoize.Must(memoize.New(source.load, with(config.Logger(textLog(&log)))...))
		wants(t, 1)(f.Call(t.Context(), "key"))
		source.fails(errOutage)
		time.Sleep(2 * time.Minute)
		for range 3 {
			wants(t, 1)(f.Call(t.Context(), "key"))
			settled(t, f)
			time.Sleep(10 * time.Second)
		}
		if s := f.Stats(); s.LoadsFailed != 3 || s.Delayed != 3 {
			t.Fatalf("%d failures and %d delays are counted, want 3 of each", s.LoadsFailed, s.Delayed)
		}
		if n := strings.Count(log.String(), errOutage.Error()); n != 1 {
			t.Fatalf("the outage is logged %d times within a minute, want once:\n%s", n, log.String())
		}
		time.Sleep(time.Minute)
		wants(t, 1)(f.Call(t.Context(), "key"))
		settled(t, f)
		if n := strings.Count(log.String(), "times=3"); n != 1 {
			t.Fatalf("a minute later the log does not say that it was met three times more:\n%s", log.String())
		}
	})
}

func TestDefect11JitterSpreadsRefreshes(t *testing.T) {
	bubble(t, func(t *testing.T) {
		const keys = 100
		f := memoize.Must(memoize.New(returning[int](1).load, with(config.Jitter(0.5))...))
		due := map[time.Duration]int{}
		for key := range keys {
			wants(t, 1)(f.Call(t.Context(), key))
		}
		left := map[int]bool{}
		for key := range keys {
			left[key] = true
		}
		for age := time.Duration(0); age <= time.Minute; age += time.Second {
			for key := range left {
				if r, err := f.Result(t.Context(), key); err != nil || r.Why == memoize.Stale {
					noError(t, err)
					due[age]++
					delete(left, key)
				}
			}
			time.Sleep(time.Second)
		}
		if len(left) > 0 {
			t.Fatalf("%d keys are fresh for longer than without jitter", len(left))
		}
		for age, n := range due {
			if n > keys/4 {
				t.Errorf("%d of %d keys fall due at %v", n, keys, age)
			}
			if age < 29*time.Second {
				t.Errorf("%d keys fall due at %v, before half of their life", n, age)
			}
		}
		settled(t, f)
	})
}

// shared is a registry that serves several functions: it has no method Bind
// that would say otherwise.
type shared struct {
	r *statuses.InMemory[string, int]
}

func (s shared) Begin(key string, c statuses.Claim) (statuses.Update[int], statuses.Role) {
	return s.r.Begin(key, c)
}
func (s shared) Hold(ctx context.Context, key string, fence bool) error {
	return s.r.Hold(ctx, key, fence)
}
func (s shared) Free(key string, fence bool) { s.r.Free(key, fence) }
func (s shared) Keys() iter.Seq[string]      { return s.r.Keys() }

// The seed: its registry answers synchronously and belongs to one function, so
// that loads of one key by two of them (or by two processes) can't be one.
func TestDefect12RegistryOfOnesOwn(t *testing.T) { // G1
	bubble(t, func(t *testing.T) {
		registry := shared{statuses.NewInMemory[string, int](0, nil)}
		source := returning[string](1)
		open := source.holds()
		var calls []func() []returned[int]
		for i := range 2 {
			f := memoize.Must(memoize.New(source.load, config.Name(fmt.Sprint("function ", i)), config.UpdateStatuses[string, int](registry)))
			calls = append(calls, begin(3, func() (int, error) { return f.Call(t.Context(), "key") }))
		}
		wantCalls(t, source, 1)
		open()
		for _, finish := range calls {
			allWant(t, 1, finish())
		}
		wantCalls(t, source, 1)
	})
	// One that says whom it serves is refused to the second.
	one := statuses.NewInMemory[string, int](0, nil)
	memoize.Must(memoize.New(returning[string](1).load, config.Name("first"), config.UpdateStatuses[string, int](one)))
	_, err := memoize.New(returning[string](1).load, config.Name("second"), config.UpdateStatuses[string, int](one))
	if err == nil || !strings.Contains(err.Error(), `"first"`) || !strings.Contains(err.Error(), `"second"`) {
		t.Fatalf("got %v, want an error that names both functions", err)
	}
}
