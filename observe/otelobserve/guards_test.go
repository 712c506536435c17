package otelobserve_test

import (
	"maps"
	"strings"
	"testing"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"

	"github.com/perennial-go/perennial/guard"
	"github.com/perennial-go/perennial/internal/admission"
	"github.com/perennial-go/perennial/internal/metrics"
	"github.com/perennial-go/perennial/internal/module"
	"github.com/perennial-go/perennial/observe/otelobserve"
)

func newGuard(t *testing.T, name string) *guard.Guard {
	t.Helper()
	g, err := guard.New(name, guard.Logger(nil))
	if err != nil {
		t.Fatal(err)
	}
	return g
}

// busy is a guard that has let in a different number of loads of each class, and refused
// some, and that knows what they take.
func busy(t *testing.T) *guard.Guard {
	t.Helper()
	g := newGuard(t, "g")
	for class := range guard.Classes {
		for range 8 + 2*class {
			var p admission.Pass
			place := g.Gate(module.Only{}).Place()
			if queue, err := g.Gate(module.Only{}).Enter(&p, &place, class, nobody{}); queue || err != nil {
				t.Fatalf("a load of class %v: %v, %v", class, queue, err)
			}
			if class == guard.Warm { // they stay, until there is no room
				for range 10 {
					g.Gate(module.Only{}).Sheds(guard.Warm)
				}
				return g
			}
			g.Gate(module.Only{}).Leave(&p, &place, 0, time.Second, admission.Success, nobody{})
		}
	}
	return g
}

// Every instrument of the table of guards is there, no other one is, with its unit, its
// text, its attributes and the numbers that it reads.
func TestRegisterGuardsHasTheTable(t *testing.T) {
	reader, meters := meter()
	g := busy(t)
	registration, err := otelobserve.RegisterGuards(meters, g)
	if err != nil {
		t.Fatal(err)
	}
	s := g.State()
	if s.Typical == 0 || s.Norm == 0 || s.Admitted[guard.Miss] == s.Admitted[guard.Forced] || s.InFlight == 0 {
		t.Fatalf("there is not much to tell apart: %+v", s)
	}
	found := collected(t, reader)
	for _, m := range metrics.Guards {
		got := found[m.OpenTelemetry]
		delete(found, m.OpenTelemetry)
		if got.Unit != m.Unit || got.Description != m.Help {
			t.Errorf("%s is in %q: %s", m.OpenTelemetry, got.Unit, got.Description)
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
		}
		of := func(more ...attribute.KeyValue) attribute.Distinct {
			set := attribute.NewSet(append(more, attribute.String("perennial.guard", "g"))...)
			return set.Equivalent()
		}
		want, read := map[attribute.Distinct]float64{}, map[attribute.Distinct]float64{}
		if m.ByClass == nil {
			want[of()] = m.Value(&s)
		} else {
			for c, n := range m.ByClass(&s) {
				want[of(attribute.String("perennial.class", guard.Class(c).String()))] = float64(n)
			}
		}
		for _, p := range points {
			read[p.Attributes.Equivalent()] = p.Value
		}
		if !maps.Equal(read, want) {
			t.Errorf("%s is %v, want %v", m.OpenTelemetry, points, want)
		}
	}
	for name := range found {
		t.Errorf("%s is not in the table", name)
	}
	if err := registration.Unregister(); err != nil {
		t.Fatal(err)
	}
	if found := collected(t, reader); len(found) != 0 {
		t.Errorf("after Unregister %d metrics are found", len(found))
	}
}

// What a load takes is left out while that is not known.
func TestRegisterGuardsLeavesOut(t *testing.T) {
	reader, meters := meter()
	if _, err := otelobserve.RegisterGuards(meters, newGuard(t, "new")); err != nil {
		t.Fatal(err)
	}
	found := collected(t, reader)
	_, typical := found["perennial.guard.typical"]
	_, norm := found["perennial.guard.norm"]
	if len(found) != len(metrics.Guards)-2 || typical || norm {
		t.Errorf("a new guard has %d metrics, of %d", len(found), len(metrics.Guards))
	}
}

// Nil, and two guards of one name, are errors that say what to do.
func TestRegisterGuardsRefuses(t *testing.T) {
	a := newGuard(t, "a")
	for want, guards := range map[string][]*guard.Guard{
		"otelobserve: guard 2 of 2 is nil": {a, nil},
		"list each once":                   {a, a},
		"guard.New":                        {a, newGuard(t, "a")},
	} {
		if r, err := otelobserve.RegisterGuards(nil, guards...); err == nil || r != nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, %v; want %q", r, err, want)
		}
	}
	if _, err := otelobserve.RegisterGuards(nil); err != nil {
		t.Errorf("without guards: %v", err)
	}
}

// nobody waits for a load.
type nobody struct{}

func (nobody) Left() time.Duration { return 0 }
func (nobody) Hash() uint64        { return 1 }
