package memoize_test

import (
	"context"
	"fmt"
	"math"
	"testing"
	"time"

	"github.com/benbjohnson/clock"

	"github.com/perennial-go/perennial/config"
	"github.com/perennial-go/perennial/memoize"
	"github.com/perennial-go/perennial/observe"
	"github.com/perennial-go/perennial/storage"
)

// Durations, weights and counts may be the greatest there are: a value that was
// loaded is stored, in memory and in a store that processes share, and nothing is
// late or a fault.
func TestG2ExtremeSettings(t *testing.T) {
	const longest, most = time.Duration(math.MaxInt64), math.MaxInt
	extremes := map[string][]config.Option{
		"MethodTimeout":              {config.MethodTimeout(longest)},
		"nearly MethodTimeout":       {config.MethodTimeout(longest - 1)},
		"QueueTimeout":               {config.QueueTimeout(longest)},
		"StoreBudget":                {config.StoreBudget(longest, longest)},
		"MethodTimeout, StoreBudget": {config.MethodTimeout(longest), config.StoreBudget(longest, longest)},
		"ExpireAfter":                {config.ExpireAfter(longest)},
		"UpdateAfter":                {config.UpdateAfter(longest)},
		"both":                       {config.UpdateAfter(longest), config.ExpireAfter(longest)},
		"both and little jitter":     {config.UpdateAfter(longest), config.ExpireAfter(longest), config.Jitter(1e-20)},
		"counts":                     {config.MaxLoads(most), config.MaxBackground(most), config.MaxRunaway(most), config.MaxBatch(most)},
		"Capacity":                   {config.Capacity(most)},
		"Weigh":                      {config.Capacity(most), config.Weigh(func(string, int) int { return most })},
		"everything": {
			config.MethodTimeout(longest), config.StoreBudget(longest, longest), config.UpdateAfter(longest), config.ExpireAfter(longest),
			config.MaxLoads(most), config.MaxBackground(most), config.MaxRunaway(most), config.MaxBatch(most), config.Capacity(most),
		},
	}
	for _, at := range []time.Time{{}, time.Unix(0, 0), time.Unix(0, math.MaxInt64).Add(-time.Hour), time.Unix(0, math.MinInt64)} {
		for name, opts := range extremes {
			for _, shared := range []bool{false, true} {
				t.Run(fmt.Sprintf("%s/shared %v/%v", name, shared, at.UTC()), func(t *testing.T) {
					if !at.IsZero() {
						mock := clock.NewMock()
						mock.Set(at)
						opts = append(opts[:len(opts):len(opts)], config.Clock(mock))
					}
					if shared {
						memory := storage.NewMemory()
						defer func() { _ = memory.Close() }()
						store, err := storage.Share(memory)
						must(t, store, err)
						patient := config.StoreBudget(time.Minute, time.Minute) // if nothing else is said
						opts = append([]config.Option{patient, config.Store(store), config.Name("extremes")}, opts...)
					}
					loads := 0
					f, err := memoize.NewBatched(func(_ context.Context, keys []string) (map[string]int, error) {
						loads++
						values := map[string]int{}
						for _, key := range keys {
							values[key] = loads
						}
						return values, nil
					}, append(opts, config.Observe(observe.Func(func(_ context.Context, ev observe.Event) {
						switch ev.Kind {
						case observe.StoreFault, observe.Late, observe.Failing, observe.Panicked:
							t.Errorf("%+v", ev)
						}
					})))...)
					must(t, f, err)
					defer func() { must(t, f, f.Close(t.Context())) }()
					for n, want := range []memoize.Why{memoize.Miss, memoize.Hit, memoize.Hit} {
						if r, err := f.Result(t.Context(), "key"); err != nil || r.Why != want || r.Age < 0 || r.Age > time.Hour {
							t.Errorf("call %d: %+v, %v; want a %v", n, r, err, want)
						}
					}
					if values, err := f.CallMany(t.Context(), []string{"key"}); err != nil || values[0] != 1 {
						t.Errorf("CallMany: %v, %v", values, err)
					}
					must(t, f, f.Set(t.Context(), "key", 7))
					if touched, err := f.Touch(t.Context(), "key"); !touched || err != nil {
						t.Errorf("Touch: %v, %v", touched, err)
					}
					if v, ok := f.Peek(t.Context(), "key"); v != 7 || !ok {
						t.Errorf("Peek: %v, %v", v, ok)
					}
				})
			}
		}
	}
}
