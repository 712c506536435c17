package promobserve

import (
	"fmt"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/perennial-go/perennial/guard"
	"github.com/perennial-go/perennial/internal/metrics"
)

// GuardCollector has the metrics of guards, each with the label guard, which is the
// guard's name. They are read when Prometheus scrapes. A guard that serves several
// functions is listed once; what it refuses each of them is in their own metrics, which
// Collector has. See docs/metrics.md for all names.
//
// To register it is an error if one of the guards is nil or two have the same name, here
// or in another GuardCollector of the same registry.
func GuardCollector(guards ...*guard.Guard) prometheus.Collector {
	c := collector{}
	if err := metrics.CheckGuards(guards); err != nil {
		c.err = fmt.Errorf("promobserve: %w", err)
		return c
	}
	for _, g := range guards {
		c.of = append(c.of, newGuardPart(g))
	}
	return c
}

// guardPart has the descriptions of one guard's metrics.
type guardPart struct {
	of      *guard.Guard
	metrics []describedGuard
}

type describedGuard struct {
	metrics.GuardMetric
	desc *prometheus.Desc
}

func newGuardPart(of *guard.Guard) guardPart {
	g := guardPart{of: of}
	for _, m := range metrics.Guards {
		var labels []string
		if m.ByClass != nil {
			labels = []string{"class"}
		}
		g.metrics = append(g.metrics, describedGuard{m, prometheus.NewDesc(m.Prometheus, m.Help, labels, prometheus.Labels{"guard": of.Name()})})
	}
	return g
}

func (g guardPart) describe(to chan<- *prometheus.Desc) {
	for _, m := range g.metrics {
		to <- m.desc
	}
}

func (g guardPart) collect(to chan<- prometheus.Metric) {
	s := g.of.State()
	for _, m := range g.metrics {
		if m.ByClass == nil {
			collectValue(to, m.desc, m.Kind, m.Value(&s))
			continue
		}
		for class, n := range m.ByClass(&s) {
			to <- prometheus.MustNewConstMetric(m.desc, prometheus.CounterValue, float64(n), guard.Class(class).String())
		}
	}
}
