package otelobserve

import (
	"context"
	"errors"
	"fmt"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/trace"

	"github.com/perennial-go/perennial/internal/metrics"
	"github.com/perennial-go/perennial/observe"
)

// scope is the name of the tracer and the meter.
const scope = "github.com/perennial-go/perennial/observe/otelobserve"

// Observer makes a span of each load and counts how long it took in the histogram
// perennial.load.duration, in seconds. Give it to functions with config.Observe; one
// serves any number. A nil provider is the global one of the moment.
//
// A span is called "load" and the function's name. Its attributes are
// perennial.function, perennial.cause, perennial.keys, which is how many keys the load
// is for, and perennial.late, if the method timeout has passed, or the deadline of a
// caller of Direct: then the callers have been released before the span ends. Keys are not
// among them. If the load fails, the span has the error's text, in which a source may name
// keys.
//
// With config.ContextValues the source's spans are children of the load's, but the
// load's span has a parent or a link only if the span of the call is among the values
// that are kept.
//
// The error is that of the meter, which can't make the histogram.
func Observer(tracers trace.TracerProvider, meters metric.MeterProvider) (observe.Wrapper, error) {
	if tracers == nil {
		tracers = otel.GetTracerProvider()
	}
	if meters == nil {
		meters = otel.GetMeterProvider()
	}
	o := &observer{tracer: tracers.Tracer(scope)}
	for _, m := range metrics.Table {
		if m.OpenTelemetry == "" || m.Durations == nil {
			continue
		}
		var err error
		o.durations, err = meters.Meter(scope).Float64Histogram(m.OpenTelemetry, metric.WithUnit(m.Unit), metric.WithDescription(m.Help),
			metric.WithExplicitBucketBoundaries(metrics.Bounds()...))
		if err != nil {
			return nil, fmt.Errorf("otelobserve: the histogram %s: %w", m.OpenTelemetry, err)
		}
	}
	return o, nil
}

type observer struct {
	tracer    trace.Tracer
	durations metric.Float64Histogram
}

// Wants implements observe.Chooser.
func (*observer) Wants(k observe.Kind) bool { return k == observe.LoadEnded }

// spanKey finds the load's span in the context that the source got: of this observer, for
// a function may have two.
type spanKey struct{ of *observer }

// LoadContext implements observe.Wrapper: it starts the load's span.
func (o *observer) LoadContext(ctx context.Context, e observe.Event) context.Context {
	opts := []trace.SpanStartOption{trace.WithAttributes(
		function.String(e.Func), cause.String(e.Cause.String()), attribute.Int("perennial.keys", e.Count))}
	if e.Cause == observe.Refresh {
		opts = append(opts, trace.WithNewRoot(), trace.WithLinks(trace.LinkFromContext(ctx))) // of no span there is none
	}
	ctx, span := o.tracer.Start(ctx, "load "+e.Func, opts...)
	return context.WithValue(ctx, spanKey{o}, span)
}

// The labels of metrics. Spans have the first two.
const (
	function  = attribute.Key("perennial.function")
	cause     = attribute.Key("perennial.cause")
	guardName = attribute.Key("perennial.guard")
	class     = attribute.Key("perennial.class")
)

// Observe implements observe.Observer: it ends the load's span.
func (o *observer) Observe(ctx context.Context, e observe.Event) {
	o.durations.Record(ctx, e.Duration.Seconds(), metric.WithAttributes(function.String(e.Func)))
	span, ok := ctx.Value(spanKey{o}).(trace.Span)
	if !ok {
		return // an observer beside this one has taken the context away
	}
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		span.SetAttributes(attribute.Bool("perennial.late", true))
	}
	if e.Err != nil {
		span.SetStatus(codes.Error, e.Err.Error())
	}
	span.End()
}
