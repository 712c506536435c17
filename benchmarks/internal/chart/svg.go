package chart

import (
	"bytes"
	"encoding/xml"
	"fmt"
	"math"
	"strings"
)

// Where things are on a chart, in pixels.
const (
	width, height = 900, 460
	left, right   = 76, 640 // of the plot
	top, bottom   = 74, 400
	inset         = 14 // of the first and last figure from the ends of x
	legend        = right + 24
)

const (
	ink, paper, grid = "#1b1b1b", "#ffffff", "#dddddd"
	font             = "system-ui, -apple-system, 'Segoe UI', Helvetica, Arial, sans-serif"
)

// drawing is SVG as it is written.
type drawing struct{ bytes.Buffer }

func (d *drawing) put(format string, args ...any) { fmt.Fprintf(d, format+"\n", args...) }

// text writes at a place; anchor is start, middle or end.
func (d *drawing) text(x, y float64, anchor, more, text string) {
	d.put(`<text x="%.1f" y="%.1f" text-anchor="%s"%s>%s</text>`, x, y, anchor, more, escaped(text))
}

// SVG draws the chart. It has a background of its own, so that it can be read on
// a dark page.
func (c Chart) SVG() []byte {
	d := &drawing{}
	d.put(`<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" width="%d" height="%d" role="img" font-family="%s" font-size="13" fill="%s">`,
		width, height, width, height, escaped(font), ink)
	d.put(`<title>%s</title>`, escaped(c.Title))
	d.put(`<rect width="%d" height="%d" rx="6" fill="%s"/>`, width, height, paper)
	d.text(left, 30, "start", ` font-size="17" font-weight="600"`, c.Title)
	d.text(left, 50, "start", ` font-size="11" fill="#555555"`, c.Note)
	x, y := c.scales()
	d.axes(x, y)
	pitch := min(22, (height-top-20)/float64(max(1, len(c.Lines)))) // of the legend
	for i, l := range c.Lines {
		d.line(l, x, y)
		d.legend(l, top+10+pitch*float64(i))
	}
	d.put(`</svg>`)
	return d.Bytes()
}

// scales are those that all points fit on.
func (c Chart) scales() (x, y scale) {
	lowX, highX, lowY, highY := math.Inf(1), math.Inf(-1), math.Inf(1), math.Inf(-1)
	for _, l := range c.Lines {
		for _, p := range l.Points {
			lowX, highX = min(lowX, p.X), max(highX, p.X)
			lowY, highY = min(lowY, p.Low), max(highY, p.High)
		}
	}
	if lowX > highX { // there are no points
		lowX, highX, lowY, highY = 1, 1, 1, 1
	}
	return c.X.over(lowX, highX), c.Y.over(lowY, highY)
}

// axes draws both axes with a grid.
func (d *drawing) axes(x, y scale) {
	d.put(`<g stroke="%s">`, grid)
	for _, tick := range y.Ticks {
		d.put(`<line x1="%d" y1="%.1f" x2="%d" y2="%.1f"/>`, left, down(y, tick), right, down(y, tick))
	}
	d.put(`</g>`)
	for _, tick := range y.Ticks {
		d.text(left-8, down(y, tick)+4.5, "end", "", y.Text(tick))
	}
	d.put(`<g stroke="%s"><line x1="%d" y1="%d" x2="%d" y2="%d"/>`, ink, left, bottom, right, bottom)
	for _, tick := range x.Ticks {
		d.put(`<line x1="%.1f" y1="%d" x2="%.1f" y2="%d"/>`, along(x, tick), bottom, along(x, tick), bottom+5)
	}
	d.put(`</g>`)
	for _, tick := range x.Ticks {
		d.text(along(x, tick), bottom+20, "middle", "", x.Text(tick))
	}
	d.text((left+right)/2, bottom+44, "middle", "", x.Label+logarithmic(x))
	d.text(0, 0, "middle", fmt.Sprintf(` transform="translate(20 %d) rotate(-90)"`, (top+bottom)/2), y.Label+logarithmic(y))
}

func logarithmic(s scale) string {
	if s.Log {
		return " (log scale)"
	}
	return ""
}

// line draws the line, and at each point its mark and the reach of its rounds.
func (d *drawing) line(l Line, x, y scale) {
	if len(l.Points) == 0 {
		return
	}
	places := make([]string, len(l.Points))
	for i, p := range l.Points {
		places[i] = fmt.Sprintf("%.1f,%.1f", along(x, p.X), down(y, p.Y))
	}
	d.put(`<g stroke="%s" stroke-width="2">`, l.Colour)
	d.put(`<polyline fill="none" stroke-linejoin="round"%s points="%s"/>`, dashed(l), strings.Join(places, " "))
	for _, p := range l.Points {
		if p.Low < p.High {
			d.put(`<line stroke-width="1" x1="%.1f" y1="%.1f" x2="%.1f" y2="%.1f"/>`, along(x, p.X), down(y, p.Low), along(x, p.X), down(y, p.High))
		}
		if !l.Bare {
			d.mark(l, along(x, p.X), down(y, p.Y))
		}
	}
	d.put(`</g>`)
}

// mark is a disc on a whole line and a ring on a dashed one.
func (d *drawing) mark(l Line, x, y float64) {
	fill := l.Colour
	if l.Dash != "" {
		fill = paper
	}
	d.put(`<circle cx="%.1f" cy="%.1f" r="3.5" fill="%s"/>`, x, y, fill)
}

// legend draws what a line looks like, and its name.
func (d *drawing) legend(l Line, y float64) {
	d.put(`<g stroke="%s" stroke-width="2"><line x1="%d" y1="%.1f" x2="%d" y2="%.1f"%s/>`, l.Colour, legend, y, legend+30, y, dashed(l))
	if !l.Bare {
		d.mark(l, legend+15, y)
	}
	d.put(`</g>`)
	d.text(legend+38, y+4.5, "start", "", l.Name)
}

func dashed(l Line) string {
	if l.Dash == "" {
		return ""
	}
	return fmt.Sprintf(` stroke-dasharray="%s"`, escaped(l.Dash))
}

func along(s scale, v float64) float64 { return left + inset + s.at(v)*(right-left-2*inset) }
func down(s scale, v float64) float64  { return bottom - s.at(v)*(bottom-top) }

// escaped is text as XML has it.
func escaped(text string) string {
	var b strings.Builder
	_ = xml.EscapeText(&b, []byte(text)) // a strings.Builder takes everything
	return b.String()
}
