package eviction_test

import (
	"math/rand/v2"
	"runtime"
	"testing"

	"github.com/perennial-go/perennial/entry"
	"github.com/perennial-go/perennial/eviction"
)

// policies are those that release something, by what they print as.
var policies = []struct {
	name string
	make func(capacity int) eviction.Strategy[int]
}{
	{"LeastRecentlyUpdated", eviction.LeastRecentlyUpdated[int]},
	{"FirstInFirstOut", eviction.FirstInFirstOut[int]},
	{"LeastRecentlyUsed", eviction.LeastRecentlyUsed[int]},
	{"LeastFrequentlyUsed", eviction.LeastFrequentlyUsed[int]},
	{"Sieve", eviction.Sieve[int]},
	{"TwoQueue", eviction.TwoQueue[int]},
	{"S3FIFO", eviction.S3FIFO[int]},
	{"LIRS", eviction.LIRS[int]},
	{"TinyLFU", eviction.TinyLFU[int]},
	{"Adaptive", eviction.Adaptive[int]},
	{"CostAware", eviction.CostAware[int]},
}

// BenchmarkMiss is what a miss costs the strategy: the write of a key that was
// not there, and the naming of another. Keys are read in between as often as they
// are popular; those marks are in the time too.
func BenchmarkMiss(b *testing.B) {
	const capacity, keys = 10_000, 1 << 17
	random := rand.New(rand.NewPCG(1, 2))
	zipf := rand.NewZipf(random, 1.02, 50, keys-1)
	requests := make([]int32, 1<<21)
	for i := range requests {
		requests[i] = int32(zipf.Uint64() * 7919 % keys)
	}
	for _, p := range policies {
		b.Run(p.name, func(b *testing.B) {
			s := p.make(capacity)
			marker, _ := s.(eviction.Marker)
			metas := make([]entry.Meta, keys)
			live := make([]bool, keys)
			misses, at := 0, 0
			run := func(n int) {
				for start := misses; misses-start < n; at++ {
					key := requests[at%len(requests)]
					e := &metas[key]
					if live[key] {
						if marker != nil {
							marker.Mark(e)
						}
						continue
					}
					misses++
					s.MarkWritten(int(key), e, nil)
					live[key] = true
					if victim, ok := s.NextToRelease(); ok {
						live[victim] = false
					}
				}
			}
			run(3 * capacity)
			at0 := at
			b.ResetTimer()
			run(b.N)
			b.ReportMetric(float64(at-at0)/float64(b.N), "requests/miss")
		})
	}
}

// BenchmarkHit is what a read costs.
func BenchmarkHit(b *testing.B) {
	for _, p := range policies {
		s := p.make(1000)
		marker, ok := s.(eviction.Marker)
		if !ok {
			continue
		}
		b.Run(p.name, func(b *testing.B) {
			var m entry.Meta
			s.MarkWritten(1, &m, nil)
			b.ResetTimer()
			for range b.N {
				marker.Mark(&m)
			}
		})
	}
}

func BenchmarkMemory(b *testing.B) {
	const n = 1_000_000
	for _, p := range policies {
		b.Run(p.name, func(b *testing.B) {
			metas := make([]entry.Meta, 2*n)
			var before, after runtime.MemStats
			runtime.GC()
			runtime.ReadMemStats(&before)
			s := p.make(n)
			for i := range 2 * n {
				s.MarkWritten(i, &metas[i], nil)
				s.NextToRelease()
			}
			runtime.GC()
			runtime.ReadMemStats(&after)
			b.ReportMetric(float64(after.HeapAlloc-before.HeapAlloc)/n, "B/key")
			runtime.KeepAlive(s)
			runtime.KeepAlive(metas)
		})
	}
}
