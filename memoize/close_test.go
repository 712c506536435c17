package memoize_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/perennial-go/perennial/config"
	"github.com/perennial-go/perennial/memoize"
	"github.com/perennial-go/perennial/storage"
)

// clearsAndTells is a storage in memory that tells when it is cleared.
type clearsAndTells struct {
	*storage.InMemory[string, int]
	cleared func()
}

func (c *clearsAndTells) Clear(ctx context.Context) error {
	c.cleared()
	return c.InMemory.Clear(ctx)
}

// Nor does one that is under way when the function is closed.
func TestCloseDuringApply(t *testing.T) {
	bubble(t, func(t *testing.T) {
		source := returning[string](1)
		live := config.Mutable(config.InMemory[string, int](config.ExpireAfter(time.Hour)))
		f := memoize.Must(memoize.Memoize(source.load, live))
		s := &clearsAndTells{InMemory: storage.NewInMemory[string, int]()}
		s.cleared = func() {
			s.cleared = func() {}
			noError(t, f.Close(t.Context()))
		}
		_ = live.Apply(config.Storage[string, int](s))
		if _, err := f.Call(t.Context(), "key"); !errors.Is(err, memoize.ErrClosed) {
			t.Errorf("Call returns %v, want ErrClosed", err)
		}
		wantCalls(t, source, 0)
		if _, err := memoize.New(source.load, config.ExpireAfter(time.Hour), config.Storage[string, int](s)); err != nil {
			t.Errorf("another function can't have the storage: %v", err)
		}
	})
}

// A change of the configuration does not revive a function that is closed, and
// leaves the parts that it brings to others.
func TestApplyAfterClose(t *testing.T) {
	bubble(t, func(t *testing.T) {
		source := returning[string](1)
		live := config.Mutable(config.InMemory[string, int](config.ExpireAfter(time.Hour)))
		f := memoize.Must(memoize.Memoize(source.load, live))
		noError(t, f.Close(t.Context()))
		s := storage.NewInMemory[string, int]()
		if err := live.Apply(config.Storage[string, int](s)); err != nil && !errors.Is(err, memoize.ErrClosed) {
			t.Fatal(err)
		}
		if _, err := f.Call(t.Context(), "key"); !errors.Is(err, memoize.ErrClosed) {
			t.Errorf("Call returns %v, want ErrClosed", err)
		}
		if _, err := f.CallMany(t.Context(), []string{"a", "b"}); !errors.Is(err, memoize.ErrClosed) {
			t.Errorf("CallMany returns %v, want ErrClosed", err)
		}
		wantCalls(t, source, 0)
		other, err := memoize.New(source.load, config.ExpireAfter(time.Hour), config.Storage[string, int](s))
		if err != nil {
			t.Fatalf("another function can't have the storage: %v", err)
		}
		wants(t, 1)(other.Call(t.Context(), "key"))
	})
}

// A late update still ends what others may have: over a store Invalidate works once the
// function is closed.
func TestInvalidateOnceClosed(t *testing.T) {
	bubble(t, func(t *testing.T) {
		ctx := t.Context()
		memory := storage.NewMemory()
		store, err := storage.Share(memory)
		noError(t, err)
		source := returning[string](1)
		opts := []config.Option{config.Name("numbers"), config.Store(store)}
		f := memoize.Must(memoize.New(source.load, opts...))
		for _, key := range []string{"a", "b", "c"} {
			wants(t, 1)(f.Call(ctx, key))
		}
		noError(t, f.Close(ctx))
		noError(t, f.Invalidate(ctx, "a"))
		other := memoize.Must(memoize.New(source.load, opts...)) // of the same part of the store
		if other.Has(ctx, "a") || !other.Has(ctx, "b") {
			t.Error("Invalidate leaves a, or takes b")
		}
		noError(t, f.Invalidate(ctx, "b"))
		if other.Has(ctx, "b") {
			t.Error("Invalidate leaves b, which is another function's now")
		}
		noError(t, f.InvalidateAll(ctx))
		if other.Has(ctx, "c") {
			t.Error("InvalidateAll leaves c")
		}
		for call, err := range map[string]error{"Set": f.Set(ctx, "a", 1), "Close": other.Close(ctx)} {
			if (call == "Set") != errors.Is(err, memoize.ErrClosed) {
				t.Errorf("%s: %v", call, err)
			}
		}
		noError(t, memory.Close())
	})
}
