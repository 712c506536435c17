package main

import (
	"fmt"
	"slices"

	"github.com/perennial-go/perennial/benchmarks"
)

// percentiles are the places on the chart of latencies.
var percentiles = []struct {
	share float64
	name  string
}{{0.5, "p50"}, {0.9, "p90"}, {0.99, "p99"}, {0.999, "p99.9"}, {0.9999, "p99.99"}, {1, "max"}}

// latencyChart has the percentiles beside one another, each as wide as the next.
func latencyChart(s settings, contenders []benchmarks.Contender, expiring, control [][]expiryRun) chart {
	c := chart{
		name: "expiry", title: fmt.Sprintf("Single hits while %s other entries expire", count(s.sizes.expiring)),
		x: axis{label: "percentile of the hits", text: func(at float64) string { return percentiles[int(at)].name }},
		y: axis{label: "latency, the clock's included", log: true, text: lasting},
	}
	for at := range percentiles {
		c.x.ticks = append(c.x.ticks, float64(at))
	}
	for i, contender := range contenders {
		l, without := lineOf(contender), lineOf(contender)
		without.name, without.dash = l.name+", no expiry", "3 3"
		for at, p := range percentiles {
			with, base := quantileOf(expiring[i], p.share), quantileOf(control[i], p.share)
			with.x, base.x = float64(at), float64(at)
			l.points = append(l.points, with)
			without.points = append(without.points, base)
		}
		c.lines = append(c.lines, l, without)
	}
	return c
}

// heldChart has, of each contender, the run whose time is the middle one.
func heldChart(s settings, contenders []benchmarks.Contender, expiring [][]expiryRun) chart {
	c := chart{
		name: "expiry-held", title: fmt.Sprintf("Entries held while %s expire within %v", count(s.sizes.expiring), s.sizes.spread),
		x: axis{label: "seconds from the first expiry", text: short},
		y: axis{label: "entries held", text: short},
	}
	for i, contender := range contenders {
		runs := slices.Clone(expiring[i])
		slices.SortFunc(runs, func(a, b expiryRun) int { return int(a.swept - b.swept) })
		l := lineOf(contender)
		l.bare = true
		for _, h := range runs[len(runs)/2].held {
			l.points = append(l.points, point{x: h.at.Seconds(), y: float64(h.entries), low: float64(h.entries), high: float64(h.entries)})
		}
		l.points = corners(l.points)
		c.lines = append(c.lines, l)
	}
	return c
}

// corners leaves out points between two of the same height.
func corners(points []point) []point {
	var kept []point
	for i, p := range points {
		if i == 0 || i == len(points)-1 || points[i-1].y != p.y || points[i+1].y != p.y {
			kept = append(kept, p)
		}
	}
	return kept
}
