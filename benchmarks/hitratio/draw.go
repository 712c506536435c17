package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/perennial-go/perennial/benchmarks/internal/chart"
	"github.com/perennial-go/perennial/benchmarks/internal/runner"
)

// draw draws hit ratios over sizes to the file that the flags name and, where
// loads differ in cost, how long callers wait for them to another beside it. Of
// several traces each has its name in that of its file.
func (b *board) draw(s settings, several bool) error {
	end := filepath.Ext(s.svg)
	name := strings.TrimSuffix(s.svg, end)
	if several {
		name += "-" + plainName(b.trace.Name)
	}
	if err := b.write(name+end, b.hitChart(s)); err != nil || !s.priced() {
		return err
	}
	return b.write(name+"-wait"+end, b.waitChart(s))
}

func (b *board) write(name string, c chart.Chart) error {
	runner.Progress("%s: writes %s", b.trace.Name, name)
	return os.WriteFile(name, c.SVG(), 0o644)
}

// plainName is a name that can be part of a file's name.
func plainName(name string) string {
	return strings.Map(func(r rune) rune {
		if r == '.' || r >= '0' && r <= '9' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' {
			return r
		}
		return '-'
	}, name)
}

// colours are told apart by those who are blind to some, too. Where there are
// more lines, the dashes differ.
var colours = []string{"#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#7f6000"}

func (b *board) hitChart(s settings) chart.Chart {
	return b.chart(s, "Hit ratios of ", "hits in %", func(r result) spread { return r.hits })
}

func (b *board) waitChart(s settings) chart.Chart {
	return b.chart(s, "Wait for loads on ", "% of the wait without a cache", func(r result) spread { return r.share })
}

// chart draws one figure over sizes.
func (b *board) chart(s settings, title, label string, figure func(result) spread) chart.Chart {
	unit := "entries"
	if s.weight {
		unit = "bytes"
	}
	c := chart.Chart{
		Title: title + b.trace.Name,
		Note:  fmt.Sprintf("%s requests, %s keys; seed %d", runner.Count(b.trace.Len()), runner.Count(b.trace.Distinct()), s.seed),
		X:     chart.Axis{Label: unit + " held", Log: true, Text: chart.Short},
		Y:     chart.Axis{Label: label, Text: chart.Short},
	}
	for _, size := range b.sizes {
		c.X.Ticks = append(c.X.Ticks, float64(size.capacity))
	}
	drawn := map[kind]int{}
	for k, p := range b.policies {
		l := p.line(drawn[p.kind])
		drawn[p.kind]++
		for i, size := range b.sizes {
			v := figure(b.results[i][k])
			l.Points = append(l.Points, chart.Point{X: float64(size.capacity), Y: 100 * v.median, Low: 100 * v.least, High: 100 * v.most})
		}
		c.Lines = append(c.Lines, l)
	}
	return c
}

// line is what the line of a policy looks like, of which others of its kind have
// been drawn: ours are whole, those of rivals dashed, yardsticks black.
func (p policy) line(others int) chart.Line {
	l := chart.Line{Name: p.name, Colour: colours[others%len(colours)]}
	again := others >= len(colours)
	switch {
	case p.kind == yardstick:
		l.Colour, l.Bare, l.Dash = "#1b1b1b", true, []string{"", "6 3", "1 3"}[others%3]
	case p.kind == ours && again:
		l.Dash = "9 2"
	case p.kind == rival:
		l.Dash = "3 3"
	}
	return l
}
