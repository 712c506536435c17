package metrics

import (
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/perennial-go/perennial/guard"
	"github.com/perennial-go/perennial/memoize"
	"github.com/perennial-go/perennial/observe"
)

// TestMain fails if a goroutine outlives the tests.
func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// The documentation has both tables, row by row, and names nothing else.
func TestDocumentationHasTheTables(t *testing.T) {
	text, err := os.ReadFile("../../docs/metrics.md")
	if err != nil {
		t.Fatal(err)
	}
	cell := func(name string) string {
		if name == "" {
			return "-"
		}
		return "`" + name + "`"
	}
	known := map[string]bool{"perennial.function": true, "perennial.cause": true, "perennial.guard": true, "perennial.class": true,
		"perennial.keys": true, "perennial.late": true}
	var want []string
	row := func(n Named, label string) {
		want = append(want, fmt.Sprintf("| %s | %s | %s | %s | %s |", cell(n.Prometheus), cell(n.OpenTelemetry), n.Kind, label, n.Help))
		known[n.Prometheus], known[n.Prometheus+"_bucket"], known[n.OpenTelemetry] = true, true, true
	}
	for _, m := range Table {
		label := ""
		if m.ByCause != nil {
			label = "`cause`"
		}
		row(m.Named, label)
	}
	for _, m := range Guards {
		label := ""
		if m.ByClass != nil {
			label = "`class`"
		}
		row(m.Named, label)
	}
	var got []string
	for _, line := range strings.Split(string(text), "\n") {
		if strings.HasPrefix(line, "| `perennial") || strings.HasPrefix(line, "| - | `perennial") {
			got = append(got, line)
		}
	}
	if !slices.Equal(got, want) {
		t.Errorf("docs/metrics.md has the rows\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	for _, name := range regexp.MustCompile(`\bperennial[._]\w[\w.]*\w`).FindAllString(string(text), -1) {
		if !known[name] {
			t.Errorf("docs/metrics.md names %s, which is not in a table", name)
		}
	}
	flowing := strings.Join(strings.Fields(string(text)), " ")
	for _, values := range []string{listed(Causes), listed(Classes)} {
		if !strings.Contains(flowing, values) {
			t.Errorf("docs/metrics.md does not say that a label is %s", values)
		}
	}
}

// listed is what a label may be, as a sentence has it.
func listed[T fmt.Stringer](values []T) string {
	var names []string
	for _, v := range values {
		names = append(names, "`"+v.String()+"`")
	}
	last := len(names) - 1
	return strings.Join(names[:last], ", ") + " or " + names[last]
}

// Each metric has a name of its own, a text, and exactly one way to be read.
func TestTables(t *testing.T) {
	prometheus, otel := regexp.MustCompile(`^perennial(_[a-z]+)+$`), regexp.MustCompile(`^perennial(\.[a-z_]+)+$`)
	seen := map[string]bool{}
	check := func(n Named, isHistogram bool, ways ...bool) {
		for name, pattern := range map[string]*regexp.Regexp{n.Prometheus: prometheus, n.OpenTelemetry: otel} {
			if name == "" {
				continue
			}
			if seen[name] || !pattern.MatchString(name) {
				t.Errorf("%s is twice, or no name", name)
			}
			seen[name] = true
		}
		ways = slices.DeleteFunc(ways, func(has bool) bool { return !has })
		if len(ways) != 1 || n.Help == "" || !strings.HasSuffix(n.Help, ".") || n.OpenTelemetry != "" && n.Unit == "" || (n.Kind == Histogram) != isHistogram {
			t.Errorf("%s%s can be read in %d ways, in %q: %q", n.Prometheus, n.OpenTelemetry, len(ways), n.Unit, n.Help)
		}
	}
	for _, m := range Table {
		check(m.Named, m.Durations != nil || m.Ages, m.Value != nil, m.ByCause != nil, m.Durations != nil, m.Ages)
	}
	for _, m := range Guards {
		check(m.Named, false, m.Value != nil, m.ByClass != nil)
		if m.Prometheus == "" || m.OpenTelemetry == "" {
			t.Errorf("%s%s is missing on one side", m.Prometheus, m.OpenTelemetry)
		}
	}
	if len(Causes) != int(observe.Causes)-1 {
		t.Errorf("the causes are %v", Causes)
	}
	for c := range guard.Classes {
		if len(Classes) != int(guard.Classes) || Classes[c] != c {
			t.Errorf("the classes are %v", Classes)
		}
	}
	if bounds := Bounds(); bounds[0] != memoize.DurationBound(FirstBucket) || len(bounds) != LastBucket-FirstBucket+1 {
		t.Errorf("the bounds are %v", bounds)
	}
}
