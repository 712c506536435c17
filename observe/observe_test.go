package observe_test

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/perennial-go/perennial/observe"
)

// written is what the default observer writes of events.
func written(events ...observe.Event) string {
	var b strings.Builder
	o := observe.Slog(slog.New(slog.NewTextHandler(&b, &slog.HandlerOptions{
		ReplaceAttr: func(groups []string, a slog.Attr) slog.Attr {
			if a.Key == slog.TimeKey && len(groups) == 0 {
				return slog.Attr{}
			}
			return a
		},
	})))
	for _, e := range events {
		o.Observe(context.Background(), e)
	}
	return b.String()
}

func TestSlogLine(t *testing.T) {
	got := written(observe.Event{
		Kind: observe.Failing, First: true, Func: "users", Key: `"ann"`, Cause: observe.Refresh,
		Duration: time.Second, Err: errors.New("no route"),
	})
	want := `level=WARN msg="loads fail, callers get the error or, by config.StaleIfError, an older value" func=users key="\"ann\"" cause=refresh duration=1s err="no route"` + "\n"
	if got != want {
		t.Fatalf("got  %s\nwant %s", got, want)
	}
	if got := written(observe.Event{Kind: observe.SourceBack, Func: "db"}); got != "level=INFO msg=\"the source works again\" guard=db\n" {
		t.Errorf("wrote %q", got)
	}
	if got := written(observe.Event{Kind: observe.Recovered, Func: "users"}); got != "level=INFO msg=\"loads succeed again\" func=users\n" {
		t.Fatalf("got %s", got)
	}
}

// A state is written when it begins, not every time it is met.
func TestSlogOncePerState(t *testing.T) {
	for _, kind := range []observe.Kind{observe.StoreFault, observe.Shed, observe.Runaway, observe.ConfigRejected, observe.ClockBackwards, observe.Failing, observe.RefreshFailing, observe.Panicked, observe.Unstorable} {
		var events []observe.Event
		for i := range 10 {
			events = append(events, observe.Event{Kind: kind, First: i == 0 || i == 5})
		}
		if n := strings.Count(written(events...), "\n"); n != 2 {
			t.Errorf("%v: %d lines for ten events of two states, want 2", kind, n)
		}
	}
	for _, kind := range []observe.Kind{observe.ConfigChanged, observe.StoreOK, observe.Recovered} {
		if n := strings.Count(written(observe.Event{Kind: kind}, observe.Event{Kind: kind}), "\n"); n != 2 {
			t.Errorf("%v: %d lines for two events, want 2", kind, n)
		}
	}
}

// What the logger does not write it does not want either.
func TestSlogWants(t *testing.T) {
	o := observe.Slog(nil)
	for kind := observe.Kind(0); kind < 40; kind++ {
		writes := written(observe.Event{Kind: kind, First: true}) != ""
		if observe.Wants(o, kind) != writes {
			t.Errorf("%v: wanted %v, written %v", kind, observe.Wants(o, kind), writes)
		}
	}
	for _, kind := range []observe.Kind{observe.LoadStarted, observe.LoadEnded, observe.Stored, observe.Evicted} {
		if observe.Wants(o, kind) {
			t.Errorf("%v happens all the time and is wanted by the logger", kind)
		}
	}
}

// Without a logger the default of the moment is used.
func TestSlogDefault(t *testing.T) {
	defer slog.SetDefault(slog.Default())
	o := observe.Slog(nil)
	var b strings.Builder
	slog.SetDefault(slog.New(slog.NewTextHandler(&b, nil)))
	o.Observe(t.Context(), observe.Event{Kind: observe.ConfigChanged, Func: "users"})
	if !strings.Contains(b.String(), "func=users") {
		t.Fatalf("the default logger got %q", b.String())
	}
}

// chooser wants one kind.
type chooser struct {
	want observe.Kind
	got  []observe.Kind
}

func (c *chooser) Wants(k observe.Kind) bool                  { return k == c.want }
func (c *chooser) Observe(_ context.Context, e observe.Event) { c.got = append(c.got, e.Kind) }

func TestAllPassesOnWhatIsWanted(t *testing.T) {
	var order []string
	first, late := &chooser{want: observe.Stored}, &chooser{want: observe.Late}
	every := observe.Func(func(_ context.Context, e observe.Event) { order = append(order, e.Kind.String()) })
	all := observe.All(first, every, late, observe.Discard)
	for _, kind := range []observe.Kind{observe.Stored, observe.Late, observe.Evicted} {
		all.Observe(t.Context(), observe.Event{Kind: kind})
	}
	if !slices.Equal(first.got, []observe.Kind{observe.Stored}) || !slices.Equal(late.got, []observe.Kind{observe.Late}) {
		t.Errorf("the choosers got %v and %v", first.got, late.got)
	}
	if !slices.Equal(order, []string{"stored", "late", "evicted"}) {
		t.Errorf("who wants everything got %q", order)
	}
	if some := observe.All(first, late); !observe.Wants(some, observe.Late) || observe.Wants(some, observe.Evicted) {
		t.Error("two choosers together want something else than one of them does")
	}
	if observe.Wants(observe.Discard, observe.Late) || observe.Wants(nil, observe.Late) {
		t.Error("an observer that discards is asked")
	}
	observe.Discard.Observe(t.Context(), observe.Event{})
}

func TestNames(t *testing.T) {
	seen := map[string]bool{}
	for kind := observe.LoadStarted; kind < observe.Kinds; kind++ {
		name := kind.String()
		if name == "unknown event" || seen[name] || name != strings.ToLower(name) {
			t.Errorf("kind %d is called %q", kind, name)
		}
		seen[name] = true
	}
	for got, want := range map[string]string{
		observe.Kind(0).String(): "unknown event", observe.Kind(99).String(): "unknown event",
		observe.Cause(0).String(): "unknown cause", observe.Cause(99).String(): "unknown cause",
		observe.Miss.String(): "miss", observe.Refresh.String(): "refresh", observe.Forced.String(): "forced",
	} {
		if got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}
