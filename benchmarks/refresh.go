package benchmarks

import (
	"context"
	"runtime"
	"sync/atomic"
	"time"
)

// refresh is a stale hit that starts a refresh, and the refresh. One caller
// goes round the keys: by the time it comes back, a key is stale again.
func refresh() Scenario {
	return Scenario{
		Name: "refresh", About: "a stale hit with the refresh that it starts, 100,000 string keys, one caller", Takes: refreshes, Loads: true,
		New: func(c Contender, _ uint64) *Instance {
			var loads atomic.Int64
			value := &Value{ID: 1}
			cache := c.Strings(Settings{Capacity: 2 * zipfKeys, RefreshAfter: shortRefresh, ExpireAfter: LongLife}, func(context.Context, string) (*Value, error) {
				loads.Add(1)
				return value, nil
			})
			ctx := context.Background()
			for _, key := range StringKeys(zipfKeys) {
				cache.Get(ctx, key)
			}
			cache.Settle()
			time.Sleep(untilStale)
			asked, at := StringKeys(zipfKeys), 0
			return &Instance{
				Before: func(int) {},
				Run: func(n, _ int) {
					for range n {
						at = (at + 1) % zipfKeys
						refreshOne(cache, asked[at], &loads)
					}
				},
				Loads: loads.Load,
				Close: cache.Close,
			}
		},
	}
}

// refreshOne asks for a stale key and lets its refresh run. A contender that
// starts none, because too many run, is asked again.
func refreshOne(cache Cache[string], key string, loads *atomic.Int64) {
	const patience = 1000
	before := loads.Load()
	for {
		if cache.Get(context.Background(), key) == nil {
			failed()
		}
		for range patience {
			if loads.Load() != before {
				return
			}
			runtime.Gosched()
		}
	}
}
