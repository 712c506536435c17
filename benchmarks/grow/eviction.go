package main

import (
	"context"
	"fmt"
	"runtime"
	"sync/atomic"

	"github.com/perennial-go/perennial/benchmarks"
	"github.com/perennial-go/perennial/benchmarks/internal/chart"
	"github.com/perennial-go/perennial/benchmarks/internal/runner"
)

const (
	// evictionKeys is how many keys are asked for, in capacities.
	evictionKeys = 10
	// evictionWarmUp is how many calls come before those that are measured, in
	// capacities. By then at least one and a half capacities have been loaded.
	evictionWarmUp = 16
)

// evicted is a measurement of a full cache.
type evicted struct {
	runner.Sample
	held float64 // entries at the end, in capacities
}

// growEviction asks for ten times the keys that a cache may hold.
func growEviction(s settings) error {
	var contenders []benchmarks.Contender
	for _, c := range benchmarks.Contenders() {
		if c.Loads && c.Bounded && c.Name != exactPerennial {
			contenders = append(contenders, c)
		}
	}
	t := &runner.Table{Head: []string{"capacity", "contender", "ns/op", "least", "most", "hits %", "held %"}}
	lines := linesOf(contenders)
	for _, capacity := range s.sizes.capacities {
		for i, samples := range evictionsAt(s, contenders, capacity) {
			p := pointOf(float64(capacity), samplesOf(samples))
			lines[i].Points = append(lines[i].Points, p)
			loads := runner.MedianOf(samples, func(e evicted) float64 { return e.Loads })
			held := runner.MedianOf(samples, func(e evicted) float64 { return e.held })
			t.Add(runner.Count(capacity), contenders[i].Name, runner.Digits(p.Y), runner.Digits(p.Low), runner.Digits(p.High),
				fmt.Sprintf("%.1f", 100*(1-loads)), fmt.Sprintf("%.0f", 100*held))
		}
	}
	runner.Heading("eviction", fmt.Sprintf("string keys by a Zipf distribution over %d times the capacity, a loader that does nothing, %d callers", evictionKeys, runtime.NumCPU()))
	t.Print()
	return s.write(chart.Chart{
		Name: "eviction", Title: fmt.Sprintf("Calls of a full cache, a Zipf distribution over %d times its capacity", evictionKeys),
		X:     chart.Axis{Label: "capacity", Log: true, Ticks: floats(s.sizes.capacities), Text: chart.Short},
		Y:     chart.Axis{Label: fmt.Sprintf("ns per call, hit or miss, %d callers", runtime.NumCPU()), Text: chart.Short},
		Lines: lines,
	})
}

// exactPerennial is left out: its evictions are those of the other.
const exactPerennial = "perennial exact"

func samplesOf(all []evicted) []runner.Sample {
	samples := make([]runner.Sample, len(all))
	for i, e := range all {
		samples[i] = e.Sample
	}
	return samples
}

// evictionsAt measures one capacity: the samples of each contender.
func evictionsAt(s settings, contenders []benchmarks.Contender, capacity int) [][]evicted {
	procs := runtime.NumCPU()
	keys := benchmarks.StringKeys(evictionKeys * capacity)
	distribution := benchmarks.Zipf(s.seed, len(keys))
	samples := make([][]evicted, len(contenders))
	for round := range s.rounds {
		for _, i := range runner.InTurn(contenders, round) {
			runner.Progress("eviction: capacity %s, round %d of %d, %s", runner.Count(capacity), round+1, s.rounds, contenders[i].Name)
			in, held := evictions(contenders[i], capacity, keys, distribution)
			m := runner.Calmly(s.calm, procs, func() runner.Sample { return runner.Measure(in, procs, procs, s.duration) })
			samples[i] = append(samples[i], evicted{m, float64(held()) / float64(capacity)})
			in.Close()
			runtime.GC()
		}
	}
	return samples
}

// evictions is a full cache whose keys are drawn beforehand, and how many
// entries it holds.
func evictions(c benchmarks.Contender, capacity int, keys []string, distribution *benchmarks.Distribution) (in *benchmarks.Instance, held func() int) {
	var loads atomic.Int64
	value := &benchmarks.Value{ID: 1}
	cache := c.Strings(benchmarks.Lasting(capacity), func(context.Context, string) (*benchmarks.Value, error) {
		loads.Add(1)
		return value, nil
	})
	next, drawn := distribution.Draws(), []uint32(nil)
	in = &benchmarks.Instance{
		Before: func(n int) {
			drawn = drawn[:0]
			for range n {
				drawn = append(drawn, next())
			}
		},
		Run: func(n, callers int) {
			benchmarks.Spread(n, callers, func(w, n int) {
				ctx := context.Background()
				for i := range n {
					if cache.Get(ctx, keys[drawn[i*callers+w]]) == nil {
						panic(c.Name + " returned no value")
					}
				}
			})
		},
		Loads: loads.Load,
		Close: cache.Close,
	}
	const piece = 1 << 18
	for left := evictionWarmUp * capacity; left > 0; left -= piece {
		n := min(left, piece)
		in.Before(n)
		in.Run(n, runtime.NumCPU())
	}
	cache.Settle()
	return in, func() int { cache.Settle(); return cache.Len() }
}
