package main

import (
	"fmt"
	"slices"

	"github.com/perennial-go/perennial/benchmarks/internal/runner"
	"github.com/perennial-go/perennial/benchmarks/internal/trace"
)

// outcome is what one replay of a trace on a cache comes to.
type outcome struct {
	hits, requests   int
	bytes, requested int64   // sizes of the hits, and of all requests
	wait             float64 // the costs of the misses: how long callers wait for loads
	uncached         float64 // the costs of all requests
	held             int64
}

// replay asks a cache for everything in turn. The salt changes all keys, and
// nothing else: numbers that were close to each other still are.
func replay(t *trace.Trace, c cache, salt uint64) outcome {
	var o outcome
	for _, r := range t.All() {
		r.Key ^= salt
		o.requests++
		o.requested += r.Size
		o.uncached += r.Cost
		if c.get(r) {
			o.hits++
			o.bytes += r.Size
		} else {
			o.wait += r.Cost
		}
	}
	o.held = c.held()
	return o
}

// result is what several replays of one policy at one size come to.
type result struct {
	hits  spread // share of the requests
	bytes spread // share of the bytes
	wait  spread
	share spread // of what callers would wait without a cache
	held  int64  // the most of all
}

// spread is a median and its ends.
type spread struct{ median, least, most float64 }

func spreadOf(outcomes []outcome, pick func(outcome) float64) spread {
	all := runner.Picked(outcomes, pick)
	slices.Sort(all)
	return spread{runner.Median(all), all[0], all[len(all)-1]}
}

func resultOf(outcomes []outcome) result {
	return result{
		hits:  spreadOf(outcomes, func(o outcome) float64 { return float64(o.hits) / float64(o.requests) }),
		bytes: spreadOf(outcomes, func(o outcome) float64 { return float64(o.bytes) / float64(o.requested) }),
		wait:  spreadOf(outcomes, func(o outcome) float64 { return o.wait }),
		share: spreadOf(outcomes, func(o outcome) float64 { return ratio(o.wait, o.uncached) }),
		held:  slices.MaxFunc(outcomes, func(a, b outcome) int { return int(a.held - b.held) }).held,
	}
}

// percent is a share, with its ends where they differ.
func (s spread) percent() string {
	middle, least, most := percent(s.median), percent(s.least), percent(s.most)
	if least == most {
		return middle
	}
	return fmt.Sprintf("%s (%s to %s)", middle, least, most)
}

func percent(share float64) string { return fmt.Sprintf("%.1f", 100*share) }
