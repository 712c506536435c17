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
