package runner

import (
	"runtime"
	"time"

	"github.com/perennial-go/perennial/benchmarks"
)

// Sample is one measurement, by operation.
type Sample struct {
	NS, Allocs, Bytes, Loads float64
}

// Measure lets that many callers run an instance for about the given time, on
// that many processors.
func Measure(in *benchmarks.Instance, procs, callers int, duration time.Duration) Sample {
	before := runtime.GOMAXPROCS(procs)
	defer runtime.GOMAXPROCS(before)

	n := warmUp(in, callers, duration)
	in.Before(n)
	runtime.GC()
	loads := in.Loads()
	var start, end runtime.MemStats
	runtime.ReadMemStats(&start)
	began := time.Now()
	in.Run(n, callers)
	took := time.Since(began)
	runtime.ReadMemStats(&end)

	each := 1 / float64(n)
	return Sample{
		NS:     float64(took.Nanoseconds()) * each,
		Allocs: float64(end.Mallocs-start.Mallocs) * each,
		Bytes:  float64(end.TotalAlloc-start.TotalAlloc) * each,
		Loads:  float64(in.Loads()-loads) * each,
	}
}

// warmUp finds out how many operations take the given time.
func warmUp(in *benchmarks.Instance, callers int, duration time.Duration) int {
	const first, growth, share = 100, 20, 5
	for n := first; ; {
		in.Before(n)
		began := time.Now()
		in.Run(n, callers)
		took := max(time.Since(began), 1)
		if took >= duration/share {
			return max(callers, int(float64(n)*float64(duration)/float64(took)))
		}
		wanted := 1.2 * float64(duration/share) / float64(took)
		n = int(float64(n) * min(growth, max(2, wanted)))
	}
}
