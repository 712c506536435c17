package main

import (
	"fmt"
	"runtime"
	"slices"

	"github.com/perennial-go/perennial/benchmarks"
	"github.com/perennial-go/perennial/benchmarks/internal/runner"
)

// compareStampedes lets crowds ask for a cold key, on the most processors.
func compareStampedes(s settings) {
	const first = 1 // a crowd more than is counted: it makes the runtime's own pools
	procs := slices.Max(s.procs)
	before := runtime.GOMAXPROCS(procs)
	defer runtime.GOMAXPROCS(before)
	contenders := s.taking(benchmarks.StampedeTakes)
	crowds := make([][]benchmarks.Crowd, len(contenders))
	for round := range first + s.rounds {
		for _, i := range runner.InTurn(contenders, round) {
			runner.Progress("stampede: round %d of %d, %s", round, s.rounds, contenders[i].Name)
			crowd := benchmarks.Stampede(contenders[i], benchmarks.StampedeCallers, benchmarks.StampedeLoad)
			if round >= first {
				crowds[i] = append(crowds[i], crowd)
			}
		}
	}
	fmt.Printf("\n### stampede: %d callers at once on a cold key, a loader of %v, %d processors\n\n", benchmarks.StampedeCallers, benchmarks.StampedeLoad, procs)
	fmt.Print("| contender | loads | most loads | wall ms | allocs a caller | B a caller |\n|---|---|---|---|---|---|\n")
	for i, c := range contenders {
		loads := func(c benchmarks.Crowd) float64 { return float64(c.Loads) }
		most := slices.MaxFunc(crowds[i], func(a, b benchmarks.Crowd) int { return int(a.Loads - b.Loads) })
		fmt.Printf("| %s | %.0f | %d | %.1f | %.3f | %.0f |\n", c.Name, runner.MedianOf(crowds[i], loads), most.Loads,
			runner.MedianOf(crowds[i], func(c benchmarks.Crowd) float64 { return c.Wall.Seconds() * 1e3 }),
			runner.MedianOf(crowds[i], func(c benchmarks.Crowd) float64 { return c.Allocs }),
			runner.MedianOf(crowds[i], func(c benchmarks.Crowd) float64 { return c.Bytes }))
	}
}

// compareMemory fills caches. What they take hardly varies, so rounds are few.
func compareMemory(s settings) {
	entries, rounds := benchmarks.MemoryEntries, min(s.rounds, 3)
	if s.short {
		entries, rounds = benchmarks.MemoryEntries/10, 1
	}
	contenders := s.taking(func(benchmarks.Contender) bool { return true })
	sizes := make([][]float64, len(contenders))
	for round := range rounds {
		for _, i := range runner.InTurn(contenders, round) {
			runner.Progress("memory: round %d of %d, %s", round+1, rounds, contenders[i].Name)
			sizes[i] = append(sizes[i], benchmarks.Footprint(contenders[i], entries))
		}
	}
	fmt.Printf("\n### memory: heap at %d entries, median of %d\n\n", entries, rounds)
	fmt.Printf("The text of a key and the value take %d bytes of it.\n\n| contender | B an entry | beside key and value |\n|---|---|---|\n", benchmarks.Payload)
	for i, c := range contenders {
		size := runner.Median(sizes[i])
		fmt.Printf("| %s | %.0f | %.0f |\n", c.Name, size, size-benchmarks.Payload)
	}
}
