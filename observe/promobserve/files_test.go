package promobserve_test

import (
	"encoding/json"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"

	"github.com/perennial-go/perennial/internal/metrics"
	"github.com/perennial-go/perennial/internal/servers"
)

// series are the names that a metric has in a query: those of its own, and of the buckets
// of a classic histogram.
var series = func() map[string]bool {
	names := map[string]bool{}
	for _, m := range metrics.Guards {
		names[m.Prometheus] = true
	}
	for _, m := range metrics.Table {
		if m.Prometheus != "" {
			names[m.Prometheus] = true
		}
		if m.Kind == metrics.Histogram {
			names[m.Prometheus+"_bucket"] = true
		}
	}
	return names
}()

var (
	metricName = regexp.MustCompile(`\bperennial_\w+`)
	alertName  = regexp.MustCompile(`\bPerennial[A-Z]\w+`)
)

func read(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// The dashboard and the rules have no name that is not in a table.
func TestFilesNameWhatThereIs(t *testing.T) {
	for _, path := range []string{"dashboard.json", "alerts.yml", "alerts_test.yml"} {
		names := metricName.FindAllString(read(t, path), -1)
		if len(names) < 10 {
			t.Errorf("%s has %d names of metrics", path, len(names))
		}
		for _, name := range names {
			if !series[name] {
				t.Errorf("%s names %s, which is not in a table", path, name)
			}
		}
	}
}

// Each alert is explained in the documentation, has a test, and is shown beside the panel
// that shows what it is about, unless none does.
func TestAlertsAreExplained(t *testing.T) {
	alerts := alertsOf(t)
	docs, tests, dashboard := read(t, "../../docs/metrics.md"), read(t, "alerts_test.yml"), read(t, "dashboard.json")
	for _, alert := range alerts {
		if !strings.Contains(docs, "\n### "+alert+"\n") {
			t.Errorf("docs/metrics.md has no heading for %s", alert)
		}
		if !strings.Contains(tests, `alertname="`+alert+`"`) {
			t.Errorf("alerts_test.yml has no test of %s", alert)
		}
		if !strings.Contains(dashboard, alert) {
			t.Errorf("no panel of the dashboard names %s", alert)
		}
		if n := strings.Count(read(t, "alerts.yml"), "docs/metrics.md, "+alert+"."); n != 1 {
			t.Errorf("the description of %s does not lead to the documentation", alert)
		}
	}
	known := strings.Join(alerts, " ")
	for _, text := range []string{docs, tests, dashboard} {
		for _, name := range alertName.FindAllString(text, -1) {
			if !strings.Contains(known, name) {
				t.Errorf("%s is no alert of alerts.yml", name)
			}
		}
	}
}

func alertsOf(t *testing.T) []string {
	t.Helper()
	var alerts []string
	for _, found := range regexp.MustCompile(`- alert: (\w+)`).FindAllStringSubmatch(read(t, "alerts.yml"), -1) {
		alerts = append(alerts, found[1])
	}
	if len(alerts) < 5 {
		t.Fatalf("alerts.yml has the alerts %q", alerts)
	}
	return alerts
}

// promtool checks the rules, and runs their tests.
func TestRules(t *testing.T) {
	promtool := servers.Promtool(t)
	for _, args := range [][]string{{"check", "rules", "--lint-fatal", "alerts.yml"}, {"test", "rules", "alerts_test.yml"}} {
		if out, err := exec.Command(promtool, args...).CombinedOutput(); err != nil {
			t.Errorf("promtool %s: %v\n%s", strings.Join(args, " "), err, out)
		}
	}
}

// dashboard is what is read of dashboard.json.
type dashboard struct {
	Title, UID    string
	SchemaVersion int
	Templating    struct{ List []struct{ Name, Type string } }
	Annotations   struct{ List []struct{ Expr string } }
	Panels        []struct {
		ID          int
		Type, Title string
		GridPos     struct{ X, Y, W, H int }
		Targets     []struct{ Expr string }
	}
}

func dashboardOf(t *testing.T) (d dashboard) {
	t.Helper()
	if err := json.Unmarshal([]byte(read(t, "dashboard.json")), &d); err != nil {
		t.Fatal(err)
	}
	return d
}

// The dashboard is whole: each panel has an id and a place of its own, and shows something.
func TestDashboard(t *testing.T) {
	d := dashboardOf(t)
	if d.Title == "" || d.UID == "" || d.SchemaVersion < 30 || len(d.Panels) < 10 || len(d.Templating.List) != 4 || len(d.Annotations.List) != 1 {
		t.Errorf("it has the title %q, the uid %q, version %d, %d panels, the variables %v", d.Title, d.UID, d.SchemaVersion, len(d.Panels), d.Templating.List)
	}
	ids, places := map[int]bool{}, map[[2]int]string{}
	for _, p := range d.Panels {
		if ids[p.ID] {
			t.Errorf("panel %q has the id of another", p.Title)
		}
		ids[p.ID] = true
		for x := p.GridPos.X; x < p.GridPos.X+p.GridPos.W; x++ {
			for y := p.GridPos.Y; y < p.GridPos.Y+p.GridPos.H; y++ {
				if other, taken := places[[2]int{x, y}]; taken {
					t.Fatalf("panel %q lies over %q", p.Title, other)
				}
				places[[2]int{x, y}] = p.Title
			}
		}
		if p.Type != "row" && len(p.Targets) == 0 {
			t.Errorf("panel %q shows nothing", p.Title)
		}
	}
}
