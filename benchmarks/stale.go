package benchmarks

import (
	"context"
	"runtime"
	"sync/atomic"
	"time"
)

const (
	shortRefresh = time.Millisecond
	// untilStale is how long to wait until an entry of shortRefresh is stale
	// for everybody, on a coarse clock too.
	untilStale = 5 * coarseResolution
)

// stale is one key past its refresh point, whose refresh runs all the while.
func stale() Scenario {
	return Scenario{
		Name: "stale", About: "a stale hit, one string key whose refresh runs", Takes: refreshes, Loads: true,
		New: func(c Contender, _ uint64) *Instance {
			var loads atomic.Int64
			slow, over := atomic.Bool{}, make(chan struct{})
			value := &Value{ID: 1}
			cache := c.Strings(Settings{Capacity: 2 * hotResident, RefreshAfter: shortRefresh, ExpireAfter: LongLife}, func(context.Context, string) (*Value, error) {
				loads.Add(1)
				if slow.Load() {
					<-over
				}
				return value, nil
			})
			ctx := context.Background()
			cache.Get(ctx, keyOf(1))
			slow.Store(true)
			time.Sleep(untilStale)
			key := keyOf(1)
			for cache.Get(ctx, key); loads.Load() < 2; {
				runtime.Gosched()
			}
			return &Instance{
				Before: func(int) {},
				Run: func(n, procs int) {
					Spread(n, procs, func(_, n int) {
						for range n {
							if cache.Get(ctx, key) == nil {
								failed()
							}
						}
					})
				},
				Loads: loads.Load,
				Close: func() { close(over); cache.Close() },
			}
		},
	}
}
