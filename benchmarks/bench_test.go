package benchmarks

import (
	"runtime"
	"sync"
	"testing"
	"time"
)

const seed = 1

func run(b *testing.B, s Scenario) {
	for _, c := range Contenders() {
		if !s.Takes(c) {
			continue
		}
		in := sync.OnceValue(func() *Instance { return s.New(c, seed) })
		made := false
		b.Run(c.Name, func(b *testing.B) {
			made = true
			in().Before(b.N)
			before := in().Loads()
			b.ReportAllocs()
			b.ResetTimer()
			in().Run(b.N, runtime.GOMAXPROCS(0))
			b.StopTimer()
			if s.Loads {
				b.ReportMetric(float64(in().Loads()-before)/float64(b.N), "loads/op")
			} else if in().Loads() != before {
				b.Error("a hit has led to a load")
			}
		})
		if made {
			in().Close()
		}
	}
}

func BenchmarkHot(b *testing.B)     { run(b, hot()) }
func BenchmarkZipf(b *testing.B)    { run(b, zipfStrings()) }
func BenchmarkZipfInt(b *testing.B) { run(b, zipfInts()) }
func BenchmarkStale(b *testing.B)   { run(b, stale()) }
func BenchmarkMiss(b *testing.B)    { run(b, miss()) }
func BenchmarkRefresh(b *testing.B) { run(b, refresh()) }

// BenchmarkStampede counts a crowd as one operation.
func BenchmarkStampede(b *testing.B) {
	for _, c := range Contenders() {
		if !StampedeTakes(c) {
			continue
		}
		b.Run(c.Name, func(b *testing.B) {
			var most int64
			var wall time.Duration
			var allocs float64
			for range b.N {
				crowd := Stampede(c, StampedeCallers, StampedeLoad)
				most = max(most, crowd.Loads)
				wall += crowd.Wall
				allocs += crowd.Allocs
			}
			b.ReportMetric(0, "ns/op") // most of it is the making of goroutines
			b.ReportMetric(float64(most), "loads-max")
			b.ReportMetric(wall.Seconds()*1e3/float64(b.N), "wall-ms")
			b.ReportMetric(allocs/float64(b.N), "allocs/caller")
		})
	}
}

func BenchmarkMemory(b *testing.B) {
	for _, c := range Contenders() {
		b.Run(c.Name, func(b *testing.B) {
			var sum float64
			for range b.N {
				sum += Footprint(c, MemoryEntries)
			}
			b.ReportMetric(0, "ns/op")
			b.ReportMetric(sum/float64(b.N), "B/entry")
		})
	}
}

func BenchmarkClock(b *testing.B) {
	for _, r := range Readings() {
		b.Run(r.Name, func(b *testing.B) { r.Run(b.N) })
	}
}
