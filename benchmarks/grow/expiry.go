package main

import (
	"fmt"
	"runtime"
	"time"

	"github.com/perennial-go/perennial/benchmarks"
	"github.com/perennial-go/perennial/benchmarks/internal/chart"
	"github.com/perennial-go/perennial/benchmarks/internal/runner"
)

// growExpiry measures single hits while very many other entries expire, and in
// a control run in which they do not.
func growExpiry(s settings) error {
	contenders := named(benchmarks.Perennial, benchmarks.OtterCoarse, benchmarks.Otter)
	expiring, control := make([][]expiryRun, len(contenders)), make([][]expiryRun, len(contenders))
	procs := runtime.NumCPU()
	var clocks []*histogram
	for round := range s.rounds {
		clocks = append(clocks, runner.Calmly(s.calm, 1, clockCost))
		for _, i := range runner.InTurn(contenders, round) {
			c := contenders[i]
			runner.Progress("expiry: round %d of %d, %s", round+1, s.rounds, c.Name)
			run := runner.Calmly(s.calm, procs, func() expiryRun { return expire(c, s.sizes, s.seed, 0) })
			runner.Progress("expiry: round %d of %d, %s, control of %v", round+1, s.rounds, c.Name, run.window.Round(time.Millisecond))
			expiring[i] = append(expiring[i], run)
			control[i] = append(control[i], runner.Calmly(s.calm, procs, func() expiryRun { return expire(c, s.sizes, s.seed, run.window) }))
		}
	}
	runner.Heading("expiry", fmt.Sprintf("single hits on %s keys that live long, while %s others expire within %v and until they are gone; in the control they live long too",
		runner.Count(living), runner.Count(s.sizes.expiring), s.sizes.spread))
	printExpiry(contenders, expiring, control)
	printSweeps(contenders, expiring, s.sizes.spread)
	printClock(clocks)
	if err := s.write(latencyChart(s, contenders, expiring, control)); err != nil {
		return err
	}
	return s.write(heldChart(s, contenders, expiring))
}

func printExpiry(contenders []benchmarks.Contender, expiring, control [][]expiryRun) {
	t := &runner.Table{Head: []string{"contender", "run", "p50", "p99", "p99.9", "max", "greatest max", fmt.Sprintf("p99.9 of the worst %v", slice), "hits"}}
	for i, c := range contenders {
		for _, r := range []struct {
			name string
			runs []expiryRun
		}{{"expiry", expiring[i]}, {"control", control[i]}} {
			row := []string{c.Name, r.name}
			for _, q := range []float64{0.5, 0.99, 0.999, 1} {
				row = append(row, lasting(quantileOf(r.runs, q).Y))
			}
			worst := runner.MedianOf(r.runs, func(e expiryRun) float64 { return float64(e.worst) })
			hits := runner.MedianOf(r.runs, func(e expiryRun) float64 { return float64(e.all.total) })
			t.Add(append(row, lasting(quantileOf(r.runs, 1).High), lasting(worst), chart.Short(hits))...)
		}
	}
	t.Print()
}

func printSweeps(contenders []benchmarks.Contender, expiring [][]expiryRun, spread time.Duration) {
	fmt.Printf("\nHow long it takes from the first expiry, and from the last, until %s entries are left:\n\n", runner.Count(living))
	t := &runner.Table{Head: []string{"contender", "from the first", "from the last", "least", "most", "entries when the last expires", "fill"}}
	for i, c := range contenders {
		swept := sweptOf(expiring[i])
		row := []string{c.Name, lasting(swept.Y), lasting(max(0, swept.Y-float64(spread))), lasting(swept.Low), lasting(swept.High)}
		for _, run := range expiring[i] {
			if run.left > 0 {
				row = []string{c.Name, "-", "-", "-", fmt.Sprintf("%s are left after %v", runner.Count(run.left), run.window.Round(time.Second))}
			}
		}
		held := runner.MedianOf(expiring[i], func(e expiryRun) float64 { return float64(e.heldAt(spread)) })
		fill := runner.MedianOf(expiring[i], func(e expiryRun) float64 { return float64(e.fill) })
		t.Add(append(row, runner.Count(int(held)), lasting(fill))...)
	}
	t.Print()
}

func printClock(clocks []*histogram) {
	at := func(share float64) string {
		return lasting(runner.MedianOf(clocks, func(h *histogram) float64 { return float64(h.quantile(share)) }))
	}
	fmt.Printf("\nEvery hit is timed alone, by a reading of the monotonic clock before and one after. Two readings with nothing between them are apart p50 %s, p99 %s, p99.9 %s, max %s, which no latency above is without.\n",
		at(0.5), at(0.99), at(0.999), at(1))
}

// quantileOf is the median, least and most of a quantile of runs.
func quantileOf(runs []expiryRun, share float64) chart.Point {
	return middle(runner.Picked(runs, func(e expiryRun) float64 { return float64(e.all.quantile(share)) }))
}

// sweptOf is the median, least and most of the times until everything is gone.
func sweptOf(runs []expiryRun) chart.Point {
	return middle(runner.Picked(runs, func(e expiryRun) float64 { return float64(e.swept) }))
}

// middle sorts what it is given.
func middle(values []float64) chart.Point {
	return chart.Point{Y: runner.Median(values), Low: values[0], High: values[len(values)-1]}
}
