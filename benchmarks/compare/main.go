// Command compare measures all contenders in one run, in turn, and prints a
// table a scenario.
//
//	go run ./compare [-rounds 6] [-cpu 1,2] [-scenario hot,zipf] [-short]
//
// A round measures every contender once, each on a cache that is made for it;
// the next round begins with another contender. Figures are medians of rounds,
// and a ratio is the median of the ratios within rounds. Where the system tells
// (Linux), a measurement waits while other processes want the same processors,
// and is made again if they did meanwhile, until -patience is used up.
package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/perennial-go/perennial/benchmarks"
	"github.com/perennial-go/perennial/benchmarks/internal/runner"
)

// settings are what the flags say.
type settings struct {
	rounds     int
	procs      []int
	duration   time.Duration
	seed       uint64
	short      bool
	scenarios  []string
	contenders []string
	calm       *runner.Calm
}

const (
	clockName    = "clock"
	stampedeName = "stampede"
	memoryName   = "memory"
)

// names is everything that can be measured, in order.
func names() []string {
	all := []string{clockName}
	for _, s := range benchmarks.Scenarios() {
		all = append(all, s.Name)
	}
	return append(all, stampedeName, memoryName)
}

func main() {
	s, err := parse()
	if err != nil {
		fmt.Fprintln(os.Stderr, "compare:", err)
		os.Exit(2)
	}
	describe(s)
	if s.wants(clockName) {
		compareClocks(s)
	}
	for _, scenario := range benchmarks.Scenarios() {
		if s.wants(scenario.Name) {
			compareOperations(s, scenario)
		}
	}
	if s.wants(stampedeName) {
		compareStampedes(s)
	}
	if s.wants(memoryName) {
		compareMemory(s)
	}
	fmt.Printf("\n%v\n", s.calm)
}

func parse() (settings, error) {
	s := settings{calm: &runner.Calm{}}
	var cpu, scenarios, contenders string
	flag.IntVar(&s.rounds, "rounds", 6, "how many `rounds` the medians are of")
	flag.StringVar(&cpu, "cpu", "1,2", "`numbers` of processors, each with as many callers")
	flag.StringVar(&scenarios, "scenario", "", "which `names`: "+strings.Join(names(), ",")+" (default all)")
	flag.StringVar(&contenders, "contender", "", "which `names` (default all)")
	flag.DurationVar(&s.duration, "duration", 150*time.Millisecond, "how long one measurement takes")
	flag.Uint64Var(&s.seed, "seed", 1, "of what is random")
	flag.DurationVar(&s.calm.Patience, "patience", 3*time.Minute, "how long to wait in all for other processes; 0 with -short")
	flag.BoolVar(&s.short, "short", false, "about a minute: 3 rounds of 40 ms, 100,000 entries for memory")
	flag.Parse()
	if s.short {
		s.rounds, s.duration, s.calm.Patience = 3, 40*time.Millisecond, 0
	}
	if s.rounds < 1 || flag.NArg() > 0 {
		return s, errors.New("at least one round, and no arguments beside flags")
	}
	for _, p := range strings.Split(cpu, ",") {
		n, err := strconv.Atoi(p)
		if err != nil || n < 1 {
			return s, fmt.Errorf("-cpu %q is no list of numbers above zero", cpu)
		}
		s.procs = append(s.procs, n)
	}
	var err error
	if s.scenarios, err = runner.Choose(scenarios, names()); err != nil {
		return s, fmt.Errorf("-scenario: %w", err)
	}
	s.contenders = runner.Split(contenders)
	if len(s.taking(func(benchmarks.Contender) bool { return true })) == 0 {
		return s, fmt.Errorf("no contender %q", contenders)
	}
	return s, nil
}

func (s settings) wants(scenario string) bool { return slices.Contains(s.scenarios, scenario) }

// taking is the contenders that are asked for and take part.
func (s settings) taking(takes func(benchmarks.Contender) bool) []benchmarks.Contender {
	return slices.DeleteFunc(benchmarks.Contenders(), func(c benchmarks.Contender) bool {
		return !takes(c) || s.contenders != nil && !slices.Contains(s.contenders, c.Name)
	})
}

// describe prints what the figures depend on.
func describe(s settings) {
	run := fmt.Sprintf("seed %d, %d rounds, %v a measurement", s.seed, s.rounds, s.duration)
	if s.short {
		run += ", -short: fewer rounds than the figures deserve"
	}
	runner.Head(os.Stdout, run, s.taking(func(benchmarks.Contender) bool { return true }))
}
