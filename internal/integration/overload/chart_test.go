package overload

import (
	"fmt"
	"strings"
)

// line is one of a chart: a value a second.
type line struct {
	name   string
	values []float64
}

// chart draws lines into a box of an SVG: the title, the greatest value that is shown, and
// what is written beside it.
func chart(b *strings.Builder, x, y, width, height int, title string, most float64, unit string, lines []line) {
	fmt.Fprintf(b, "<g transform=\"translate(%d %d)\">\n<text x=\"0\" y=\"-6\" class=\"title\">%s</text>\n", x, y, title)
	fmt.Fprintf(b, "<rect width=\"%d\" height=\"%d\" class=\"box\"/>\n<text x=\"%d\" y=\"10\" class=\"most\">%g%s</text>\n", width, height, width-4, most, unit)
	for i, l := range lines {
		fmt.Fprintf(b, "<polyline class=\"l%d\" points=\"", i)
		for j, v := range l.values {
			fmt.Fprintf(b, "%.1f,%.1f ", float64(j)*float64(width)/float64(max(len(l.values)-1, 1)), float64(height)*(1-min(v/most, 1)))
		}
		b.WriteString("\"/>\n")
	}
	b.WriteString("</g>\n")
}

// picture is the SVG of a scenario: what callers got, what the source was asked for, and how
// old the values were, with a line for each way.
func picture(s scenario, runs []*running, names []string) string {
	const width, height, gap = 230, 90, 30
	var b strings.Builder
	fmt.Fprintf(&b, "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %d %d\" font-family=\"sans-serif\" font-size=\"10\">\n", 3*(width+gap)+10, height+70)
	b.WriteString("<style>.box{fill:none;stroke:#888}.title{fill:#888}.most{fill:#888;text-anchor:end}polyline{fill:none;stroke-width:1.3}" +
		".l0{stroke:#1f77b4}.l1{stroke:#2ca02c}.l2{stroke:#d62728}.l3{stroke:#ff7f0e}.l4{stroke:#9467bd}" +
		".n0{fill:#1f77b4}.n1{fill:#2ca02c}.n2{fill:#d62728}.n3{fill:#ff7f0e}.n4{fill:#9467bd}</style>\n")
	var answered, asked, old []line
	for i, at := range runs {
		from := int(trigger.Seconds()) - 20
		if s.sleeps {
			from += int(at.life.Seconds()) - 10
		}
		var a, l, o []float64
		for j := from; j < len(at.seconds)-1; j++ {
			one := at.seconds[j]
			a = append(a, 100*float64(one.answered)/float64(max(one.calls, 1)))
			o = append(o, one.old.Seconds())
			n := 0
			if j < len(at.source.asked) {
				n = at.source.asked[j]
			}
			l = append(l, float64(n)/at.capacity())
		}
		answered, asked, old = append(answered, line{names[i], a}), append(asked, line{names[i], l}), append(old, line{names[i], o})
	}
	chart(&b, 5, 30, width, height, s.name+": calls answered", 100, " %", answered)
	chart(&b, 5+width+gap, 30, width, height, "loads asked of the source, of what it bears", 3, " x", asked)
	chart(&b, 5+2*(width+gap), 30, width, height, "oldest value served", 180, " s", old)
	for i, name := range names {
		fmt.Fprintf(&b, "<text x=\"%d\" y=\"%d\" class=\"n%d\">%s</text>\n", 5+i*155, height+55, i, name)
	}
	b.WriteString("</svg>\n")
	return b.String()
}
