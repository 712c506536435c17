package boltstore_test

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/perennial-go/perennial/config"
	"github.com/perennial-go/perennial/memoize"
	"github.com/perennial-go/perennial/storage"
	"github.com/perennial-go/perennial/storage/boltstore"
)

type scopeKey struct{}

// Functions over a file, each with a Store of its own: what one process after the other, or
// two parts of a program that know nothing of each other, have.

func inFile(t *testing.T, opts ...storage.ShareOption) func() config.Option {
	t.Helper()
	b, err := boltstore.Open(t.Context(), filepath.Join(t.TempDir(), "store.db"), boltstore.Options{NoSync: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := b.Close(); err != nil {
			t.Error(err)
		}
	})
	return func() config.Option {
		s, err := storage.Share(b, opts...)
		if err != nil {
			t.Fatal(err)
		}
		return config.Store(s)
	}
}

// TestG4InvalidateScopeInAFile invalidates scopes whose characters and lengths are odd, and
// looks from another function: the scope is gone, and no other is.
func TestG4InvalidateScopeInAFile(t *testing.T) {
	store := inFile(t, storage.Prefix("svc:"))
	scopeOf := func(ctx context.Context) (string, error) { return ctx.Value(scopeKey{}).(string), nil }
	load := func(ctx context.Context, key string) (string, error) {
		return fmt.Sprintf("%q of %q", key, ctx.Value(scopeKey{})), nil
	}
	patient := config.StoreBudget(time.Minute, time.Minute) // of a file, on a machine with other work
	f := memoize.Must(memoize.NewScoped(load, scopeOf, config.Name("orders"), store(), patient))
	another := memoize.Must(memoize.NewScoped(load, scopeOf, config.Name("orders"), store(), patient))
	in := func(scope string) context.Context { return context.WithValue(t.Context(), scopeKey{}, scope) }
	long := strings.Repeat("k", 40_000) // keys may have 32,767 bytes
	scopes := []string{"", "a", "ab", `a"`, "a,", "a}", "a{", "{a}", "#", "\x00", "\xff", "ä", strings.Repeat("s", 32_600), strings.Repeat("s", 32_700), strings.Repeat("s", 40_000), strings.Repeat("s", 40_001)}
	keys := []string{"", "k", "k}", "{k", `",`, long, long + "2"}
	fill := func(scope string) {
		if _, err := f.CallMany(in(scope), keys); err != nil {
			t.Fatal(err)
		}
	}
	for _, scope := range scopes {
		fill(scope)
	}
	for _, gone := range scopes {
		if err := f.InvalidateScope(t.Context(), gone); err != nil {
			t.Fatal(err)
		}
		for _, scope := range scopes {
			for _, key := range keys {
				want, _ := load(in(scope), key)
				if v, kept := another.Peek(in(scope), key); kept == (scope == gone) || kept && v != want {
					t.Errorf("scope %.9q (%d) is invalidated, and of %.9q (%d), key %.9q there is %.40q, %v", gone, len(gone), scope, len(scope), key, v, kept)
				}
			}
		}
		fill(gone)
	}
}

// TestUpdatesInAFile has two functions update one counter a thousand times each.
func TestUpdatesInAFile(t *testing.T) {
	store := inFile(t)
	var all sync.WaitGroup
	load := func(context.Context, string) (int, error) { return -1, nil }
	for range 2 {
		f := memoize.Must(memoize.New(load, config.Name("counts"), store(), config.StoreBudget(time.Minute, time.Minute)))
		for range 2 {
			all.Go(func() {
				for range 500 {
					if _, err := f.Update(t.Context(), "key", func(old int, _ bool) (int, error) { return old + 1, nil }); err != nil {
						t.Error(err)
						return
					}
				}
			})
		}
	}
	all.Wait()
	if v, err := memoize.Must(memoize.New(load, config.Name("counts"), store())).Call(t.Context(), "key"); v != 2000 || err != nil {
		t.Errorf("after 2000 Updates there is %d, %v", v, err)
	}
}
