package postponed

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
)

// list is what was told, in its order.
type list []string

func (l *list) add(name string) func() { return func() { *l = append(*l, name) } }

func (l *list) want(t *testing.T, want ...string) {
	t.Helper()
	if !slices.Equal(*l, want) {
		t.Fatalf("told were %q, want %q", *l, want)
	}
}

// Events wait while they are held, and are told in their order, each once. Those to
// come are to be told at once then.
func TestHeldEventsWaitForTell(t *testing.T) {
	t.Parallel()
	var p Events
	var told list
	pass := func(name string, want bool) {
		t.Helper()
		if p.Holds() == want {
			t.Errorf("%s: held are events: %v", name, !want)
		}
		if p.Add(told.add(name)) == want {
			t.Errorf("%s: it waits: %v", name, want)
		}
	}
	pass("of the zero value", true)
	p.Tell()
	told.want(t)
	p.Hold(true)
	pass("a", false)
	pass("b", false)
	told.want(t)
	p.Tell()
	told.want(t, "a", "b")
	pass("after", true)
	p.Tell()
	p.Hold(true)
	p.Tell()
	told.want(t, "a", "b")
	p.Hold(true)
	pass("c", false)
	p.Hold(false)
	pass("not held any more", true)
	told.want(t, "a", "b")
	p.Tell()
	told.want(t, "a", "b", "c")
}

// Where there is nothing to hold events, there is nothing to tell.
func TestTellOfNil(t *testing.T) {
	t.Parallel()
	var p *Events
	p.Tell()
}

// An event that is told may call what tells events, or holds them, in its turn.
func TestEventsAmidTell(t *testing.T) {
	t.Parallel()
	var p Events
	var told list
	p.Hold(true)
	p.Add(func() {
		told.add("a")()
		if p.Add(told.add("not kept")) {
			t.Error("an event waits while others are told")
		}
		p.Tell()
		told.want(t, "a")
		p.Hold(true)
		if !p.Add(told.add("c")) {
			t.Error("an event that is held does not wait")
		}
		told.add("b")()
	})
	p.Tell()
	told.want(t, "a", "b")
	p.Tell()
	told.want(t, "a", "b", "c")
}

// An event that comes while others are told is told with them, or not held: none waits
// for ever.
func TestNoEventIsLost(t *testing.T) {
	t.Parallel()
	for range 500 {
		var p Events
		var told atomic.Int32
		p.Hold(true)
		var wg sync.WaitGroup
		for range 4 {
			wg.Go(func() {
				if tell := func() { told.Add(1) }; !p.Add(tell) {
					tell()
				}
			})
		}
		wg.Go(p.Tell)
		wg.Wait()
		if n := told.Load(); n != 4 {
			t.Fatalf("%d of 4 events were told", n)
		}
	}
}

type name struct{}

// Under a context that holds, events wait, and all else is as under the outer context.
func TestContextHolds(t *testing.T) {
	t.Parallel()
	outer, cancel := context.WithCancel(context.WithValue(t.Context(), name{}, "outer"))
	var none context.Context // as a stale hit's may be
	if In(none) != nil || In(outer) != nil {
		t.Fatal("events are held under a context that holds none")
	}
	ctx, events := Hold(outer)
	if !events.Holds() || In(ctx) != events || In(context.WithValue(ctx, name{}, "inner")) != events {
		t.Fatal("events are not held under a context that holds them")
	}
	if ctx.Value(name{}) != "outer" || ctx.Value("none") != nil {
		t.Errorf("the values are %v and %v", ctx.Value(name{}), ctx.Value("none"))
	}
	if cancel(); ctx.Err() != context.Canceled {
		t.Error("the context does not end with the outer one")
	}
}

// Events under a context wait for whoever held them first, until they are told. From
// then on the next outer one that holds counts, or who holds anew.
func TestInnermostThatHolds(t *testing.T) {
	t.Parallel()
	ctx, first := Hold(t.Context())
	if same, none := Hold(ctx); same != ctx || none != nil {
		t.Error("events that wait are held once more")
	}
	first.Tell()
	if In(ctx) != nil {
		t.Error("events wait that were told")
	}
	inner, second := Hold(ctx)
	if inner == ctx || second == first || In(inner) != second {
		t.Error("events are not held anew")
	}
	first.Hold(true)
	if In(inner) != second {
		t.Error("events do not wait for the innermost that holds")
	}
	second.Tell()
	if In(inner) != first {
		t.Error("events do not wait for the outer one that holds")
	}
}
