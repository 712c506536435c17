package otelobserve_test

import (
	"context"
	"fmt"

	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"

	"github.com/perennial-go/perennial/config"
	"github.com/perennial-go/perennial/guard"
	"github.com/perennial-go/perennial/memoize"
	"github.com/perennial-go/perennial/observe/otelobserve"
)

// The spans of a load, and the metrics of the function that loads.
func Example() {
	spans, reader := tracetest.NewSpanRecorder(), sdkmetric.NewManualReader() // or what exports
	tracers := sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(spans))
	meters := sdkmetric.NewMeterProvider(sdkmetric.WithReader(reader))
	loadUser := func(ctx context.Context, id int) (string, error) {
		_, span := tracers.Tracer("db").Start(ctx, "SELECT users")
		defer span.End()
		return fmt.Sprint("user ", id), nil
	}
	program := func() error {
		// region register
		tracing, err := otelobserve.Observer(tracers, meters) // nil is the global provider
		if err != nil {
			return err
		}
		users, err := memoize.New(loadUser, config.Name("users"), config.Observe(tracing))
		if err != nil {
			return err
		}
		registration, err := otelobserve.Register(meters, users)
		// endregion
		if err != nil {
			return err
		}
		defer func() { _ = registration.Unregister() }()

		ctx, request := tracers.Tracer("http").Start(context.Background(), "GET /users/7")
		_, _ = users.Call(ctx, 7)
		_, _ = users.Call(ctx, 7) // a hit makes no span
		request.End()
		if err := users.Close(ctx); err != nil {
			return err
		}
		var read metricdata.ResourceMetrics
		if err := reader.Collect(ctx, &read); err != nil {
			return err
		}
		for _, m := range read.ScopeMetrics[0].Metrics {
			if sum, ok := m.Data.(metricdata.Sum[float64]); ok && m.Name == "perennial.calls.fresh" {
				name, _ := sum.DataPoints[0].Attributes.Value("perennial.function")
				fmt.Println(m.Name, name.AsString(), sum.DataPoints[0].Value)
			}
		}
		return nil
	}
	if err := program(); err != nil {
		fmt.Println(err)
	}
	names := map[trace.SpanID]string{}
	for _, s := range spans.Ended() {
		names[s.SpanContext().SpanID()] = s.Name()
	}
	for _, s := range spans.Ended() {
		if s.Parent().IsValid() {
			fmt.Println(s.Name(), "within", names[s.Parent().SpanID()])
		}
	}
	// Unordered output:
	// perennial.calls.fresh users 1
	// SELECT users within load users
	// load users within GET /users/7
}

// The metrics of a guard, beside those of the functions that it serves.
func ExampleRegisterGuards() {
	reader := sdkmetric.NewManualReader() // or what exports
	meters := sdkmetric.NewMeterProvider(sdkmetric.WithReader(reader))
	loadUser := func(_ context.Context, id int) (string, error) { return fmt.Sprint("user ", id), nil }
	program := func(ctx context.Context) error {
		orders, err := guard.New("orders-db")
		if err != nil {
			return err
		}
		users, err := memoize.New(loadUser, config.Name("users"), config.Guard(orders))
		if err != nil {
			return err
		}
		registration, err := otelobserve.RegisterGuards(meters, orders)
		if err != nil {
			return err
		}
		defer func() { _ = registration.Unregister() }()

		_, _ = users.Call(ctx, 7)
		if err := users.Close(ctx); err != nil {
			return err
		}
		var read metricdata.ResourceMetrics
		if err := reader.Collect(ctx, &read); err != nil {
			return err
		}
		for _, m := range read.ScopeMetrics[0].Metrics {
			if sum, ok := m.Data.(metricdata.Sum[float64]); ok && m.Name == "perennial.guard.succeeded" {
				name, _ := sum.DataPoints[0].Attributes.Value("perennial.guard")
				fmt.Println(m.Name, name.AsString(), sum.DataPoints[0].Value)
			}
		}
		return nil
	}
	if err := program(context.Background()); err != nil {
		fmt.Println(err)
	}
	// Output: perennial.guard.succeeded orders-db 1
}
