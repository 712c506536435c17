package main

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/perennial-go/perennial/benchmarks"
	"github.com/perennial-go/perennial/benchmarks/internal/chart"
	"github.com/perennial-go/perennial/benchmarks/internal/runner"
)

// pointOf is the median, least and most of the times of samples.
func pointOf(x float64, samples []runner.Sample) chart.Point {
	ns := runner.Nanoseconds(samples)
	return chart.Point{X: x, Y: runner.Median(ns), Low: ns[0], High: ns[len(ns)-1]}
}

// colours are told apart by those who are blind to some, too.
var colours = map[string]string{
	benchmarks.Perennial:   "#0072b2",
	benchmarks.OtterCoarse: "#d55e00",
	benchmarks.Otter:       "#e69f00",
	"sturdyc":              "#009e73",
	"theine":               "#cc79a7",
	"ttlcache":             "#56b4e9",
}

// lineOf is an empty line of a contender.
func lineOf(c benchmarks.Contender) chart.Line {
	colour, ok := colours[c.Name]
	if !ok {
		colour = "#555555"
	}
	return chart.Line{Name: c.Name, Colour: colour}
}

func linesOf(contenders []benchmarks.Contender) []chart.Line {
	var lines []chart.Line
	for _, c := range contenders {
		lines = append(lines, lineOf(c))
	}
	return lines
}

// write writes a chart to the folder of charts, with what its figures depend on
// in its note.
func (s settings) write(c chart.Chart) error {
	c.Note = fmt.Sprintf("%s; %s", runner.Machine(), s.median())
	if s.short {
		c.Note += "; -short"
	}
	name := filepath.Join(s.out, c.Name+".svg")
	runner.Progress("%s: writes %s", c.Name, name)
	return os.WriteFile(name, c.SVG(), 0o644)
}
