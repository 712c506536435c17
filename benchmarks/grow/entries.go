package main

import (
	"context"
	"fmt"
	"runtime"
	"runtime/debug"
	"sync/atomic"

	"github.com/perennial-go/perennial/benchmarks"
	"github.com/perennial-go/perennial/benchmarks/internal/chart"
	"github.com/perennial-go/perennial/benchmarks/internal/runner"
)

// growEntries measures fresh hits of one caller in caches of more and more
// entries.
func growEntries(s settings) error {
	contenders := named(benchmarks.Perennial, benchmarks.OtterCoarse, benchmarks.Otter)
	t := &runner.Table{Head: []string{"entries"}}
	for _, c := range contenders {
		t.Head = append(t.Head, c.Name+" ns", "least", "most")
	}
	lines := linesOf(contenders)
	var skipped []string
	for _, entries := range s.sizes.entries {
		if err := roomFor(entries); err != nil {
			skipped = append(skipped, fmt.Sprintf("%s entries are skipped: %v.", runner.Count(entries), err))
			runner.Progress("entries: %s", skipped[len(skipped)-1])
			continue
		}
		row := []string{runner.Count(entries)}
		for i, samples := range hitsAmong(s, contenders, entries) {
			p := pointOf(float64(entries), samples)
			lines[i].Points = append(lines[i].Points, p)
			row = append(row, runner.Digits(p.Y), runner.Digits(p.Low), runner.Digits(p.High))
		}
		t.Add(row...)
	}
	runner.Heading("entries", "a fresh hit, string keys by a Zipf distribution, 1 caller, ns")
	t.Print()
	for _, line := range skipped {
		fmt.Printf("\n%s\n", line)
	}
	return s.write(chart.Chart{
		Name: "entries", Title: "A fresh hit in caches of more and more entries",
		X:     chart.Axis{Label: "entries held", Log: true, Ticks: floats(s.sizes.entries), Text: chart.Short},
		Y:     chart.Axis{Label: "ns per hit, 1 caller", Text: chart.Short},
		Lines: lines,
	})
}

// hitsAmong measures hits among that many entries: the samples of each
// contender.
func hitsAmong(s settings, contenders []benchmarks.Contender, entries int) [][]runner.Sample {
	asked := benchmarks.StringKeys(entries)
	sequence := benchmarks.Zipf(s.seed, entries).Sequence(s.sizes.draws)
	samples := make([][]runner.Sample, len(contenders))
	for round := range s.rounds {
		for _, i := range runner.InTurn(contenders, round) {
			runner.Progress("entries: %s, round %d of %d, %s", runner.Count(entries), round+1, s.rounds, contenders[i].Name)
			in := hits(contenders[i], asked, sequence)
			m := runner.Calmly(s.calm, 1, func() runner.Sample { return runner.Measure(in, 1, 1, s.duration) })
			if m.Loads > 0 {
				runner.Progress("entries: %s has loaded in %.6f of the hits", contenders[i].Name, m.Loads)
			}
			samples[i] = append(samples[i], m)
			in.Close()
			runtime.GC()
		}
	}
	return samples
}

// hits asks for keys in a sequence whose length is a power of two. Keys that
// are held are equal to those asked for, and other strings. One caller walks.
func hits(c benchmarks.Contender, asked []string, sequence []uint32) *benchmarks.Instance {
	var loads atomic.Int64
	cache := c.Strings(benchmarks.Lasting(2*len(asked)), counting(&loads))
	benchmarks.Fill(cache, benchmarks.StringKeys(len(asked)), &loads)
	at := 0
	return &benchmarks.Instance{
		Before: func(int) {},
		Run: func(n, _ int) {
			ctx := context.Background()
			for range n {
				if at++; cache.Get(ctx, asked[sequence[at&(len(sequence)-1)]]) == nil {
					panic(c.Name + " returned no value")
				}
			}
		},
		Loads: loads.Load,
		Close: cache.Close,
	}
}

// counting is a loader that counts and makes a value each time.
func counting(loads *atomic.Int64) benchmarks.Load[string] {
	return func(context.Context, string) (*benchmarks.Value, error) {
		loads.Add(1)
		return &benchmarks.Value{ID: uint64(benchmarks.LongLife)}, nil
	}
}

// roomFor tells why that many entries do not fit into memory.
func roomFor(entries int) error {
	const (
		each  = 1000    // bytes, the garbage that collects between collections included
		small = 1 << 30 // is taken for granted
	)
	wanted := int64(entries) * each
	if wanted <= small {
		return nil
	}
	debug.FreeOSMemory()
	switch free, known := freeMemory(); {
	case !known:
		return fmt.Errorf("the system does not tell how much memory is free, and about %d MB are wanted", wanted>>20)
	case free < wanted:
		return fmt.Errorf("%d MB of memory are free, and about %d are wanted", free>>20, wanted>>20)
	}
	return nil
}
