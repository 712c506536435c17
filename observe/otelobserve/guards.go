package otelobserve

import (
	"fmt"

	"go.opentelemetry.io/otel/metric"

	"github.com/perennial-go/perennial/guard"
	"github.com/perennial-go/perennial/internal/metrics"
)

// RegisterGuards makes instruments of what guards do, which are read when metrics are
// collected. A nil provider is the global one of the moment. A guard that serves several
// functions is listed once. docs/metrics.md of the repository has the names; their
// attributes are perennial.guard and, for some, perennial.class.
//
// Unregister of what is returned ends it, and lets go of the guards. It is an error if one
// of them is nil or two have the same name. Guards of one name in two calls of
// RegisterGuards make two readings of one metric, of which one is lost.
func RegisterGuards(meters metric.MeterProvider, guards ...*guard.Guard) (metric.Registration, error) {
	if err := metrics.CheckGuards(guards); err != nil {
		return nil, fmt.Errorf("otelobserve: %w", err)
	}
	in := newInstruments(meters)
	for _, m := range metrics.Guards {
		in.add(m.Named)
	}
	return in.register(func(to metric.Observer) {
		for _, g := range guards {
			s, name := g.State(), guardName.String(g.Name())
			for i, m := range metrics.Guards {
				if m.ByClass == nil {
					observeKnown(to, in.made[i], m.Value(&s), name)
					continue
				}
				for c, n := range m.ByClass(&s) {
					to.ObserveFloat64(in.made[i], float64(n), metric.WithAttributes(name, class.String(guard.Class(c).String())))
				}
			}
		}
	})
}
