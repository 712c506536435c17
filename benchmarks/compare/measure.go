package main

import (
	"runtime"
	"slices"
	"time"

	"github.com/perennial-go/perennial/benchmarks"
)

// sample is one measurement, by operation.
type sample struct {
	ns, allocs, bytes, loads float64
}

// measure runs an instance for about the given time on that many processors.
func measure(in *benchmarks.Instance, procs int, duration time.Duration) sample {
	before := runtime.GOMAXPROCS(procs)
	defer runtime.GOMAXPROCS(before)

	n := warmUp(in, procs, duration)
	in.Before(n)
	runtime.GC()
	loads := in.Loads()
	var start, end runtime.MemStats
	runtime.ReadMemStats(&start)
	began := time.Now()
	in.Run(n, procs)
	took := time.Since(began)
	runtime.ReadMemStats(&end)

	each := 1 / float64(n)
	return sample{
		ns:     float64(took.Nanoseconds()) * each,
		allocs: float64(end.Mallocs-start.Mallocs) * each,
		bytes:  float64(end.TotalAlloc-start.TotalAlloc) * each,
		loads:  float64(in.Loads()-loads) * each,
	}
}

// warmUp finds out how many operations take the given time.
func warmUp(in *benchmarks.Instance, procs int, duration time.Duration) int {
	const first, growth, share = 100, 20, 5
	for n := first; ; {
		in.Before(n)
		began := time.Now()
		in.Run(n, procs)
		took := max(time.Since(began), 1)
		if took >= duration/share {
			return max(procs, int(float64(n)*float64(duration)/float64(took)))
		}
		wanted := 1.2 * float64(duration/share) / float64(took)
		n = int(float64(n) * min(growth, max(2, wanted)))
	}
}

// medianOf is the median of what is picked from samples.
func medianOf[T any](samples []T, pick func(T) float64) float64 {
	values := make([]float64, len(samples))
	for i, s := range samples {
		values[i] = pick(s)
	}
	return median(values)
}

// median sorts what it is given.
func median(values []float64) float64 {
	slices.Sort(values)
	middle := len(values) / 2
	if len(values)%2 == 1 {
		return values[middle]
	}
	return (values[middle-1] + values[middle]) / 2
}
