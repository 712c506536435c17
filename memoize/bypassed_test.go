package memoize_test

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/perennial-go/perennial/config"
	"github.com/perennial-go/perennial/memoize"
	"github.com/perennial-go/perennial/observe"
)

// bypassing makes a bypassed function and a journal of what it tells.
func bypassing(t *testing.T, source func(ctx context.Context, key string) (int, error), opts ...config.Option) (*memoize.Func[string, int], *journal) {
	t.Helper()
	told := new(journal)
	f := memoize.Must(memoize.New(source, append(opts, config.ExpireAfter(time.Hour), config.Bypass(true), config.Observe(observe.Func(func(_ context.Context, e observe.Event) {
		if e.Cause != observe.Direct {
			told.add("%v", e.Kind)
			return
		}
		told.add("%v %s directly", e.Kind, e.Key)
	})))...))
	t.Cleanup(func() { _ = f.Close(context.Background()) })
	return f, told
}

// What becomes of bypassed calls is told and counted as that of any load: a failure
// with its argument, a panic once, a timeout, and that too many still run.
func TestBypassedCallsAreTold(t *testing.T) {
	bubble(t, func(t *testing.T) {
		source := returning[string](1)
		panics := false
		f, told := bypassing(t, func(ctx context.Context, key string) (int, error) {
			if panics {
				panic("oops")
			}
			return source.load(ctx, key)
		}, config.MethodTimeout(time.Minute), config.MaxRunaway(1))
		wants(t, 1)(f.Call(t.Context(), "a"))
		told.hears(t, `load started "a" directly`, `load ended "a" directly`)
		if st := f.Stats(); st.Panics != 0 || st.LoadsFailed != 0 {
			t.Errorf("%+v", st)
		}
		panics = true
		if _, err := f.Call(t.Context(), "b"); err == nil {
			t.Error("a panic is no error")
		}
		told.hears(t, `load started "b" directly`, `load ended "b" directly`, "panicked", `failing "b" directly`)
		if st := f.Stats(); st.Panics != 1 || st.LoadsFailed != 1 {
			t.Errorf("%+v", st)
		}
		panics = false
		time.Sleep(2 * time.Minute)
		wants(t, 1)(f.Call(t.Context(), "a"))
		told.hears(t, `load started "a" directly`, `load ended "a" directly`, "recovered  directly")
		open := source.holds()
		call := begin(1, func() (int, error) { return f.Call(t.Context(), "c") })
		if st := f.Stats(); st.LoadsRunning != 1 || st.RefreshesRunning != 0 {
			t.Errorf("%+v", st)
		}
		if err := call()[0].err; !errors.Is(err, memoize.ErrLoadTimeout) {
			t.Errorf("got %v", err)
		}
		told.hears(t, `load started "c" directly`, `failing "c" directly`)
		if _, err := f.Call(t.Context(), "d"); !errors.Is(err, memoize.ErrRunaway) {
			t.Errorf("got %v", err)
		}
		told.hears(t, "runaway")
		open()
		settled(t, f)
	})
}

// The context of a bypassed source ends when its caller leaves.
func TestBypassedSourceEndsWithItsCaller(t *testing.T) {
	bubble(t, func(t *testing.T) {
		ended := make(chan error, 1)
		f, _ := bypassing(t, func(ctx context.Context, _ string) (int, error) {
			<-ctx.Done()
			ended <- ctx.Err()
			return 0, ctx.Err()
		}, config.MethodTimeout(time.Hour))
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := f.Call(ctx, "a"); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v", err)
		}
		synctest.Wait()
		select {
		case err := <-ended:
			if !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("its context ends with %v", err)
			}
		default:
			t.Error("its context goes on")
		}
		settled(t, f)
	})
}

// A source that makes a bypassed call waits there, and lets another load have its
// place meanwhile; it goes on when it has one again.
func TestBypassedCallInsideALoadHoldsNoPlace(t *testing.T) {
	bubble(t, func(t *testing.T) {
		bypassed, _ := bypassing(t, func(context.Context, string) (int, error) {
			time.Sleep(time.Second)
			return 1, nil
		})
		var running, most atomic.Int32
		f := memoize.Must(memoize.New(func(ctx context.Context, key string) (int, error) {
			works := func() {
				most.Store(max(most.Load(), running.Add(1)))
				time.Sleep(2 * time.Second)
				running.Add(-1)
			}
			if key == "asks" {
				v, err := bypassed.Call(ctx, key)
				works()
				return v, err
			}
			works()
			return 1, nil
		}, config.MaxLoads(1), config.ExpireAfter(time.Hour)))
		began := time.Now()
		first := begin(1, func() (int, error) { return f.Call(t.Context(), "asks") })
		second := begin(1, func() (int, error) { return f.Call(t.Context(), "other") })
		allWant(t, 1, second())
		if took := time.Since(began); took != 2*time.Second {
			t.Errorf("the other load took %v", took)
		}
		allWant(t, 1, first())
		if took := time.Since(began); took != 4*time.Second || most.Load() != 1 {
			t.Errorf("both took %v, and %d ran at once", took, most.Load())
		}
		settled(t, f)
		noError(t, f.Close(t.Context()))
	})
}

// Values of keys that a bypassed source was not asked for are dropped, and told.
func TestBypassedSourceThatSaysTooMuch(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var told journal
		f := memoize.Must(memoize.NewBatched(func(context.Context, []string) (map[string]int, error) {
			return map[string]int{"a": 1, "b": 2, "x": 3}, nil
		}, config.ExpireAfter(time.Hour), config.Bypass(true), config.Observe(observe.Func(func(_ context.Context, e observe.Event) {
			told.add("%v", e.Kind)
		}))))
		if values, err := f.CallMany(t.Context(), []string{"a", "b"}); err != nil || values[0] != 1 || values[1] != 2 {
			t.Errorf("CallMany: %v, %v", values, err)
		}
		told.hears(t, "load started", "unasked", "load ended")
		noError(t, f.Close(t.Context()))
	})
}

// A function that is closed while a bypassed call makes its keys asks its source for
// nothing.
func TestBypassedCallOfAFunctionThatCloses(t *testing.T) {
	bubble(t, func(t *testing.T) {
		source := returning[string](1)
		var f *memoize.Func[string, int]
		f = memoize.Must(memoize.Memoize(source.load, config.InMemoryKeyed[string, string, int](config.KeyOf(func(key string) string {
			if key == "closes" {
				if err := f.Close(context.Background()); err != nil {
					t.Error(err)
				}
			}
			return key
		}), config.ExpireAfter(time.Hour), config.Bypass(true)), config.Logger(discardLog)))
		_, err := f.CallMany(t.Context(), []string{"a", "closes"})
		var many *memoize.ManyError
		if !errors.As(err, &many) || !errors.Is(many.At(0), memoize.ErrClosed) || !errors.Is(many.At(1), memoize.ErrClosed) {
			t.Errorf("CallMany: %v", err)
		}
		wantCalls(t, source, 0)
		if st := f.Stats(); st.Failed != 2 || st.Left != 0 || st.Loads != 0 {
			t.Errorf("%+v", st)
		}
	})
}
