package memoize_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/perennial-go/perennial/config"
	"github.com/perennial-go/perennial/memoize"
)

// verbs are what functions of all shapes can do, for one key.
type verbs struct {
	memoize.Handle
	call, refresh func() (int, error)
	invalidate    func() error
	peek          func() (int, bool)
	set           func(int) error
}

// Functions of no, two and three arguments do what those of one do.
func TestFunctionsOfEveryShape(t *testing.T) {
	ctx := t.Context()
	calls := 0
	next := func() (int, error) { calls++; return calls, nil }
	life := config.ExpireAfter(time.Hour)
	zero := memoize.Must(memoize.New0(func(context.Context) (int, error) { return next() }, life, config.Name("zero")))
	two := memoize.Must(memoize.New2(func(_ context.Context, a string, b int) (int, error) {
		if a != "a" || b != 2 {
			t.Errorf("the source is asked for %v, %v", a, b)
		}
		return next()
	}, life, config.Name("two")))
	three := memoize.Must(memoize.New3(func(_ context.Context, a string, b int, c string) (int, error) {
		if a != "a" || b != 2 || c != "c" {
			t.Errorf("the source is asked for %v, %v, %v", a, b, c)
		}
		return next()
	}, life, config.Name("three")))
	for name, f := range map[string]verbs{
		"zero": {
			zero, func() (int, error) { return zero.Call(ctx) }, func() (int, error) { return zero.Refresh(ctx) },
			func() error { return zero.Invalidate(ctx) }, func() (int, bool) { return zero.Peek(ctx) }, func(v int) error { return zero.Set(ctx, v) },
		},
		"two": {
			two, func() (int, error) { return two.Call(ctx, "a", 2) }, func() (int, error) { return two.Refresh(ctx, "a", 2) },
			func() error { return two.Invalidate(ctx, "a", 2) }, func() (int, bool) { return two.Peek(ctx, "a", 2) }, func(v int) error { return two.Set(ctx, "a", 2, v) },
		},
		"three": {
			three, func() (int, error) { return three.Call(ctx, "a", 2, "c") }, func() (int, error) { return three.Refresh(ctx, "a", 2, "c") },
			func() error { return three.Invalidate(ctx, "a", 2, "c") }, func() (int, bool) { return three.Peek(ctx, "a", 2, "c") }, func(v int) error { return three.Set(ctx, "a", 2, "c", v) },
		},
	} {
		t.Run(name, func(t *testing.T) {
			calls = 0
			peeks := func(want int) {
				t.Helper()
				if v, ok := f.peek(); v != want || ok != (want != 0) {
					t.Errorf("Peek returns %v, %v; want %v", v, ok, want)
				}
			}
			peeks(0)
			wants(t, 1)(f.call())
			wants(t, 1)(f.call())
			peeks(1)
			wants(t, 2)(f.refresh())
			noError(t, f.invalidate())
			peeks(0)
			noError(t, f.set(10))
			wants(t, 10)(f.call())
			noError(t, f.InvalidateAll(ctx))
			peeks(0)
			if f.Name() != name {
				t.Errorf("it is called %q", f.Name())
			}
			if s := f.Stats(); s.Loads != 2 || s.Calls != 4 {
				t.Errorf("counted %+v", s)
			}
			noError(t, f.Close(ctx))
			_, errs := f.call()
			errs = errors.Join(errs, f.set(1))
			for _, err := range []error{errs, f.invalidate(), f.InvalidateAll(ctx)} {
				if !errors.Is(err, memoize.ErrClosed) {
					t.Errorf("once closed: %v", err)
				}
			}
		})
	}
}

// What a function can't be made of is an error that says which.
func TestFunctionsWithoutASource(t *testing.T) {
	life := config.ExpireAfter(time.Hour)
	_, zero := memoize.New0[int](nil, life)
	_, one := memoize.New[string, int](nil, life)
	_, two := memoize.New2[string, int, int](nil, life)
	_, three := memoize.New3[string, int, string, int](nil, life)
	_, batched := memoize.NewBatched[string, int](nil, life)
	for name, err := range map[string]error{"New0": zero, "New": one, "New2": two, "New3": three, "NewBatched": batched} {
		if err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s without a source: %v", name, err)
		}
	}
}
