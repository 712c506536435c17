package memoize_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/perennial-go/perennial/config"
	"github.com/perennial-go/perennial/entry"
	"github.com/perennial-go/perennial/eviction"
	"github.com/perennial-go/perennial/invalidation"
	"github.com/perennial-go/perennial/memoize"
	"github.com/perennial-go/perennial/statuses"
	"github.com/perennial-go/perennial/storage"
)

// After Close its parts may serve another function: at once those that no load uses,
// and the storage and the strategy once the last load under them has ended.
func TestPartsAreFreeAfterClose(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var support invalidation.Support[string]
		registry, s, source := statuses.NewInMemory[string, int](0, nil), storage.NewInMemory[string, int](), returning[string](1)
		f := memoize.Must(memoize.New(source.load, config.Name("first"), config.Storage(s), config.InvalidatedBy(&support), config.UpdateStatuses[string, int](registry), config.MethodTimeout(time.Hour)))
		open := source.holds()
		call := begin(1, func() (int, error) { return f.Call(t.Context(), "a") })
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		var left *memoize.CloseError
		if err := f.Close(ctx); !errors.As(err, &left) || left.Running != 1 || left.Func != "first" || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Close: %v", err)
		}
		next := func(opts ...config.Option) error {
			g, err := memoize.New(returning[string](2).load, append(opts, config.Name("second"))...)
			if err == nil {
				wants(t, 2)(g.Call(t.Context(), "b"))
				settled(t, g)
				noError(t, g.Close(t.Context()))
			}
			return err
		}
		noError(t, next(config.InvalidatedBy(&support)))
		if err := next(config.Storage(s)); err == nil {
			t.Error("the storage serves another while a load may still store in it")
		}
		open()
		call()
		synctest.Wait()
		noError(t, next(config.Storage(s)))
		noError(t, next(config.UpdateStatuses[string, int](registry)))
	})
}

// A load that Close waits for is stored, and its strategy told of what it replaces; one
// that it gives up on has a context that is canceled.
func TestLoadsThatCloseWaitsFor(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s, strategy, source := new(mockStorage[string, int]), new(row), returning[string](1)
		f := memoize.Must(memoize.New(source.load, with(config.Storage[string, int](s), config.Evict[string](strategy))...))
		wants(t, 1)(f.Call(t.Context(), "a"))
		settled(t, f)
		strategy.reset()
		source.returns(2)
		open := source.holds()
		refresh := begin(1, func() (int, error) { return f.Refresh(t.Context(), "a") })
		closed := begin(1, func() (int, error) { return 0, f.Close(t.Context()) })
		if _, err := f.Call(t.Context(), "a"); !errors.Is(err, memoize.ErrClosed) {
			t.Errorf("while it closes: %v", err)
		}
		open()
		allWant(t, 2, refresh())
		allWant(t, 0, closed())
		if v, ok := s.holds("a"); !ok || v != 2 {
			t.Errorf("%d, %v is stored", v, ok)
		}
		strategy.hears(t, "written a again")

		var why error
		g := memoize.Must(memoize.New(func(ctx context.Context, _ string) (int, error) {
			<-ctx.Done()
			why = ctx.Err()
			return 0, why
		}, config.MethodTimeout(time.Hour), config.Logger(discardLog)))
		call := begin(1, func() (int, error) { return g.Call(t.Context(), "a") })
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := g.Close(ctx); err == nil {
			t.Error("Close has not given up")
		}
		call()
		synctest.Wait()
		if !errors.Is(why, context.Canceled) {
			t.Errorf("the source's context ended with %v", why)
		}
	})
}

// Close and Wait inside a source wait for the other loads, and not for that one nor for
// what waits for it, whatever function it is asked for by.
func TestCloseAndWaitInsideALoad(t *testing.T) {
	for _, what := range []string{"wait", "close"} {
		t.Run(what, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				var f, g *memoize.Func[string, int]
				f = memoize.Must(memoize.New(func(ctx context.Context, key string) (int, error) {
					if key == "other" {
						time.Sleep(time.Minute)
						return 1, nil
					}
					return g.Call(ctx, key)
				}, config.MethodTimeout(time.Hour), config.Logger(discardLog)))
				g = memoize.Must(memoize.New(func(ctx context.Context, _ string) (int, error) {
					if what == "wait" {
						return 1, f.Wait(ctx)
					}
					return 1, f.Close(ctx)
				}, config.MethodTimeout(time.Hour), config.Logger(discardLog)))
				began := time.Now()
				other := begin(1, func() (int, error) { return f.Call(t.Context(), "other") })
				wants(t, 1)(f.Call(t.Context(), "a"))
				if took := time.Since(began); took != time.Minute {
					t.Errorf("it took %v", took)
				}
				allWant(t, 1, other())
				settled(t, g)
				noError(t, g.Close(t.Context()))
				noError(t, f.Close(t.Context()))
			})
		})
	}
}

// A value that is set while storages come into force is in none of them that is older:
// what each holds of the key is dropped, one after the other.
func TestSetAmidTwoChangesOfTheStorage(t *testing.T) {
	bubble(t, func(t *testing.T) {
		first, second, third := new(mockStorage[string, int]), new(mockStorage[string, int]), new(mockStorage[string, int])
		f, live, _ := changing(t, config.Storage[string, int](first))
		older := func(s *mockStorage[string, int]) {
			noError(t, live.Apply(config.Storage[string, int](s)))
			s.stored.Store("a", entry.New(1, entry.At(time.Now()), entry.Life{UpdateAfter: time.Hour, ExpireAfter: time.Hour}))
		}
		first.offer = func(context.Context, string) error {
			older(second)
			return nil
		}
		second.free = func(context.Context, string) error {
			second.free = nil
			older(third)
			return nil
		}
		noError(t, f.Set(t.Context(), "a", 2))
		if v, ok := f.Peek(t.Context(), "a"); ok {
			t.Errorf("%d is found", v)
		}
		if !slices.Contains(second.all(), "release a") || !slices.Contains(third.all(), "release a") {
			t.Errorf("the storages were asked %q and %q", second.all(), third.all())
		}
		for _, s := range []*mockStorage[string, int]{first, second} { // which serve it no more
			g, err := memoize.New(returning[string](1).load, config.Storage[string, int](s))
			noError(t, err)
			noError(t, g.Close(t.Context()))
		}
	})
}

// A value to be set that can't be given a life is an error that says so, and one that
// panics is counted: nothing is stored, and nothing that runs is superseded.
func TestSetOfWhatCantBeBuilt(t *testing.T) {
	bubble(t, func(t *testing.T) {
		how := ""
		f, live, told := changing(t)
		noError(t, live.Apply(config.Builder(entry.BuilderFunc[string, int](func(_ string, v int, now entry.Instant) *entry.Entry[int] {
			switch how {
			case "panics":
				panic("oops")
			case "nothing":
				return nil
			}
			return entry.New(v, now, entry.Life{UpdateAfter: time.Minute, ExpireAfter: time.Hour})
		}))))
		filled(t, f, "a")
		told.reset()
		for _, c := range []struct {
			how, says string
			panics    uint64
		}{{"nothing", "the builder returned nil", 0}, {"panics", "oops", 1}} {
			how = c.how
			err := f.Set(t.Context(), "a", 2)
			if err == nil || !strings.Contains(err.Error(), `changing can't store a value for key "a"`) || !strings.Contains(err.Error(), c.says) {
				t.Errorf("Set: %v", err)
			}
			ok, err := f.Touch(t.Context(), "a")
			if ok || err == nil || !strings.Contains(err.Error(), c.says) {
				t.Errorf("Touch: %v, %v", ok, err)
			}
			if st := f.Stats(); st.Panics != 2*c.panics {
				t.Errorf("%d panics", st.Panics)
			}
		}
		told.hears(t, "panicked", "panicked")
		how = ""
		if v, ok := f.Peek(t.Context(), "a"); !ok || v != 10 {
			t.Errorf("%d, %v is stored", v, ok)
		}
	})
}

// Parts that are replaced while a verb runs under them may serve another function once
// it has ended, and not before.
func TestPartsAreFreeOnceAVerbHasEnded(t *testing.T) {
	for name, verb := range map[string]func(ctx context.Context, f *memoize.Func[string, int]) error{
		"Set":        func(ctx context.Context, f *memoize.Func[string, int]) error { return f.Set(ctx, "a", 3) },
		"Touch":      func(ctx context.Context, f *memoize.Func[string, int]) error { return lastOf(f.Touch(ctx, "a")) },
		"Invalidate": func(ctx context.Context, f *memoize.Func[string, int]) error { return f.Invalidate(ctx, "a") },
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				s, strategy := new(mockStorage[string, int]), eviction.FirstInFirstOut[string](3)
				f, live, _ := changing(t, config.Storage[string, int](s), config.Evict(strategy))
				each(t, f, "a")
				another := func() error {
					_, err := memoize.New(returning[string](1).load, config.Name("another"), config.Evict(strategy))
					return err
				}
				hook := func(context.Context, string) error {
					s.offer, s.free = nil, nil
					noError(t, live.Apply(config.Evict[string](new(row))))
					if another() == nil {
						t.Error("a strategy serves two functions")
					}
					return nil
				}
				s.offer, s.free = hook, hook
				noError(t, verb(t.Context(), f))
				noError(t, another())
			})
		})
	}
}

// A Set that an invalidation supersedes while it waits releases what it was to replace,
// and says so where that can't be done.
func TestSetThatCantGiveWay(t *testing.T) {
	bubble(t, func(t *testing.T) {
		hold, s := make(chan struct{}), new(mockStorage[string, int])
		s.offer = func(context.Context, string) error { <-hold; return nil }
		f, _, told := changing(t, config.Storage[string, int](s), config.StoreBudget(time.Hour, time.Hour))
		first := begin(1, func() (int, error) { return 0, f.Set(t.Context(), "a", 2) }) // is stored
		next := begin(1, func() (int, error) { return 0, f.Set(t.Context(), "a", 3) })  // waits for it
		invalidated := begin(1, func() (int, error) { return 0, f.Invalidate(t.Context(), "a") })
		s.free = func(context.Context, string) error { return errOutage }
		close(hold)
		allWant(t, 0, first())
		for what, err := range map[string]error{"Set": next()[0].err, "Invalidate": invalidated()[0].err} {
			if !errors.Is(err, memoize.ErrUnavailable) || !errors.Is(err, errOutage) || err.Error() != memoize.ErrUnavailable.Error()+": outage" {
				t.Errorf("%s: %v", what, err)
			}
		}
		s.exactly(t, "offer a=3", 0)
		told.hears(t, `store fault "a": outage`, `store fault "a": outage`)
	})
}

// A source that waits for other loads goes on when it has a place again.
func TestWaitInsideALoadTakesItsPlaceBack(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var f *memoize.Func[string, int]
		var running, most atomic.Int32
		f = memoize.Must(memoize.New(func(ctx context.Context, key string) (int, error) {
			if key == "waits" {
				if err := f.Wait(ctx); err != nil {
					return 0, err
				}
			}
			most.Store(max(most.Load(), running.Add(1)))
			time.Sleep(time.Second)
			running.Add(-1)
			return 1, nil
		}, config.MaxLoads(1), config.Logger(discardLog)))
		first := begin(1, func() (int, error) { return f.Call(t.Context(), "first") })
		waits := begin(1, func() (int, error) { return f.Call(t.Context(), "waits") })
		time.Sleep(500 * time.Millisecond)
		time.AfterFunc(500*time.Millisecond, func() { _, _ = f.Call(context.Background(), "last") }) // which it waits for
		time.AfterFunc(time.Second, func() { _, _ = f.Call(context.Background(), "more") })
		allWant(t, 1, first())
		allWant(t, 1, waits())
		settled(t, f)
		if n := most.Load(); n != 1 {
			t.Errorf("%d loads ran at once", n)
		}
		noError(t, f.Close(t.Context()))
	})
}
