package otelobserve

import (
	"fmt"

	"go.opentelemetry.io/otel/metric"

	"github.com/perennial-go/perennial/internal/metrics"
	"github.com/perennial-go/perennial/memoize"
)

// Function is what Register reads: every *memoize.Func is one, whatever its types, and
// so is what wraps one.
type Function interface {
	// Name is the value of the attribute perennial.function.
	Name() string
	// Stats is called at each collection, concurrently. A panic is not caught.
	Stats() memoize.Stats
}

// Register makes instruments of what functions count. They are read when metrics are
// collected: nothing is added to a call. A nil provider is the global one of the moment.
// docs/metrics.md of the repository has their names; their attributes are
// perennial.function and, for some, perennial.cause. How long loads take is counted by
// Observer.
//
// Unregister of what is returned ends it, and lets go of the functions. It is an error if
// one of them is nil or two have the same name. Functions of one name in two calls of
// Register make two readings of one metric, of which one is lost: register each once.
func Register(meters metric.MeterProvider, functions ...Function) (metric.Registration, error) {
	all := make([]metrics.Function, len(functions))
	for i, f := range functions {
		all[i] = f
	}
	if err := metrics.Check(all); err != nil {
		return nil, fmt.Errorf("otelobserve: %w", err)
	}
	in := newInstruments(meters)
	for _, m := range metrics.Table {
		in.add(m.Named)
	}
	return in.register(func(to metric.Observer) {
		for _, f := range functions {
			s, name := f.Stats(), function.String(f.Name())
			for i, m := range metrics.Table {
				switch {
				case in.made[i] == nil:
				case m.ByCause != nil:
					for _, c := range metrics.Causes {
						to.ObserveFloat64(in.made[i], float64(m.ByCause(&s.ByCause[c])), metric.WithAttributes(name, cause.String(c.String())))
					}
				default:
					observeKnown(to, in.made[i], m.Value(&s), name)
				}
			}
		}
	})
}
