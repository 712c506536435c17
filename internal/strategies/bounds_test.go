package strategies_test

import (
	"context"
	"log/slog"
	"math/rand/v2"
	"sync"
	"testing"

	"github.com/perennial-go/perennial/config"
	"github.com/perennial-go/perennial/eviction"
	"github.com/perennial-go/perennial/memoize"
)

// Whatever is changed at random while callers run, the bound on weight holds once
// they have come to rest, and nothing is left that the strategy does not know.
func TestG11BoundsHoldUnderChange(t *testing.T) {
	ctx := t.Context()
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	const keys = 200
	weigh := func(key int, _ *int) int { return 1 + key%9 }
	live := config.Mutable(config.InMemory[int, *int](config.Capacity(100), config.Weigh(weigh)))
	load := func(context.Context, int) (*int, error) { return new(int), nil }
	f, err := memoize.Memoize(load, live, config.Logger(slog.New(slog.DiscardHandler)), config.Name("changing"))
	if err != nil {
		t.Fatal(err)
	}
	apply := func(o config.Option) {
		if err := live.Apply(o); err != nil {
			t.Error(err)
		}
	}
	for range 60 {
		var callers sync.WaitGroup
		for range 4 {
			r := rand.New(rand.NewPCG(seed, random.Uint64()))
			callers.Go(func() {
				for range 100 {
					key := r.IntN(keys)
					switch r.IntN(10) {
					case 0:
						_ = f.Invalidate(ctx, key)
					case 1:
						_ = f.Set(ctx, key, nil)
					case 2:
						_, _ = f.CallMany(ctx, []int{key, (key + 1) % keys, (key + 7) % keys})
					default:
						if _, err := f.Call(ctx, key); err != nil {
							t.Error(err)
						}
					}
				}
			})
		}
		capacity, which := random.IntN(200), random.IntN(3)
		if which != 0 {
			callers.Go(func() { apply(config.Capacity(capacity)) })
		}
		if which != 1 { // at once with the other, whichever comes first
			strategy := strategies[random.IntN(len(strategies))].of(capacity)
			callers.Go(func() { apply(config.Evict(strategy)) })
		}
		callers.Wait()
		if err := f.Wait(ctx); err != nil {
			t.Fatal(err)
		}
		weight, held := 0, 0
		for key := range keys {
			if f.Has(ctx, key) {
				weight, held = weight+weigh(key, nil), held+1
			}
		}
		if weight > capacity || held != f.Len() {
			t.Fatalf("%d entries of weight %d are held, %d can be found; the capacity is %d", f.Len(), weight, held, capacity)
		}
	}
	apply(config.Evict(eviction.LeastRecentlyUsed[int](0)))
	if f.Len() != 0 {
		t.Errorf("%d entries are held at a capacity of 0", f.Len())
	}
}
