package main

import (
	"fmt"
	"runtime"
	"slices"

	"github.com/perennial-go/perennial/benchmarks"
)

// compareOperations measures a scenario and prints its table.
func compareOperations(s settings, scenario benchmarks.Scenario) {
	contenders := s.taking(scenario.Takes)
	samples := make([][][]sample, len(s.procs)) // by processors, contender and round
	for p := range samples {
		samples[p] = make([][]sample, len(contenders))
	}
	for round := range s.rounds {
		for _, i := range inTurn(contenders, round) {
			progress("%s: round %d of %d, %s", scenario.Name, round+1, s.rounds, contenders[i].Name)
			in := scenario.New(contenders[i], s.seed)
			for p, procs := range s.procs {
				m := s.calm.measure(procs, func() sample { return measure(in, procs, s.duration) })
				if !scenario.Loads && m.loads > 0 {
					progress("%s: %s has loaded in %.6f of the hits", scenario.Name, contenders[i].Name, m.loads)
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

func printOperations(s settings, contenders []benchmarks.Contender, samples [][][]sample, loads bool) {
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
			ns := nanoseconds(mine)
			fmt.Printf("| %s | %d | %s | %s | %s | %.2f | %.0f |", c.Name, procs, digits(median(ns)), digits(ns[0]), digits(ns[len(ns)-1]),
				medianOf(mine, func(m sample) float64 { return m.allocs }), medianOf(mine, func(m sample) float64 { return m.bytes }))
			if loads {
				fmt.Printf(" %.2g |", medianOf(mine, func(m sample) float64 { return m.loads }))
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

// nanoseconds is the times of samples, the least first.
func nanoseconds(samples []sample) []float64 {
	ns := make([]float64, len(samples))
	for i, m := range samples {
		ns[i] = m.ns
	}
	slices.Sort(ns)
	return ns
}

// ratio is the median of the ratios of the times within rounds.
func ratio(mine, theirs []sample) float64 {
	ratios := make([]float64, len(mine))
	for i := range mine {
		ratios[i] = mine[i].ns / theirs[i].ns
	}
	return median(ratios)
}

// digits is a time with as many digits as mean anything.
func digits(ns float64) string {
	if ns < 100 {
		return fmt.Sprintf("%.1f", ns)
	}
	return fmt.Sprintf("%.0f", ns)
}

// compareClocks measures what it costs to read the clock.
func compareClocks(s settings) {
	readings := benchmarks.Readings()
	samples := make([][]sample, len(readings))
	for round := range s.rounds {
		for _, i := range inTurn(readings, round) {
			progress("clock: round %d of %d, %s", round+1, s.rounds, readings[i].Name)
			in := &benchmarks.Instance{
				Before: func(int) {},
				Run:    func(n, _ int) { readings[i].Run(n) },
				Loads:  func() int64 { return 0 },
			}
			samples[i] = append(samples[i], s.calm.measure(1, func() sample { return measure(in, 1, s.duration/3) }))
		}
	}
	fmt.Print("\n### clock: one reading\n\n| reading | ns | least | most |\n|---|---|---|---|\n")
	for i, r := range readings {
		ns := nanoseconds(samples[i])
		fmt.Printf("| %s | %s | %s | %s |\n", r.Name, digits(median(ns)), digits(ns[0]), digits(ns[len(ns)-1]))
	}
}
