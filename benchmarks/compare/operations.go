package main

import (
	"fmt"
	"runtime"

	"github.com/perennial-go/perennial/benchmarks"
	"github.com/perennial-go/perennial/benchmarks/internal/runner"
)

// compareOperations measures a scenario and prints its table.
func compareOperations(s settings, scenario benchmarks.Scenario) {
	contenders := s.taking(scenario.Takes)
	samples := make([][][]runner.Sample, len(s.procs)) // by processors, contender and round
	for p := range samples {
		samples[p] = make([][]runner.Sample, len(contenders))
	}
	for round := range s.rounds {
		for _, i := range runner.InTurn(contenders, round) {
			runner.Progress("%s: round %d of %d, %s", scenario.Name, round+1, s.rounds, contenders[i].Name)
			in := scenario.New(contenders[i], s.seed)
			for p, procs := range s.procs {
				m := runner.Calmly(s.calm, procs, func() runner.Sample { return runner.Measure(in, procs, procs, s.duration) })
				if !scenario.Loads && m.Loads > 0 {
					runner.Progress("%s: %s has loaded in %.6f of the hits", scenario.Name, contenders[i].Name, m.Loads)
				}
				samples[p][i] = append(samples[p][i], m)
			}
			in.Close()
			runtime.GC()
		}
	}
	fmt.Printf("\n### %s: %s\n\n", scenario.Name, scenario.About)
	printOperations(s, contenders, samples, scenario.Loads)
}

// rivals are the contenders that ratios are to.
var rivals = []string{benchmarks.Otter, benchmarks.OtterCoarse, benchmarks.Floor}

func printOperations(s settings, contenders []benchmarks.Contender, samples [][][]runner.Sample, loads bool) {
	present := map[string]int{}
	for i, c := range contenders {
		present[c.Name] = i
	}
	head, rule := "| contender | procs | ns/op | least | most | allocs/op | B/op |", "|---|---|---|---|---|---|---|"
	if loads {
		head, rule = head+" loads/op |", rule+"---|"
	}
	for _, r := range rivals {
		if _, ok := present[r]; ok {
			head, rule = head+" / "+r+" |", rule+"---|"
		}
	}
	fmt.Println(head)
	fmt.Println(rule)
	for p, procs := range s.procs {
		for i, c := range contenders {
			mine := samples[p][i]
			ns := runner.Nanoseconds(mine)
			fmt.Printf("| %s | %d | %s | %s | %s | %.2f | %.0f |", c.Name, procs, runner.Digits(runner.Median(ns)), runner.Digits(ns[0]), runner.Digits(ns[len(ns)-1]),
				runner.MedianOf(mine, func(m runner.Sample) float64 { return m.Allocs }), runner.MedianOf(mine, func(m runner.Sample) float64 { return m.Bytes }))
			if loads {
				fmt.Printf(" %.2g |", runner.MedianOf(mine, func(m runner.Sample) float64 { return m.Loads }))
			}
			for _, r := range rivals {
				if at, ok := present[r]; ok {
					fmt.Printf(" %.2f |", ratio(mine, samples[p][at]))
				}
			}
			fmt.Println()
		}
	}
}

// ratio is the median of the ratios of the times within rounds.
func ratio(mine, theirs []runner.Sample) float64 {
	ratios := make([]float64, len(mine))
	for i := range mine {
		ratios[i] = mine[i].NS / theirs[i].NS
	}
	return runner.Median(ratios)
}

// compareClocks measures what it costs to read the clock.
func compareClocks(s settings) {
	readings := benchmarks.Readings()
	samples := make([][]runner.Sample, len(readings))
	for round := range s.rounds {
		for _, i := range runner.InTurn(readings, round) {
			runner.Progress("clock: round %d of %d, %s", round+1, s.rounds, readings[i].Name)
			in := &benchmarks.Instance{
				Before: func(int) {},
				Run:    func(n, _ int) { readings[i].Run(n) },
				Loads:  func() int64 { return 0 },
			}
			samples[i] = append(samples[i], runner.Calmly(s.calm, 1, func() runner.Sample { return runner.Measure(in, 1, 1, s.duration/3) }))
		}
	}
	fmt.Print("\n### clock: one reading\n\n| reading | ns | least | most |\n|---|---|---|---|\n")
	for i, r := range readings {
		ns := runner.Nanoseconds(samples[i])
		fmt.Printf("| %s | %s | %s | %s |\n", r.Name, runner.Digits(runner.Median(ns)), runner.Digits(ns[0]), runner.Digits(ns[len(ns)-1]))
	}
}
