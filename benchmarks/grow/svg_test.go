package main

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// parsed is what a drawing consists of.
type parsed struct {
	elements map[string]int
	texts    []string
	numbers  []float64 // places of lines and circles
}

func parseSVG(t *testing.T, svg []byte) parsed {
	t.Helper()
	p := parsed{elements: map[string]int{}}
	for d := xml.NewDecoder(bytes.NewReader(svg)); ; {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			return p
		}
		if err != nil {
			t.Fatalf("no XML: %v\n%s", err, svg)
		}
		switch e := token.(type) {
		case xml.StartElement:
			p.elements[e.Name.Local]++
			for _, a := range e.Attr {
				if slices.Contains([]string{"x1", "x2", "y1", "y2", "cx", "cy"}, a.Name.Local) {
					n, err := strconv.ParseFloat(a.Value, 64)
					if err != nil {
						t.Errorf("%s=%q is no number", a.Name.Local, a.Value)
					}
					p.numbers = append(p.numbers, n)
				}
			}
		case xml.CharData:
			if text := strings.TrimSpace(string(e)); text != "" {
				p.texts = append(p.texts, text)
			}
		}
	}
}

func sample() chart {
	return chart{
		name: "sample", title: `Less < more & "quoted"`, note: "a note",
		x: axis{label: "entries", log: true, ticks: []float64{1e3, 1e6}, text: short},
		y: axis{label: "ns", text: short},
		lines: []line{
			{name: "a & b", colour: "#000000", points: []point{{1e3, 20, 18, 25}, {1e6, 80, 80, 80}}},
			{name: "dashed", colour: "#ff0000", dash: "2 3", points: []point{{1e3, 10, 10, 10}}},
			{name: "bare", colour: "#00ff00", bare: true, points: []point{{1e3, 10, 10, 10}, {1e6, 10, 10, 10}}},
			{name: "empty", colour: "#0000ff"},
		},
	}
}

func TestChartIsXML(t *testing.T) {
	p := parseSVG(t, sample().svg())
	for _, want := range []string{`Less < more & "quoted"`, "a note", "a & b", "dashed", "entries (log scale)", "1k", "1M", "80"} {
		if !slices.Contains(p.texts, want) {
			t.Errorf("no text %q among %q", want, p.texts)
		}
	}
	if p.elements["polyline"] != 3 {
		t.Errorf("%d lines are drawn, want 3", p.elements["polyline"])
	}
	if p.elements["circle"] != 3+3 {
		t.Errorf("%d marks are drawn, want 3 at points and 3 in the legend", p.elements["circle"])
	}
	for _, n := range p.numbers {
		if !(n >= 0 && n <= width) {
			t.Errorf("something lies at %v", n)
		}
	}
}

func TestChartWithoutPointsIsXML(t *testing.T) {
	for _, log := range []bool{false, true} {
		c := chart{title: "nothing", x: axis{text: short}, y: axis{text: short, log: log}}
		if p := parseSVG(t, c.svg()); p.elements["svg"] != 1 {
			t.Errorf("%d drawings, want 1", p.elements["svg"])
		}
	}
}

func TestTable(t *testing.T) {
	var b strings.Builder
	tab := table{head: []string{"a", "b"}}
	tab.add("1", "2")
	tab.writeTo(&b)
	if want := "| a | b |\n|---|---|\n| 1 | 2 |\n"; b.String() != want {
		t.Errorf("got %q, want %q", b.String(), want)
	}
}
