// Package strategies_test tries the engine with each strategy. It stands apart from
// the tests of memoize because generic code is compiled in each package that uses it.
package strategies_test

import (
	"context"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/perennial-go/perennial/config"
	"github.com/perennial-go/perennial/eviction"
	"github.com/perennial-go/perennial/memoize"
)

// strategies are all that there are, each of a capacity.
var strategies = []struct {
	name string
	of   func(capacity int) eviction.Strategy[int]
}{
	{"LeastRecentlyUpdated", eviction.LeastRecentlyUpdated[int]},
	{"FirstInFirstOut", eviction.FirstInFirstOut[int]},
	{"LeastRecentlyUsed", eviction.LeastRecentlyUsed[int]},
	{"LeastFrequentlyUsed", eviction.LeastFrequentlyUsed[int]},
	{"Sieve", eviction.Sieve[int]},
	{"S3FIFO", eviction.S3FIFO[int]},
	{"TwoQueue", eviction.TwoQueue[int]},
	{"LIRS", eviction.LIRS[int]},
	{"TinyLFU", eviction.TinyLFU[int]},
	{"Adaptive", eviction.Adaptive[int]},
	{"CostAware", eviction.CostAware[int]},
}

// BenchmarkStrategies compares what hits and misses cost under each strategy:
// fresh hits of one key and of 10,000 by a Zipf distribution, and misses that
// evict. They take turns; each figure is a median.
func BenchmarkStrategies(b *testing.B) {
	const keys, chunk = 10_000, 2_000
	ctx, v := context.Background(), new(int)
	load := func(context.Context, int) (*int, error) { return v, nil }
	zipf := rand.NewZipf(rand.New(rand.NewPCG(1, 1)), 1.01, 1, keys-1)
	order := make([]int, chunk)
	for i := range order {
		order[i] = int(zipf.Uint64())
	}
	functions := make([][2]*memoize.Func[int, *int], len(strategies))
	for i, s := range strategies {
		functions[i][0] = memoize.Must(memoize.New(load, config.Evict(s.of(keys))))
		functions[i][1] = memoize.Must(memoize.New(load, config.Evict(s.of(1000))))
		for key := range keys {
			_, _ = functions[i][0].Call(ctx, key)
		}
		defer functions[i][0].Close(ctx)
		defer functions[i][1].Close(ctx)
	}
	measured := make([][3][]float64, len(strategies))
	time1 := func(call func(i int)) float64 {
		began := time.Now()
		for i := range chunk {
			call(i)
		}
		return float64(time.Since(began).Nanoseconds()) / chunk
	}
	fresh := 0
	for b.Loop() {
		for i := range strategies {
			held, small := functions[i][0], functions[i][1]
			m := &measured[i]
			m[0] = append(m[0], time1(func(int) { _, _ = held.Call(ctx, 7) }))
			m[1] = append(m[1], time1(func(i int) { _, _ = held.Call(ctx, order[i]) }))
			m[2] = append(m[2], time1(func(int) { fresh++; _, _ = small.Call(ctx, fresh) }))
		}
	}
	b.ReportMetric(0, "ns/op")
	for i, s := range strategies {
		for j, what := range []string{"hot", "zipf", "miss"} {
			slices.Sort(measured[i][j])
			b.ReportMetric(measured[i][j][len(measured[i][j])/2], "ns/"+s.name+"-"+what)
		}
	}
}
