package chart

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
	heights  []float64 // those of them that are heights
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
					if strings.Contains(a.Name.Local, "y") {
						p.heights = append(p.heights, n)
					}
				}
			}
		case xml.CharData:
			if text := strings.TrimSpace(string(e)); text != "" {
				p.texts = append(p.texts, text)
			}
		}
	}
}

func sample() Chart {
	return Chart{
		Title: `Less < more & "quoted"`, Note: "a note",
		X: Axis{Label: "entries", Log: true, Ticks: []float64{1e3, 1e6}, Text: Short},
		Y: Axis{Label: "ns", Text: Short},
		Lines: []Line{
			{Name: "a & b", Colour: "#000000", Points: []Point{{1e3, 20, 18, 25}, {1e6, 80, 80, 80}}},
			{Name: "dashed", Colour: "#ff0000", Dash: "2 3", Points: []Point{{1e3, 10, 10, 10}}},
			{Name: "bare", Colour: "#00ff00", Bare: true, Points: []Point{{1e3, 10, 10, 10}, {1e6, 10, 10, 10}}},
			{Name: "empty", Colour: "#0000ff"},
		},
	}
}

func TestChartIsXML(t *testing.T) {
	p := parseSVG(t, sample().SVG())
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
		c := Chart{Title: "nothing", X: Axis{Text: Short}, Y: Axis{Text: Short, Log: log}}
		if p := parseSVG(t, c.SVG()); p.elements["svg"] != 1 {
			t.Errorf("%d drawings, want 1", p.elements["svg"])
		}
	}
}

func TestLegendOfManyLinesFits(t *testing.T) {
	c := sample()
	for range 20 {
		c.Lines = append(c.Lines, c.Lines[0])
	}
	for _, n := range parseSVG(t, c.SVG()).heights {
		if !(n >= 0 && n <= height) {
			t.Errorf("something lies at the height of %v, and the drawing is %d high", n, height)
		}
	}
}
