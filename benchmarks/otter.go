package benchmarks

import (
	"context"
	"time"

	"github.com/maypok86/otter/v2"
)

// coarseResolution is how often otter's coarse clock reads the time: as often
// as perennial's.
const coarseResolution = 10 * time.Millisecond

func makeOtter[K Key](coarse bool) Make[K] {
	return func(s Settings, load Load[K]) Cache[K] {
		options := &otter.Options[K, *Value]{
			MaximumSize:       s.Capacity,
			ExpiryCalculator:  otter.ExpiryWriting[K, *Value](s.ExpireAfter),
			RefreshCalculator: otter.RefreshWriting[K, *Value](s.RefreshAfter),
		}
		if s.LifeOf != nil {
			options.ExpiryCalculator = otter.ExpiryWritingFunc(func(e otter.Entry[K, *Value]) time.Duration { return s.LifeOf(e.Value) })
			options.RefreshCalculator = nil
		}
		stop := func() {}
		if coarse {
			clock := otter.NewCoarseClock(coarseResolution)
			options.Clock, stop = clock, clock.Stop
		}
		c := otter.Must(options)
		loader := otter.LoaderFunc[K, *Value](load)
		var asLoader otter.Loader[K, *Value] = loader // converted once, not in every call
		return Cache[K]{
			Get: func(ctx context.Context, key K) *Value {
				v, err := c.Get(ctx, key, asLoader)
				if err != nil {
					return nil
				}
				return v
			},
			Set:    func(key K, value *Value) { c.Set(key, value) },
			Settle: c.CleanUp,
			Len:    c.EstimatedSize,
			Close:  func() { c.StopAllGoroutines(); stop() },
		}
	}
}
