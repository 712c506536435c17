package otelobserve_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"

	"github.com/perennial-go/perennial/config"
	"github.com/perennial-go/perennial/memoize"
	"github.com/perennial-go/perennial/observe"
	"github.com/perennial-go/perennial/observe/otelobserve"
)

var errDown = errors.New("the source is down")

// traced is a program with spans.
type traced struct {
	spans   *tracetest.SpanRecorder
	tracers *sdktrace.TracerProvider
	observe observe.Wrapper
}

func newTraced(t *testing.T) *traced {
	t.Helper()
	p := &traced{spans: tracetest.NewSpanRecorder()}
	p.tracers = sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(p.spans))
	var err error
	if p.observe, err = otelobserve.Observer(p.tracers, nil); err != nil {
		t.Fatal(err)
	}
	return p
}

func (p *traced) start(ctx context.Context, name string) (context.Context, trace.Span) {
	return p.tracers.Tracer("test").Start(ctx, name)
}

// ended is the one span of a name that has ended.
func (p *traced) ended(t *testing.T, name string) sdktrace.ReadOnlySpan {
	t.Helper()
	var found []sdktrace.ReadOnlySpan
	for _, s := range p.spans.Ended() {
		if s.Name() == name {
			found = append(found, s)
		}
	}
	if len(found) != 1 {
		t.Fatalf("%d spans %q have ended, want 1", len(found), name)
	}
	return found[0]
}

func attributes(s sdktrace.ReadOnlySpan) map[attribute.Key]any {
	all := map[attribute.Key]any{}
	for _, a := range s.Attributes() {
		all[a.Key] = a.Value.AsInterface()
	}
	return all
}

// A load that a call waits for is a child of the call's span, a refresh is a root with a
// link to it, and what the source does is a child of the load, whatever asks for it.
func TestSpansOfLoads(t *testing.T) {
	for name, c := range map[string]struct {
		call  func(ctx context.Context, f *memoize.Func[string, int]) error
		cause string
		root  bool
	}{
		"miss": {func(ctx context.Context, f *memoize.Func[string, int]) error { _, err := f.Call(ctx, "a"); return err }, "miss", false},
		"forced": {func(ctx context.Context, f *memoize.Func[string, int]) error {
			_, err := f.Refresh(ctx, "a")
			return err
		}, "forced", false},
		"direct": {func(ctx context.Context, f *memoize.Func[string, int]) error {
			_, err := f.Direct(ctx, "a")
			return err
		}, "direct", false},
		"refresh": {func(ctx context.Context, f *memoize.Func[string, int]) error {
			err := f.Set(ctx, "a", 1)
			_, called := f.Call(ctx, "a")
			return errors.Join(err, called)
		}, "refresh", true},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := newTraced(t)
				f := memoize.Must(memoize.New(func(ctx context.Context, _ string) (int, error) {
					_, span := p.start(ctx, "query")
					defer span.End()
					return 1, nil
				}, config.Name("f"), config.UpdateAfter(0), config.ExpireAfter(time.Hour), config.Observe(p.observe)))
				ctx, call := p.start(t.Context(), "call")
				if err := c.call(ctx, f); err != nil {
					t.Fatal(err)
				}
				call.End()
				if err := f.Wait(t.Context()); err != nil {
					t.Fatal(err)
				}
				load, query := p.ended(t, "load f"), p.ended(t, "query")
				if query.Parent().SpanID() != load.SpanContext().SpanID() || query.SpanContext().TraceID() != load.SpanContext().TraceID() {
					t.Error("what the source does is no child of the load")
				}
				if c.root {
					if load.Parent().IsValid() || load.SpanContext().TraceID() == call.SpanContext().TraceID() {
						t.Error("a refresh is no root")
					}
					if links := load.Links(); len(links) != 1 || !links[0].SpanContext.Equal(call.SpanContext()) {
						t.Errorf("a refresh has the links %v, want one to the call", links)
					}
				} else if load.Parent().SpanID() != call.SpanContext().SpanID() || len(load.Links()) != 0 {
					t.Errorf("the load has the parent %v and %d links, want the call alone", load.Parent().SpanID(), len(load.Links()))
				}
				want := map[attribute.Key]any{"perennial.function": "f", "perennial.cause": c.cause, "perennial.keys": int64(1)}
				if got := attributes(load); fmt.Sprint(got) != fmt.Sprint(want) || load.Status().Code != codes.Unset {
					t.Errorf("the load has %v and the status %v, want %v", got, load.Status(), want)
				}
			})
		})
	}
}

// A refresh that no span has started has no link.
func TestRefreshWithoutACall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newTraced(t)
		f := memoize.Must(memoize.New(func(context.Context, string) (int, error) { return 1, nil }, config.Name("f"), config.UpdateAfter(0), config.ExpireAfter(time.Hour), config.Observe(p.observe)))
		if err := f.Set(t.Context(), "a", 1); err != nil {
			t.Fatal(err)
		}
		if _, err := f.Call(t.Context(), "a"); err != nil {
			t.Fatal(err)
		}
		if err := f.Wait(t.Context()); err != nil {
			t.Fatal(err)
		}
		if load := p.ended(t, "load f"); load.Parent().IsValid() || len(load.Links()) != 0 {
			t.Errorf("it has the parent %v and the links %v", load.Parent(), load.Links())
		}
	})
}

// A load that fails says so, however it does; each span ends; two observers of one
// function have a span each.
func TestSpansOfFailures(t *testing.T) {
	for name, c := range map[string]struct {
		source func(ctx context.Context) (int, error)
		status codes.Code
		late   bool
	}{
		"an error":           {func(context.Context) (int, error) { return 0, errDown }, codes.Error, false},
		"a panic":            {func(context.Context) (int, error) { panic("boom") }, codes.Error, false},
		"the goroutine ends": {func(context.Context) (int, error) { runtime.Goexit(); return 0, nil }, codes.Error, false},
		"too late":           {func(ctx context.Context) (int, error) { <-ctx.Done(); return 0, ctx.Err() }, codes.Error, true},
		"late, and a value":  {func(ctx context.Context) (int, error) { <-ctx.Done(); return 1, nil }, codes.Unset, true},
	} {
		for way, opts := range map[string][]config.Option{"a load": nil, "direct": {config.Bypass(true)}} {
			t.Run(name+" "+way, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					p, q := newTraced(t), newTraced(t)
					f := memoize.Must(memoize.New(func(ctx context.Context, _ string) (int, error) { return c.source(ctx) }, append(opts,
						config.Name("f"), config.MethodTimeout(time.Second), config.Logger(slog.New(slog.DiscardHandler)), config.Observe(p.observe), config.Observe(q.observe))...))
					if _, err := f.Call(t.Context(), "a"); err == nil {
						t.Error("the call succeeds")
					}
					synctest.Wait()
					for _, p := range []*traced{p, q} {
						load := p.ended(t, "load f")
						if late := attributes(load)["perennial.late"] == true; load.Status().Code != c.status || late != c.late {
							t.Errorf("the load has the status %v, and is late: %v", load.Status(), late)
						}
					}
				})
			})
		}
	}
}

// An observer that is told of a load whose span it has not started leaves it alone.
func TestWithoutASpan(t *testing.T) {
	p := newTraced(t)
	p.observe.Observe(t.Context(), observe.Event{Kind: observe.LoadEnded, Func: "f", Err: errDown})
	if n := len(p.spans.Ended()); n != 0 {
		t.Errorf("%d spans have ended", n)
	}
}
