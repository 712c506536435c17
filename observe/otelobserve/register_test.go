package otelobserve_test

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/metric/noop"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"

	"github.com/perennial-go/perennial/internal/metrics"
	"github.com/perennial-go/perennial/memoize"
	"github.com/perennial-go/perennial/observe"
	"github.com/perennial-go/perennial/observe/otelobserve"
)

// counted is a function with counters of the test's making.
type counted struct {
	name  string
	stats memoize.Stats
}

func (f *counted) Name() string         { return f.name }
func (f *counted) Stats() memoize.Stats { return f.stats }

// collected is what is read of a meter, by name.
func collected(t *testing.T, reader *sdkmetric.ManualReader) map[string]metricdata.Metrics {
	t.Helper()
	var read metricdata.ResourceMetrics
	if err := reader.Collect(t.Context(), &read); err != nil {
		t.Fatal(err)
	}
	named := map[string]metricdata.Metrics{}
	for _, scope := range read.ScopeMetrics {
		for _, m := range scope.Metrics {
			named[m.Name] = m
		}
	}
	return named
}

func meter() (*sdkmetric.ManualReader, metric.MeterProvider) {
	reader := sdkmetric.NewManualReader()
	return reader, sdkmetric.NewMeterProvider(sdkmetric.WithReader(reader))
}

// Every instrument of the table is there, no other one is, with its unit, its text, its
// attributes and the number that it reads.
func TestRegisterHasTheTable(t *testing.T) {
	reader, meters := meter()
	s := memoize.Stats{Entries: 3, Weight: 4, Capacity: 5, Calls: 6, MethodTimeout: 7 * time.Second, StoreSpared: 8, StoreDown: true}
	for i, c := range metrics.Causes {
		s.ByCause[c] = memoize.CauseStats{Loads: uint64(10 + i), Failed: uint64(20 + i), Late: uint64(30 + i), Refused: uint64(50 + i)}
	}
	s.StoreReads.Count, s.StoreReads.Sum = 40, 41*time.Second
	if _, err := otelobserve.Register(meters, &counted{"f", s}); err != nil {
		t.Fatal(err)
	}
	o, err := otelobserve.Observer(nil, meters)
	if err != nil {
		t.Fatal(err)
	}
	o.Observe(t.Context(), observe.Event{Kind: observe.LoadEnded, Func: "f", Duration: time.Second})
	found := collected(t, reader)
	for _, m := range metrics.Table {
		if m.OpenTelemetry == "" {
			continue
		}
		got, ok := found[m.OpenTelemetry]
		delete(found, m.OpenTelemetry)
		if !ok || got.Unit != m.Unit || got.Description != m.Help {
			t.Errorf("%s is there: %v, in %q: %s", m.OpenTelemetry, ok, got.Unit, got.Description)
			continue
		}
		var points []metricdata.DataPoint[float64]
		switch data := got.Data.(type) {
		case metricdata.Sum[float64]:
			if points = data.DataPoints; m.Kind != metrics.Counter || !data.IsMonotonic {
				t.Errorf("%s is a sum", m.OpenTelemetry)
			}
		case metricdata.Gauge[float64]:
			if points = data.DataPoints; m.Kind != metrics.Gauge {
				t.Errorf("%s is a gauge", m.OpenTelemetry)
			}
		case metricdata.Histogram[float64]:
			one := data.DataPoints[0]
			if m.Kind != metrics.Histogram || one.Count != 1 || one.Sum != 1 || !slices.Equal(one.Bounds, metrics.Bounds()) {
				t.Errorf("%s is a histogram of %d in %v", m.OpenTelemetry, one.Count, one.Bounds)
			}
			if name, _ := one.Attributes.Value("perennial.function"); name.AsString() != "f" || one.Attributes.Len() != 1 {
				t.Errorf("%s has the attributes %v", m.OpenTelemetry, one.Attributes)
			}
			continue
		}
		want := map[string]float64{}
		if m.ByCause != nil {
			for _, c := range metrics.Causes {
				want[c.String()] = float64(m.ByCause(&s.ByCause[c]))
			}
		} else {
			want[""] = m.Value(&s)
		}
		for _, p := range points {
			name, _ := p.Attributes.Value("perennial.function")
			cause, _ := p.Attributes.Value("perennial.cause")
			if n, ok := want[cause.AsString()]; !ok || n != p.Value || name.AsString() != "f" || p.Attributes.Len() != len(want)/4+1 {
				t.Errorf("%s is %v with %v, want %v", m.OpenTelemetry, p.Value, p.Attributes, want)
			}
		}
		if len(points) != len(want) {
			t.Errorf("%s has %d points, want %v", m.OpenTelemetry, len(points), want)
		}
	}
	for name := range found {
		t.Errorf("%s is not in the table", name)
	}
}

// What is not known is left out, and what is unregistered too.
func TestUnregister(t *testing.T) {
	reader, meters := meter()
	registration, err := otelobserve.Register(meters, &counted{"f", memoize.Stats{Entries: -1, Weight: -1, Capacity: -1, MaxLoads: -1}})
	if err != nil {
		t.Fatal(err)
	}
	found := collected(t, reader)
	for _, name := range []string{"perennial.entries", "perennial.weight", "perennial.capacity", "perennial.loads.limit"} {
		if m, ok := found[name]; ok {
			t.Errorf("%s is %v", name, m.Data)
		}
	}
	if len(found) < 20 {
		t.Errorf("only %d metrics are found", len(found))
	}
	if err := registration.Unregister(); err != nil {
		t.Fatal(err)
	}
	if found := collected(t, reader); len(found) != 0 {
		t.Errorf("after Unregister %d metrics are found", len(found))
	}
}

// Nil, and two functions of one name, are errors that say what to do.
func TestRegisterRefuses(t *testing.T) {
	var none *memoize.Func[int, int]
	for want, functions := range map[string][]otelobserve.Function{
		"function 2 of 2 is nil": {&counted{name: "a"}, none},
		"function 1 of 1 is nil": {nil},
		"config.Name":            {&counted{name: "a"}, &counted{name: "a"}},
	} {
		if r, err := otelobserve.Register(nil, functions...); err == nil || r != nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, %v; want %q", r, err, want)
		}
	}
	if _, err := otelobserve.Register(nil); err != nil {
		t.Errorf("without functions: %v", err)
	}
}

// provider has one meter.
type provider struct {
	noop.MeterProvider
	of failing
}

func (p provider) Meter(string, ...metric.MeterOption) metric.Meter { return p.of }

// failing is a meter that makes nothing of one kind.
type failing struct {
	noop.Meter
	counters, gauges, histograms, callbacks error
}

func (m failing) Float64ObservableCounter(string, ...metric.Float64ObservableCounterOption) (metric.Float64ObservableCounter, error) {
	return noop.Float64ObservableCounter{}, m.counters
}
func (m failing) Float64ObservableGauge(string, ...metric.Float64ObservableGaugeOption) (metric.Float64ObservableGauge, error) {
	return noop.Float64ObservableGauge{}, m.gauges
}
func (m failing) Float64Histogram(string, ...metric.Float64HistogramOption) (metric.Float64Histogram, error) {
	return noop.Float64Histogram{}, m.histograms
}
func (m failing) RegisterCallback(metric.Callback, ...metric.Observable) (metric.Registration, error) {
	return noop.Registration{}, m.callbacks
}

// What a meter can't make is an error.
func TestMetersThatFail(t *testing.T) {
	errMeter := errors.New("no more room")
	for name, m := range map[string]failing{"counters": {counters: errMeter}, "gauges": {gauges: errMeter}, "callbacks": {callbacks: errMeter}} {
		if r, err := otelobserve.Register(provider{of: m}, &counted{name: "a"}); !errors.Is(err, errMeter) || r != nil {
			t.Errorf("%s: %v, %v", name, r, err)
		}
		if r, err := otelobserve.RegisterGuards(provider{of: m}, newGuard(t, "a")); !errors.Is(err, errMeter) || r != nil {
			t.Errorf("%s, of guards: %v, %v", name, r, err)
		}
	}
	if o, err := otelobserve.Observer(nil, provider{of: failing{histograms: errMeter}}); !errors.Is(err, errMeter) || o != nil {
		t.Errorf("histograms: %v, %v", o, err)
	}
}
