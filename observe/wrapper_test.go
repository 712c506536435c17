package observe_test

import (
	"context"
	"testing"

	"github.com/perennial-go/perennial/observe"
)

type added struct{ name string }

// adder is a Wrapper that adds its name, or returns nil.
type adder struct {
	chooser
	name string
}

func (a *adder) LoadContext(ctx context.Context, e observe.Event) context.Context {
	if a.name == "" {
		return nil
	}
	return context.WithValue(ctx, added{a.name}, e.Func)
}

// All wraps what those of its observers wrap who do, and is no Wrapper without any.
func TestAllWraps(t *testing.T) {
	plain := observe.All(observe.Discard, &chooser{})
	if _, ok := plain.(observe.Wrapper); ok {
		t.Error("observers that add nothing are together one that does")
	}
	all := observe.All(&adder{name: "a"}, observe.Discard, &adder{}, observe.All(&adder{name: "b", chooser: chooser{want: observe.Late}}))
	w, ok := all.(observe.Wrapper)
	if !ok {
		t.Fatal("an observer among others adds nothing")
	}
	ctx := w.LoadContext(t.Context(), observe.Event{Func: "f"})
	if ctx.Value(added{"a"}) != "f" || ctx.Value(added{"b"}) != "f" {
		t.Errorf("it adds %v and %v", ctx.Value(added{"a"}), ctx.Value(added{"b"}))
	}
	if !observe.Wants(all, observe.Late) || observe.Wants(observe.All(&adder{name: "a", chooser: chooser{want: observe.Late}}), observe.Evicted) {
		t.Error("it wants something else than its observers")
	}
}
