package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"runtime"
	"strconv"
	"sync/atomic"

	"github.com/perennial-go/perennial/benchmarks"
	"github.com/perennial-go/perennial/benchmarks/internal/chart"
	"github.com/perennial-go/perennial/benchmarks/internal/runner"
)

// growGoroutines measures hits of more and more callers, of whom a share
// writes.
func growGoroutines(s settings) error {
	contenders := named(benchmarks.Perennial, benchmarks.OtterCoarse)
	t := &runner.Table{Head: []string{"contender", "writes"}}
	for _, callers := range s.sizes.callers {
		t.Head = append(t.Head, strconv.Itoa(callers))
	}
	t.Head = append(t.Head, "most loads in 10,000")
	c := chart.Chart{
		Name: "goroutines", Title: fmt.Sprintf("Hits and writes of more and more goroutines, %s keys, %d processors", runner.Count(s.sizes.keys), runtime.NumCPU()),
		X: chart.Axis{Label: "goroutines", Log: true, Ticks: floats(s.sizes.callers), Text: chart.Short},
		Y: chart.Axis{Label: "ns per operation of all", Log: true, Text: chart.Short},
	}
	dashes := []string{"", "7 3", "2 3"}
	for w, share := range s.sizes.writes {
		for i, samples := range mixedBy(s, contenders, share) {
			l := lineOf(contenders[i])
			l.Name = fmt.Sprintf("%s, %g %% writes", l.Name, 100*share)
			l.Dash = dashes[w%len(dashes)]
			row := []string{contenders[i].Name, fmt.Sprintf("%g %%", 100*share)}
			loads := 0.0
			for k, callers := range s.sizes.callers {
				p := pointOf(float64(callers), samples[k])
				l.Points = append(l.Points, p)
				row = append(row, runner.Digits(p.Y))
				loads = max(loads, runner.MedianOf(samples[k], func(m runner.Sample) float64 { return m.Loads }))
			}
			c.Lines = append(c.Lines, l)
			t.Add(append(row, fmt.Sprintf("%.2g", 1e4*loads))...)
		}
	}
	runner.Heading("goroutines", fmt.Sprintf("hits among %s string keys by a Zipf distribution, a share of writes to keys that are held, %d processors, wall ns by number of goroutines for an operation of all of them together",
		runner.Count(s.sizes.keys), runtime.NumCPU()))
	t.Print()
	return s.write(c)
}

// mixedBy measures one share of writes: the samples of each contender, by number
// of callers.
func mixedBy(s settings, contenders []benchmarks.Contender, share float64) [][][]runner.Sample {
	procs := runtime.NumCPU()
	sequence := mixed(s.seed, s.sizes.keys, s.sizes.draws, share)
	samples := make([][][]runner.Sample, len(contenders))
	for i := range samples {
		samples[i] = make([][]runner.Sample, len(s.sizes.callers))
	}
	for round := range s.rounds {
		for _, i := range runner.InTurn(contenders, round) {
			runner.Progress("goroutines: %g %% writes, round %d of %d, %s", 100*share, round+1, s.rounds, contenders[i].Name)
			in := hitsAndWrites(contenders[i], s.sizes.keys, sequence)
			for k, callers := range s.sizes.callers {
				m := runner.Calmly(s.calm, procs, func() runner.Sample { return runner.Measure(in, procs, callers, s.duration) })
				samples[i][k] = append(samples[i][k], m)
			}
			in.Close()
			runtime.GC()
		}
	}
	return samples
}

// isWrite marks a draw whose key is written.
const isWrite = 1 << 31

// mixed is a Zipf sequence of which a share is marked.
func mixed(seed uint64, keys, draws int, share float64) []uint32 {
	sequence := benchmarks.Zipf(seed, keys).Sequence(draws)
	r := rand.New(rand.NewPCG(seed, 1))
	for i := range sequence {
		if r.Float64() < share {
			sequence[i] |= isWrite
		}
	}
	return sequence
}

// hitsAndWrites walks a sequence, each caller a part of its own.
func hitsAndWrites(c benchmarks.Contender, keys int, sequence []uint32) *benchmarks.Instance {
	var loads atomic.Int64
	cache := c.Strings(benchmarks.Lasting(2*keys), counting(&loads))
	benchmarks.Fill(cache, benchmarks.StringKeys(keys), &loads)
	asked, value := benchmarks.StringKeys(keys), &benchmarks.Value{ID: 1}
	return &benchmarks.Instance{
		Before: func(int) {},
		Run: func(n, callers int) {
			benchmarks.Spread(n, callers, func(w, n int) {
				ctx := context.Background()
				at := w * (len(sequence) / callers)
				for range n {
					at++
					draw := sequence[at&(len(sequence)-1)]
					switch key := asked[draw&^isWrite]; {
					case draw&isWrite != 0:
						cache.Set(key, value)
					case cache.Get(ctx, key) == nil:
						panic(c.Name + " returned no value")
					}
				}
			})
		},
		Loads: loads.Load,
		Close: cache.Close,
	}
}
