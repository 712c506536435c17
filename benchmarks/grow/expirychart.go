package main

import (
	"fmt"
	"slices"

	"github.com/perennial-go/perennial/benchmarks"
	"github.com/perennial-go/perennial/benchmarks/internal/chart"
	"github.com/perennial-go/perennial/benchmarks/internal/runner"
)

// percentiles are the places on the chart of latencies.
var percentiles = []struct {
	share float64
	name  string
}{{0.5, "p50"}, {0.9, "p90"}, {0.99, "p99"}, {0.999, "p99.9"}, {0.9999, "p99.99"}, {1, "max"}}

// latencyChart has the percentiles beside one another, each as wide as the next.
func latencyChart(s settings, contenders []benchmarks.Contender, expiring, control [][]expiryRun) chart.Chart {
	c := chart.Chart{
		Name: "expiry", Title: fmt.Sprintf("Single hits while %s other entries expire", runner.Count(s.sizes.expiring)),
		X: chart.Axis{Label: "percentile of the hits", Text: func(at float64) string { return percentiles[int(at)].name }},
		Y: chart.Axis{Label: "latency, the clock's included", Log: true, Text: lasting},
	}
	for at := range percentiles {
		c.X.Ticks = append(c.X.Ticks, float64(at))
	}
	for i, contender := range contenders {
		l, without := lineOf(contender), lineOf(contender)
		without.Name, without.Dash = l.Name+", no expiry", "3 3"
		for at, p := range percentiles {
			with, base := quantileOf(expiring[i], p.share), quantileOf(control[i], p.share)
			with.X, base.X = float64(at), float64(at)
			l.Points = append(l.Points, with)
			without.Points = append(without.Points, base)
		}
		c.Lines = append(c.Lines, l, without)
	}
	return c
}

// heldChart has, of each contender, the run whose time is the middle one.
func heldChart(s settings, contenders []benchmarks.Contender, expiring [][]expiryRun) chart.Chart {
	c := chart.Chart{
		Name: "expiry-held", Title: fmt.Sprintf("Entries held while %s expire within %v", runner.Count(s.sizes.expiring), s.sizes.spread),
		X: chart.Axis{Label: "seconds from the first expiry", Text: chart.Short},
		Y: chart.Axis{Label: "entries held", Text: chart.Short},
	}
	for i, contender := range contenders {
		runs := slices.Clone(expiring[i])
		slices.SortFunc(runs, func(a, b expiryRun) int { return int(a.swept - b.swept) })
		l := lineOf(contender)
		l.Bare = true
		for _, h := range runs[len(runs)/2].held {
			l.Points = append(l.Points, chart.Point{X: h.at.Seconds(), Y: float64(h.entries), Low: float64(h.entries), High: float64(h.entries)})
		}
		l.Points = corners(l.Points)
		c.Lines = append(c.Lines, l)
	}
	return c
}

// corners leaves out points between two of the same height.
func corners(points []chart.Point) []chart.Point {
	var kept []chart.Point
	for i, p := range points {
		if i == 0 || i == len(points)-1 || points[i-1].Y != p.Y || points[i+1].Y != p.Y {
			kept = append(kept, p)
		}
	}
	return kept
}
