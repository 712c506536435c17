package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/perennial-go/perennial/benchmarks"
	"github.com/perennial-go/perennial/benchmarks/internal/runner"
)

// settings are what the flags say.
type settings struct {
	rounds   int
	duration time.Duration
	seed     uint64
	short    bool
	only     []string
	out      string
	calm     *runner.Calm
	sizes    sizes
}

func parse() (settings, error) {
	s := settings{calm: &runner.Calm{}, sizes: full()}
	var names []string
	for _, p := range parts() {
		names = append(names, p.name)
	}
	var only string
	flag.StringVar(&only, "only", "", "which `parts`: "+strings.Join(names, ",")+" (default all)")
	flag.StringVar(&s.out, "out", "../docs/charts", "the `folder` that charts are written to")
	flag.IntVar(&s.rounds, "rounds", 3, "how many `rounds` the medians are of")
	flag.DurationVar(&s.duration, "duration", 150*time.Millisecond, "how long one measurement takes")
	flag.Uint64Var(&s.seed, "seed", 1, "of what is random")
	flag.DurationVar(&s.calm.Patience, "patience", 3*time.Minute, "how long to wait in all for other processes; 0 with -short")
	flag.BoolVar(&s.short, "short", false, "less than 20 seconds: 1 round, everything tiny")
	flag.Parse()
	if s.short {
		s.rounds, s.duration, s.calm.Patience, s.sizes = 1, 10*time.Millisecond, 0, tiny()
	}
	if s.rounds < 1 || flag.NArg() > 0 {
		return s, errors.New("at least one round, and no arguments beside flags")
	}
	var err error
	if s.only, err = runner.Choose(only, names); err != nil {
		return s, fmt.Errorf("-only: %w", err)
	}
	return s, os.MkdirAll(s.out, 0o755) // fails before anything is measured
}

// run is the run in words.
func (s settings) run() string {
	text := fmt.Sprintf("seed %d, %s, %v a measurement", s.seed, s.median(), s.duration)
	if s.short {
		text += ", -short: smaller than the figures deserve"
	}
	return text
}

// median is what figures are.
func (s settings) median() string {
	if s.rounds == 1 {
		return "1 round"
	}
	return fmt.Sprintf("medians of %d rounds", s.rounds)
}

// contenders are those who take part in any part that is asked for.
func (s settings) contenders() []benchmarks.Contender {
	if slices.Contains(s.only, "rest") || slices.Contains(s.only, "eviction") {
		return benchmarks.Contenders()
	}
	return named(benchmarks.Perennial, benchmarks.OtterCoarse, benchmarks.Otter)
}

// named is the contenders of these names, in this order.
func named(names ...string) []benchmarks.Contender {
	var chosen []benchmarks.Contender
	for _, name := range names {
		for _, c := range benchmarks.Contenders() {
			if c.Name == name {
				chosen = append(chosen, c)
			}
		}
	}
	return chosen
}
