package benchmarks

import (
	"context"
	"sync/atomic"
)

const missCapacity = 100_000

// miss is a key that nobody has asked for before, in a cache that is full.
func miss() Scenario {
	return Scenario{
		Name: "miss", About: "a miss, unique string keys, a loader that does nothing, a full cache of 100,000", Takes: hasLoader, Loads: true,
		New: func(c Contender, _ uint64) *Instance {
			var loads atomic.Int64
			value := &Value{ID: 1}
			cache := c.Strings(Lasting(missCapacity), func(context.Context, string) (*Value, error) {
				loads.Add(1)
				return value, nil
			})
			var next uint64
			var keys []string
			in := &Instance{
				Before: func(n int) {
					keys = freshKeys(next, n)
					next += uint64(n)
				},
				Run: func(n, procs int) {
					Spread(n, procs, func(w, n int) {
						ctx := context.Background()
						for i := range n {
							if cache.Get(ctx, keys[i*procs+w]) == nil {
								failed()
							}
						}
					})
				},
				Loads: loads.Load,
				Close: cache.Close,
			}
			for range 2 { // twice, for those that admit at random
				in.Before(missCapacity)
				in.Run(missCapacity, 1)
				cache.Settle()
			}
			return in
		},
	}
}
