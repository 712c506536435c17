package main

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/perennial-go/perennial/benchmarks"
	"github.com/perennial-go/perennial/benchmarks/internal/runner"
)

// chart is lines between two axes.
type chart struct {
	name  string // of its file
	title string
	note  string // below the title
	x, y  axis
	lines []line
}

// line is one contender in one setting.
type line struct {
	name   string
	colour string
	dash   string // as SVG has it; a line without is whole
	bare   bool   // without a mark at each point
	points []point
}

// point is a figure, and where it is the middle of several their ends.
type point struct{ x, y, low, high float64 }

// pointOf is the median, least and most of the times of samples.
func pointOf(x float64, samples []runner.Sample) point {
	ns := runner.Nanoseconds(samples)
	return point{x, runner.Median(ns), ns[0], ns[len(ns)-1]}
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
func lineOf(c benchmarks.Contender) line {
	colour, ok := colours[c.Name]
	if !ok {
		colour = "#555555"
	}
	return line{name: c.Name, colour: colour}
}

func linesOf(contenders []benchmarks.Contender) []line {
	var lines []line
	for _, c := range contenders {
		lines = append(lines, lineOf(c))
	}
	return lines
}

// write writes a chart to the folder of charts, with what its figures depend on
// in its note.
func (s settings) write(c chart) error {
	c.note = fmt.Sprintf("%s; %s", runner.Machine(), s.median())
	if s.short {
		c.note += "; -short"
	}
	name := filepath.Join(s.out, c.name+".svg")
	runner.Progress("%s: writes %s", c.name, name)
	return os.WriteFile(name, c.svg(), 0o644)
}
