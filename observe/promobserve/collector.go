package promobserve

import (
	"fmt"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/perennial-go/perennial/internal/metrics"
	"github.com/perennial-go/perennial/memoize"
)

// Function is what a Collector reads: every *memoize.Func is one, whatever its types,
// and so is what wraps one.
type Function interface {
	// Name is the value of the label function. It is read once.
	Name() string
	// Stats is called at each scrape, concurrently.
	Stats() memoize.Stats
}

// Collector has the metrics of functions, each with the label function, which is the
// function's name. They are read when Prometheus scrapes; a function that is closed
// shows what it last had. Durations are histograms both classic and native, and
// Prometheus takes native ones if it is told to; see docs/metrics.md for all names.
//
// To register it is an error if one of the functions is nil or two have the same name,
// here or in another Collector of the same registry.
func Collector(functions ...Function) prometheus.Collector {
	c := collector{}
	all := make([]metrics.Function, len(functions))
	for i, f := range functions {
		all[i] = f
	}
	if err := metrics.Check(all); err != nil {
		c.err = fmt.Errorf("promobserve: %w", err)
		return c
	}
	for _, f := range functions {
		c.of = append(c.of, newFunction(f))
	}
	return c
}

// collector has functions, or guards.
type collector struct {
	of  []part
	err error // of the arguments
}

// part is what one function or guard has in a collector.
type part interface {
	describe(to chan<- *prometheus.Desc)
	collect(to chan<- prometheus.Metric)
}

// Describe implements prometheus.Collector.
func (c collector) Describe(to chan<- *prometheus.Desc) {
	if c.err != nil {
		to <- prometheus.NewInvalidDesc(c.err)
	}
	for _, p := range c.of {
		p.describe(to)
	}
}

// Collect implements prometheus.Collector.
func (c collector) Collect(to chan<- prometheus.Metric) {
	if c.err != nil {
		to <- prometheus.NewInvalidMetric(prometheus.NewInvalidDesc(c.err), c.err)
	}
	for _, p := range c.of {
		p.collect(to)
	}
}

// function has the descriptions of one function's metrics.
type function struct {
	of      Function
	metrics []described
}

type described struct {
	metrics.Metric
	desc *prometheus.Desc
}

func newFunction(of Function) function {
	f := function{of: of}
	for _, m := range metrics.Table {
		if m.Prometheus == "" {
			continue
		}
		var labels []string
		if m.ByCause != nil {
			labels = []string{"cause"}
		}
		f.metrics = append(f.metrics, described{m, prometheus.NewDesc(m.Prometheus, m.Help, labels, prometheus.Labels{"function": of.Name()})})
	}
	return f
}

func (f function) describe(to chan<- *prometheus.Desc) {
	for _, m := range f.metrics {
		to <- m.desc
	}
}

func (f function) collect(to chan<- prometheus.Metric) {
	s, err := f.stats()
	for _, m := range f.metrics {
		switch {
		case err != nil:
			to <- prometheus.NewInvalidMetric(m.desc, err)
			return
		case m.Ages:
			to <- ages(m.desc, &s.Ages)
		case m.Durations != nil:
			to <- durations(m.desc, m.Durations(&s))
		case m.ByCause != nil:
			for _, cause := range metrics.Causes {
				to <- prometheus.MustNewConstMetric(m.desc, prometheus.CounterValue, float64(m.ByCause(&s.ByCause[cause])), cause.String())
			}
		default:
			collectValue(to, m.desc, m.Kind, m.Value(&s))
		}
	}
}

// collectValue collects a counter, or a gauge that is known.
func collectValue(to chan<- prometheus.Metric, desc *prometheus.Desc, kind metrics.Kind, v float64) {
	switch {
	case kind == metrics.Counter:
		to <- prometheus.MustNewConstMetric(desc, prometheus.CounterValue, v)
	case v >= 0:
		to <- prometheus.MustNewConstMetric(desc, prometheus.GaugeValue, v)
	}
}

// stats is what the function counts. A panic of what wraps a function is an error of the
// scrape: it would end the process, for a registry collects on goroutines of its own.
func (f function) stats() (s memoize.Stats, err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("promobserve: Stats panicked: %v", r)
		}
	}()
	return f.of.Stats(), nil
}
