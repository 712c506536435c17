package memoize_test

import (
	"context"
	"errors"
	"runtime"
	"testing"
	"time"

	"github.com/perennial-go/perennial/config"
	"github.com/perennial-go/perennial/memoize"
)

var errStore = errors.New("store is away")

func failing(context.Context, string) error { return errStore }

// G9: a storage that fails reads as a miss.
func TestStorageGetFails(t *testing.T) {
	for name, get := range map[string]func(context.Context, string) error{
		"error":  failing,
		"panic":  func(context.Context, string) error { panic(errStore) },
		"goexit": func(context.Context, string) error { runtime.Goexit(); return nil },
		"hangs":  func(ctx context.Context, _ string) error { <-ctx.Done(); return ctx.Err() },
		"slow":   func(context.Context, string) error { time.Sleep(time.Second); return nil },
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				store := &mockStorage[string, int]{get: get}
				source := returning[string](1)
				f := memoize.Must(memoize.New(source.load, with(config.Storage[string, int](store))...))
				began := time.Now()
				wants(t, 1)(f.Call(t.Context(), "key"))
				if took := time.Since(began); took > config.DefaultStoreRead {
					t.Fatalf("the call took %v, above the budget of a read", took)
				}
				settled(t, f)
				source.returns(2)
				wants(t, 2)(f.Call(t.Context(), "key"))
				if s := f.Stats(); s.StoreFaults < 2 {
					t.Fatalf("%d faults are counted, want 2 at least", s.StoreFaults)
				}
				time.Sleep(time.Minute) // what was left comes back
			})
		})
	}
}

// G9: a failed write costs nobody the value. The key is in doubt: what the
// storage holds of it is not served until a write is acknowledged.
func TestStorageOfferFails(t *testing.T) {
	bubble(t, func(t *testing.T) {
		store := &mockStorage[string, int]{}
		source := returning[string](1)
		f := memoize.Must(memoize.New(source.load, with(config.Storage[string, int](store))...))
		wants(t, 1)(f.Call(t.Context(), "key"))
		settled(t, f)
		store.offer = failing
		source.returns(2)
		wants(t, 2)(f.Refresh(t.Context(), "key"))
		settled(t, f)
		if got, _ := store.holds("key"); got != 1 {
			t.Fatalf("the storage holds %v, want 1: the test is wrong", got)
		}
		source.returns(3)
		wants(t, 3)(f.Call(t.Context(), "key")) // not 1, which is older than what somebody has seen
		settled(t, f)
		store.offer = nil
		source.returns(4)
		wants(t, 4)(f.Call(t.Context(), "key"))
		settled(t, f)
		source.returns(5)
		wants(t, 4)(f.Call(t.Context(), "key")) // acknowledged: it is served
		if s := f.Stats(); s.StoreFaults != 2 {
			t.Fatalf("%d faults are counted, want 2", s.StoreFaults)
		}
		if err := f.Set(t.Context(), "key", 6); err != nil {
			t.Fatal(err)
		}
		store.offer = failing
		if err := f.Set(t.Context(), "key", 7); !errors.Is(err, memoize.ErrUnavailable) || !errors.Is(err, errStore) {
			t.Fatalf("Set: got %v, want ErrUnavailable for %v", err, errStore)
		}
	})
}

// G4, G9: with the storage away invalidation takes effect in this process.
func TestStorageReleaseFails(t *testing.T) {
	bubble(t, func(t *testing.T) {
		store := &mockStorage[string, int]{}
		source := returning[string](1)
		f := memoize.Must(memoize.New(source.load, with(config.Storage[string, int](store))...))
		wants(t, 1)(f.Call(t.Context(), "key"))
		settled(t, f)
		store.free = failing
		if err := f.Invalidate(t.Context(), "key"); !errors.Is(err, memoize.ErrUnavailable) || !errors.Is(err, errStore) {
			t.Fatalf("got %v, want ErrUnavailable for %v", err, errStore)
		}
		if f.Has(t.Context(), "key") {
			t.Fatal("a value is served that was invalidated")
		}
		source.returns(2)
		wants(t, 2)(f.Call(t.Context(), "key"))
		settled(t, f)
		wants(t, 2)(f.Call(t.Context(), "key"))
		wantCalls(t, source, 2)
	})
}

// A storage that fails to release what was evicted costs nobody anything, and is counted.
func TestStorageFailsToEvict(t *testing.T) {
	bubble(t, func(t *testing.T) {
		store := &mockStorage[string, int]{free: failing}
		f := memoize.Must(memoize.New(returning[string](1).load, with(config.Storage[string, int](store), config.Capacity(1))...))
		for _, key := range []string{"a", "b", "a", "c"} {
			wants(t, 1)(f.Call(t.Context(), key))
			settled(t, f)
		}
		if s := f.Stats(); s.StoreFaults == 0 || s.Evicted != 0 {
			t.Fatalf("%d faults are counted, and %d evictions that were none", s.StoreFaults, s.Evicted)
		}
	})
}
