package memoize_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/perennial-go/perennial/config"
	"github.com/perennial-go/perennial/memoize"
	"github.com/perennial-go/perennial/storage"
)

type scopeKey struct{}

func scoped(ctx context.Context, scope string) context.Context {
	return context.WithValue(ctx, scopeKey{}, scope)
}

func scopeOf(ctx context.Context) (string, error) { return ctx.Value(scopeKey{}).(string), nil }

// narrow is a store whose keys may have 120 bytes.
type narrow struct{ *storage.Memory }

func (narrow) MaxKey() int { return 120 }

// noList is a store that can't list.
type noList struct{ storage.Bytes }

// A scope is invalidated, in memory and in a store, where keys are as they are, have
// braces or are hashed; and no other, however much alike.
func TestG4InvalidateScope(t *testing.T) {
	for _, where := range []string{"memory", "store", "narrow store"} {
		t.Run(where, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				opts := []config.Option{silent, config.Name("orders")}
				memory := storage.NewMemory()
				defer memory.Close()
				var bytes storage.Bytes = memory
				if where == "narrow store" {
					bytes = narrow{memory}
				}
				if where != "memory" {
					shared, err := storage.Share(bytes, storage.Prefix("svc:"))
					if err != nil {
						t.Fatal(err)
					}
					opts = append(opts, config.Store(shared))
				}
				loads := 0
				f := memoize.Must(memoize.NewScoped(func(context.Context, string) (*user, error) {
					loads++
					return &user{N: loads}, nil
				}, scopeOf, opts...))
				long := strings.Repeat("k", 200)
				scopes := []string{"", "a", "a\"", "a}", "a{", "{a", "ab", "a,", strings.Repeat("s", 60), strings.Repeat("s", 61), strings.Repeat("s", 200), strings.Repeat("s", 201)}
				keys := []string{"", "k", "k}", "{k", "\",", long, long + "}", long + "2"}
				call := func(scope, key string) int {
					v, err := number(f.Call(scoped(t.Context(), scope), key))
					if err != nil {
						t.Fatal(err)
					}
					return v
				}
				for _, gone := range scopes {
					before := map[string]int{}
					for _, scope := range scopes {
						for _, key := range keys {
							before[fmt.Sprintf("%q %q", scope, key)] = call(scope, key)
						}
					}
					if err := f.InvalidateScope(t.Context(), gone); err != nil {
						t.Fatal(err)
					}
					for _, scope := range scopes {
						for _, key := range keys {
							v, ok := f.Peek(scoped(t.Context(), scope), key)
							if kept := ok && v.N == before[fmt.Sprintf("%q %q", scope, key)]; kept == (scope == gone) {
								t.Errorf("scope %.9q (%d) is invalidated, and %.9q (%d), key %.9q, is kept: %t", gone, len(gone), scope, len(scope), key, kept)
							}
						}
					}
				}
			})
		})
	}
}

// What is loaded for the scope meanwhile is not stored.
func TestG4InvalidateScopeDuringALoad(t *testing.T) {
	for _, where := range []string{"memory", "store"} {
		synctest.Test(t, func(t *testing.T) {
			opts := []config.Option{silent, config.Name("orders")}
			if where == "store" {
				memory := storage.NewMemory()
				defer memory.Close()
				shared, err := storage.Share(memory)
				if err != nil {
					t.Fatal(err)
				}
				opts = append(opts, config.Store(shared))
			}
			gate := make(chan struct{})
			var mu sync.Mutex
			versions := map[string]int{}
			f := memoize.Must(memoize.NewScoped(func(_ context.Context, k string) (*user, error) {
				mu.Lock()
				versions[k]++
				v := versions[k]
				mu.Unlock()
				if v == 1 {
					<-gate
				}
				return &user{N: v}, nil
			}, scopeOf, opts...))
			a, b := scoped(t.Context(), "a"), scoped(t.Context(), "b")
			var calls sync.WaitGroup
			calls.Go(func() { _, _ = f.Call(a, "in a") })
			calls.Go(func() { _, _ = f.Call(b, "in b") })
			synctest.Wait()
			if err := f.InvalidateScope(t.Context(), "a"); err != nil {
				t.Fatal(err)
			}
			if v, err := number(f.Call(a, "in a")); v != 2 || err != nil {
				t.Errorf("%s: a later call gets %d, %v", where, v, err)
			}
			close(gate)
			calls.Wait()
			if v, ok := f.Peek(a, "in a"); !ok || v.N != 2 {
				t.Errorf("%s: stored is %v, %t", where, v, ok)
			}
			if v, ok := f.Peek(b, "in b"); !ok || v.N != 1 {
				t.Errorf("%s: in the other scope stored is %v, %t", where, v, ok)
			}
			if err := f.Close(t.Context()); err != nil {
				t.Fatal(err)
			}
		})
	}
}

func TestInvalidateScopeRefuses(t *testing.T) {
	bubble(t, func(t *testing.T) {
		ctx := t.Context()
		f := memoize.Must(memoize.New(func(_ context.Context, k int) (int, error) { return k, nil }, silent))
		if err := f.InvalidateScope(ctx, "a"); !errors.Is(err, memoize.ErrUnsupported) {
			t.Errorf("without scopes: %v", err)
		}
		memory := storage.NewMemory()
		defer memory.Close()
		source := func(context.Context, string) (*user, error) { return new(user), nil }
		for name, c := range map[string]struct {
			bytes  storage.Bytes
			prefix string
		}{
			"a store that can't list": {noList{memory}, ""},
			"no room for scopes":      {narrow{memory}, strings.Repeat("p", 70)},
		} {
			shared, err := storage.Share(c.bytes, storage.Prefix(c.prefix))
			if err != nil {
				t.Fatal(err)
			}
			g := memoize.Must(memoize.NewScoped(source, scopeOf, config.Store(shared), config.Name("g"), silent))
			key := strings.Repeat("k", 200)
			if _, err := g.Call(scoped(ctx, "a"), key); err != nil {
				t.Fatal(err)
			}
			if err := g.InvalidateScope(ctx, "a"); !errors.Is(err, memoize.ErrUnsupported) || !g.Has(scoped(ctx, "a"), key) {
				t.Errorf("%s: %v", name, err)
			}
		}
	})
}
