package promobserve_test

import (
	"fmt"
	"maps"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	dto "github.com/prometheus/client_model/go"

	"github.com/perennial-go/perennial/guard"
	"github.com/perennial-go/perennial/internal/admission"
	"github.com/perennial-go/perennial/internal/metrics"
	"github.com/perennial-go/perennial/internal/module"
	"github.com/perennial-go/perennial/observe/promobserve"
)

func newGuard(t testing.TB, name string, opts ...guard.Option) *guard.Guard {
	t.Helper()
	g, err := guard.New(name, opts...)
	if err != nil {
		t.Fatal(err)
	}
	return g
}

// busy is a guard that has let in loads and refused some, of which it knows what they
// take, some of which have failed.
func busy(t testing.TB) *guard.Guard {
	t.Helper()
	g := newGuard(t, "g", guard.Logger(nil), guard.Between(2, 20))
	start := func(class guard.Class) func(admission.Outcome) {
		p, place := new(admission.Pass), g.Gate(module.Only{}).Place()
		if queue, err := g.Gate(module.Only{}).Enter(p, &place, class, nobody{}); queue || err != nil {
			return nil
		}
		return func(o admission.Outcome) {
			g.Gate(module.Only{}).Leave(p, &place, 0, time.Second, o, nobody{})
		}
	}
	for range 8 {
		start(guard.Miss)(admission.Success)
	}
	running := []func(admission.Outcome){start(guard.Forced)}
	for class := range guard.Classes { // the higher, the more are let in
		for range 3 {
			if end := start(class); end != nil {
				running = append(running, end)
			}
		}
	}
	running[0](admission.TimedOut) // and goes on
	running[1](admission.Failure)
	for range 5 {
		g.Gate(module.Only{}).Sheds(guard.Warm)
	}
	return g
}

// Every metric of the table of guards is collected, no other one is, each with its number,
// its type and the labels that the table says.
func TestGuardCollectorHasTheTable(t *testing.T) {
	g := busy(t)
	s := g.State()
	if s.Typical == 0 || s.Norm == 0 || s.InFlight == 0 || s.Late == 0 || s.Refused[guard.Warm] == 0 || s.Failed == 0 {
		t.Fatalf("there is not much to tell apart: %+v", s)
	}
	r := prometheus.NewPedanticRegistry()
	r.MustRegister(promobserve.GuardCollector(g))
	found := gather(t, r)
	for _, m := range metrics.Guards {
		family := found[m.Prometheus]
		delete(found, m.Prometheus)
		kind := map[metrics.Kind]dto.MetricType{metrics.Counter: dto.MetricType_COUNTER, metrics.Gauge: dto.MetricType_GAUGE}[m.Kind]
		if family == nil || family.GetType() != kind || family.GetHelp() != m.Help {
			t.Errorf("%s is a %v: %s", m.Prometheus, family.GetType(), family.GetHelp())
			continue
		}
		want, got := map[string]float64{}, map[string]float64{}
		if m.ByClass == nil {
			want["guard=g"] = m.Value(&s)
		} else {
			for class, n := range m.ByClass(&s) {
				want["class="+guard.Class(class).String()+" guard=g"] = float64(n)
			}
		}
		for _, one := range family.GetMetric() {
			var labels []string
			for _, l := range one.GetLabel() {
				labels = append(labels, l.GetName()+"="+l.GetValue())
			}
			got[strings.Join(labels, " ")] = one.GetCounter().GetValue() + one.GetGauge().GetValue()
		}
		if !maps.Equal(got, want) {
			t.Errorf("%s is %v, want %v", m.Prometheus, got, want)
		}
	}
	for name := range found {
		t.Errorf("%s is collected, and not in the table", name)
	}
	if problems, err := testutil.GatherAndLint(r); err != nil || len(problems) > 0 {
		t.Errorf("%v, %v", problems, err)
	}
}

// What a load takes is left out while that is not known.
func TestGuardCollectorLeavesOut(t *testing.T) {
	r := prometheus.NewPedanticRegistry()
	r.MustRegister(promobserve.GuardCollector(newGuard(t, "new")))
	found := gather(t, r)
	if len(found) != len(metrics.Guards)-2 || found["perennial_guard_typical_seconds"] != nil || found["perennial_guard_norm_seconds"] != nil {
		t.Errorf("a new guard has %d metrics, of %d", len(found), len(metrics.Guards))
	}
}

// What can't be registered says what to do.
func TestRegisterGuards(t *testing.T) {
	a, b := newGuard(t, "a"), newGuard(t, "b")
	for name, c := range map[string]struct {
		collectors []prometheus.Collector
		want       string // "" where nothing is wrong
	}{
		"no guards":           {[]prometheus.Collector{promobserve.GuardCollector()}, ""},
		"several":             {[]prometheus.Collector{promobserve.GuardCollector(a, b)}, ""},
		"two collectors":      {[]prometheus.Collector{promobserve.GuardCollector(a), promobserve.GuardCollector(b)}, ""},
		"a function's name":   {[]prometheus.Collector{promobserve.GuardCollector(a), promobserve.Collector(&counted{name: "a"})}, ""},
		"twice":               {[]prometheus.Collector{promobserve.GuardCollector(a, b, a)}, "list each once"},
		"one name":            {[]prometheus.Collector{promobserve.GuardCollector(a, newGuard(t, "a"))}, "guard.New"},
		"one name, in turn":   {[]prometheus.Collector{promobserve.GuardCollector(a), promobserve.GuardCollector(b, a)}, "already exists"},
		"nil":                 {[]prometheus.Collector{promobserve.GuardCollector(a, nil)}, "guard 2 of 2 is nil"},
		"nil, and one is two": {[]prometheus.Collector{promobserve.GuardCollector(nil, a, a)}, "guard 1 of 3 is nil"},
	} {
		r := prometheus.NewPedanticRegistry()
		var err error
		for _, c := range c.collectors {
			if err == nil {
				err = r.Register(c)
			}
		}
		if got := fmt.Sprint(err); (err == nil) != (c.want == "") || !strings.Contains(got, c.want) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
}

// The documentation says how many series there are.
func TestDocumentationCountsSeries(t *testing.T) {
	series := func(c prometheus.Collector) (all, buckets int) {
		r := prometheus.NewPedanticRegistry()
		r.MustRegister(c)
		for name, family := range gather(t, r) {
			for _, m := range family.GetMetric() {
				h := m.GetHistogram()
				if h == nil {
					all++
					continue
				}
				n := len(h.GetBucket()) + 1 // that of +Inf
				all, buckets = all+n+2, buckets+n
				if !strings.HasSuffix(name, "_seconds") {
					t.Errorf("%s is a histogram", name)
				}
			}
		}
		return all, buckets
	}
	text, err := os.ReadFile("../../docs/metrics.md")
	if err != nil {
		t.Fatal(err)
	}
	all, buckets := series(promobserve.Collector(&counted{"f", full()}))
	guards, _ := series(promobserve.GuardCollector(busy(t)))
	for _, want := range []string{
		fmt.Sprintf("A function adds %d series in the text format, %d of them buckets of classic histograms,", all, buckets),
		fmt.Sprintf("and a guard %d.", guards),
	} {
		if !strings.Contains(strings.Join(strings.Fields(string(text)), " "), want) {
			t.Errorf("docs/metrics.md does not say: %s", want)
		}
	}
}

// nobody waits for a load.
type nobody struct{}

func (nobody) Left() time.Duration { return 0 }
func (nobody) Hash() uint64        { return 1 }
