package memoize_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/perennial-go/perennial/config"
	"github.com/perennial-go/perennial/invalidation"
	"github.com/perennial-go/perennial/memoize"
)

// Sources that need less are adapted; a nil one stays nil, which New refuses.
func TestAdaptedSources(t *testing.T) {
	life := config.ExpireAfter(time.Hour)
	for name, source := range map[string]func(context.Context, string) (int, error){
		"NoContext": memoize.NoContext(func(arg string) (int, error) { return len(arg), nil }),
		"NoError":   memoize.NoError(func(_ context.Context, arg string) int { return len(arg) }),
		"Pure":      memoize.Pure(func(arg string) int { return len(arg) }),
	} {
		f, err := memoize.New(source, life, config.Name(name))
		noError(t, err)
		wants(t, 3)(f.Call(t.Context(), "abc"))
	}
	failing := memoize.Must(memoize.New(memoize.NoContext(func(string) (int, error) { return 0, errBad }), life, config.Name("failing"), config.Logger(discardLog)))
	_, err := failing.Call(t.Context(), "abc")
	loadError(t, err, memoize.Failed, errBad)
	for name, source := range map[string]func(context.Context, string) (int, error){
		"NoContext": memoize.NoContext[string, int](nil), "NoError": memoize.NoError[string, int](nil), "Pure": memoize.Pure[string, int](nil),
	} {
		if _, err := memoize.New(source, life); err == nil || !strings.Contains(err.Error(), "nil function") {
			t.Errorf("%s of nil: %v", name, err)
		}
	}
}

// What a function can't be made with is refused, with the remedy.
func TestNewRefuses(t *testing.T) {
	life := config.ExpireAfter(time.Hour)
	for want, opts := range map[string][]config.Option{
		"nil *invalidation.Support":     {config.InvalidatedBy((*invalidation.Support[string])(nil))},
		"*invalidation.Support[int]":    {config.InvalidatedBy(new(invalidation.Support[int]))},
		"UpdateStatuses is given a int": {},
	} {
		if len(opts) == 0 {
			continue
		}
		if _, err := memoize.New(lengths, append(opts, life)...); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %s", err, want)
		}
	}
	if _, err := memoize.Memoize[string, string](lengths, nil); err == nil || !strings.Contains(err.Error(), "configuration is nil") {
		t.Errorf("without a configuration: %v", err)
	}
	if _, err := memoize.Memoize(lengths, (*config.Fixed[string, string, int])(nil)); err == nil || !strings.Contains(err.Error(), "configuration is nil") {
		t.Errorf("with a nil configuration: %v", err)
	}
}

// A Support invalidates one key or all of its function, until that is closed.
func TestSupportInvalidates(t *testing.T) {
	support := new(invalidation.Support[string])
	f := memoize.Must(memoize.New(lengths, config.ExpireAfter(time.Hour), config.InvalidatedBy(support)))
	noError(t, f.SetMany(t.Context(), []string{"a", "b"}, []int{10, 20}))
	noError(t, support.Invalidate(t.Context(), "a"))
	if f.Has(t.Context(), "a") || !f.Has(t.Context(), "b") {
		t.Error("to invalidate a leaves it, or takes b")
	}
	noError(t, support.InvalidateAll(t.Context()))
	if f.Has(t.Context(), "b") {
		t.Error("to invalidate all leaves b")
	}
	noError(t, f.Close(t.Context()))
	if err := support.Invalidate(t.Context(), "a"); err == nil {
		t.Error("once the function is closed Invalidate says nothing")
	}
	if err := support.InvalidateAll(t.Context()); err == nil {
		t.Error("once the function is closed InvalidateAll says nothing")
	}
	if _, err := f.Direct(t.Context(), "a"); !errors.Is(err, memoize.ErrClosed) {
		t.Errorf("once closed Direct returns %v", err)
	}
}

// A load may ask another function for the same key, forced or not, and in a call
// past the cache as well.
func TestLoadsOfTwoFunctions(t *testing.T) {
	bubble(t, func(t *testing.T) {
		inner := memoize.Must(memoize.New(lengths, config.ExpireAfter(time.Hour), config.Name("inner")))
		outer := memoize.Must(memoize.New(func(ctx context.Context, arg string) (int, error) {
			forced, err := inner.Refresh(ctx, arg)
			if err != nil {
				return 0, err
			}
			n, err := inner.Call(ctx, arg)
			return 10*forced + n, err
		}, config.ExpireAfter(time.Hour), config.Name("outer"), config.Logger(discardLog)))
		wants(t, 33)(outer.Call(t.Context(), "abc"))
		wants(t, 44)(outer.Direct(t.Context(), "abcd"))
		wants(t, 33)(outer.Refresh(t.Context(), "abc"))
	})
}

// turned is a configuration of a user's own.
type turnedTo struct {
	settings *config.Settings[string, string, int]
}

func (c *turnedTo) Snapshot() *config.Settings[string, string, int] { return c.settings }

// A configuration of a user's own is asked by every verb.
func TestVerbsAskTheConfiguration(t *testing.T) {
	ctx := t.Context()
	of := func(s *mockStorage[string, int]) *config.Settings[string, string, int] {
		return config.InMemory[string, int](config.ExpireAfter(time.Hour), config.Storage[string, int](s)).Snapshot()
	}
	first, second := &mockStorage[string, int]{}, &mockStorage[string, int]{}
	for verb, do := range map[string]func(f *memoize.Func[string, int]) error{
		"Set":        func(f *memoize.Func[string, int]) error { return f.Set(ctx, "key", 1) },
		"Peek":       func(f *memoize.Func[string, int]) error { f.Peek(ctx, "key"); return nil },
		"Has":        func(f *memoize.Func[string, int]) error { f.Has(ctx, "key"); return nil },
		"Touch":      func(f *memoize.Func[string, int]) error { _, err := f.Touch(ctx, "key"); return err },
		"Invalidate": func(f *memoize.Func[string, int]) error { return f.Invalidate(ctx, "key") },
		"Call":       func(f *memoize.Func[string, int]) error { _, err := f.Call(ctx, "key"); return err },
		"CallMany":   func(f *memoize.Func[string, int]) error { _, err := f.CallMany(ctx, []string{"key"}); return err },
		"PeekMany":   func(f *memoize.Func[string, int]) error { f.PeekMany(ctx, []string{"key"}); return nil },
	} {
		c := &turnedTo{of(first)}
		f := memoize.Must(memoize.Memoize(lengths, c, config.Logger(discardLog)))
		second.reset()
		c.settings = of(second)
		noError(t, do(f))
		if len(second.all()) == 0 {
			t.Errorf("%s uses the storage that was in force before", verb)
		}
	}
}
