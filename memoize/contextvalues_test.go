package memoize_test

import (
	"context"
	"testing"
	"time"

	"github.com/perennial-go/perennial/config"
	"github.com/perennial-go/perennial/memoize"
	"github.com/perennial-go/perennial/observe"
)

type (
	traceKey       struct{}
	transactionKey struct{}
)

// What a load sees of its caller's context is what the configuration says, in the
// foreground, in the background and in batches. Who asks for itself sees all.
func TestContextValues(t *testing.T) {
	type seen struct{ trace, transaction bool }
	for name, c := range map[string]struct {
		keep func(context.Context) context.Context
		want seen
	}{
		"all":         {config.AllValues, seen{true, true}},
		"none":        {config.NoValues, seen{}},
		"some":        {config.OnlyValues(traceKey{}), seen{trace: true}},
		"nil":         {func(context.Context) context.Context { return nil }, seen{}},
		"one's panic": {func(context.Context) context.Context { panic("boom") }, seen{}},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				var got seen
				look := func(ctx context.Context) {
					got = seen{ctx.Value(traceKey{}) != nil, ctx.Value(transactionKey{}) != nil}
					if _, ends := ctx.Deadline(); !ends || ctx.Err() != nil {
						t.Error("a load's context has no deadline, or has ended")
					}
				}
				opts := with(config.ContextValues(c.keep), config.Logger(discardLog))
				one := memoize.Must(memoize.New(func(ctx context.Context, _ string) (int, error) { look(ctx); return 1, nil }, opts...))
				many := memoize.Must(memoize.NewBatched(func(ctx context.Context, keys []string) (map[string]int, error) {
					look(ctx)
					return map[string]int{keys[0]: 1}, nil
				}, opts...))
				ctx, cancel := context.WithCancel(context.WithValue(context.WithValue(t.Context(), traceKey{}, 1), transactionKey{}, 1))
				defer cancel()
				check := func(what string, want seen, f func() (int, error)) {
					t.Helper()
					got = seen{!want.trace, !want.transaction}
					wants(t, 1)(f())
					settled(t, one)
					if got != want {
						t.Errorf("%s: the load sees %+v, want %+v", what, got, want)
					}
				}
				check("miss", c.want, func() (int, error) { return one.Call(ctx, "a") })
				check("forced", c.want, func() (int, error) { return one.Refresh(ctx, "a") })
				check("batch", c.want, func() (int, error) { return many.Call(ctx, "a") })
				time.Sleep(2 * time.Minute)
				check("refresh", c.want, func() (int, error) { return one.Call(ctx, "a") })
				check("direct", seen{true, true}, func() (int, error) { return one.Direct(ctx, "a") })
			})
		})
	}
}

// A load that sees no values is still known to be within another.
func TestContextValuesKeepTheChainOfLoads(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var f *memoize.Func[string, int]
		f = memoize.Must(memoize.New(func(ctx context.Context, key string) (int, error) {
			switch key {
			case "outer":
				return f.Call(ctx, "inner")
			case "inner":
				return f.Call(ctx, "innermost")
			}
			_, err := f.Refresh(ctx, "outer")
			if err != memoize.ErrRecursion {
				t.Errorf("a load that asks for one that it is within gets %v", err)
			}
			return 1, nil
		}, config.ContextValues(config.NoValues), config.MaxLoads(1), config.Logger(discardLog)))
		began := time.Now()
		wants(t, 1)(f.Call(t.Context(), "outer"))
		if took := time.Since(began); took != 0 {
			t.Errorf("it took %v", took)
		}
	})
}

// It is live.
func TestContextValuesAreLive(t *testing.T) {
	bubble(t, func(t *testing.T) {
		live := mutable(minuteAndHour...)
		sees := false
		f := memoize.Must(memoize.Memoize(func(ctx context.Context, _ string) (int, error) {
			sees = ctx.Value(traceKey{}) != nil
			return 1, nil
		}, live, config.Observe(observe.Discard)))
		ctx := context.WithValue(t.Context(), traceKey{}, 1)
		for _, keep := range []bool{true, false, true} {
			values := config.NoValues
			if keep {
				values = config.AllValues
			}
			noError(t, live.Apply(config.ContextValues(values)))
			if wants(t, 1)(f.Refresh(ctx, "a")); sees != keep {
				t.Errorf("the load sees values: %v, want %v", sees, keep)
			}
		}
	})
}
