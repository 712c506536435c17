package otelobserve

import (
	"context"
	"fmt"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"

	"github.com/perennial-go/perennial/internal/metrics"
)

// instruments are those of a table.
type instruments struct {
	meter       metric.Meter
	made        []metric.Float64Observable // one for each row, nil for a row that is read in another way
	observables []metric.Observable
	err         error // the first
}

func newInstruments(meters metric.MeterProvider) *instruments {
	if meters == nil {
		meters = otel.GetMeterProvider()
	}
	return &instruments{meter: meters.Meter(scope)}
}

// add makes the instrument of the next row.
func (in *instruments) add(row metrics.Named) {
	var made metric.Float64Observable
	var err error
	switch {
	case in.err != nil || row.OpenTelemetry == "" || row.Kind == metrics.Histogram:
	case row.Kind == metrics.Counter:
		made, err = in.meter.Float64ObservableCounter(row.OpenTelemetry, metric.WithUnit(row.Unit), metric.WithDescription(row.Help))
	default:
		made, err = in.meter.Float64ObservableGauge(row.OpenTelemetry, metric.WithUnit(row.Unit), metric.WithDescription(row.Help))
	}
	if err != nil {
		in.err = fmt.Errorf("otelobserve: the instrument %s: %w", row.OpenTelemetry, err)
	}
	if in.made = append(in.made, made); made != nil {
		in.observables = append(in.observables, made)
	}
}

// register has the instruments read whenever metrics are collected.
func (in *instruments) register(read func(to metric.Observer)) (metric.Registration, error) {
	if in.err != nil {
		return nil, in.err
	}
	registration, err := in.meter.RegisterCallback(func(_ context.Context, to metric.Observer) error {
		read(to)
		return nil
	}, in.observables...)
	if err != nil {
		return nil, fmt.Errorf("otelobserve: %w", err)
	}
	return registration, nil
}

// observeKnown observes a number, unless it is a gauge that is not known.
func observeKnown(to metric.Observer, by metric.Float64Observable, v float64, of attribute.KeyValue) {
	if v >= 0 {
		to.ObserveFloat64(by, v, metric.WithAttributes(of))
	}
}
