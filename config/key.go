package config

import (
	"context"
	"fmt"

	"github.com/perennial-go/perennial/internal/module"
)

// KeyExtractor makes the key of an argument: two calls whose keys are equal
// share a value. Key is called by every call, on its goroutine, with no lock
// held. An error fails the call, as does a panic.
type KeyExtractor[A any, K comparable] interface {
	Key(ctx context.Context, arg A) (K, error)
}

// KeyFunc is a function as a KeyExtractor.
type KeyFunc[A any, K comparable] func(ctx context.Context, arg A) (K, error)

// Key calls f.
func (f KeyFunc[A, K]) Key(ctx context.Context, arg A) (K, error) { return f(ctx, arg) }

// KeyOf makes keys by a function that needs no context and can't fail.
func KeyOf[A any, K comparable](f func(arg A) K) KeyExtractor[A, K] {
	if f == nil {
		return nil
	}
	return KeyFunc[A, K](func(_ context.Context, arg A) (K, error) { return f(arg), nil })
}

// Identity makes the argument itself the key.
func Identity[K comparable]() KeyExtractor[K, K] { return identity[K]{} }

type identity[K comparable] struct{}

func (identity[K]) Key(_ context.Context, arg K) (K, error) { return arg, nil }
func (identity[K]) String() string                          { return "Identity" }
func (identity[K]) KeysAreArguments(module.Only)            {}

// Scoped is a key within a scope, such as a tenant.
type Scoped[K comparable] struct {
	Scope string
	Key   K
}

// InScope returns the scope.
func (s Scoped[K]) InScope(module.Only) string { return s.Scope }

// ScopedKeys puts the scope that the call's context is in before every key of
// inner: calls in different scopes never share a value. It is for configuration
// objects; memoize.NewScoped does it for a function of one argument.
func ScopedKeys[A any, K comparable](inner KeyExtractor[A, K], scope func(ctx context.Context) (string, error)) KeyExtractor[A, Scoped[K]] {
	if inner == nil || scope == nil {
		return nil
	}
	return KeyFunc[A, Scoped[K]](func(ctx context.Context, arg A) (key Scoped[K], err error) {
		if key.Scope, err = scope(ctx); err != nil {
			return key, fmt.Errorf("config: no scope for this call: %w", err)
		}
		key.Key, err = inner.Key(ctx, arg)
		return key, err
	})
}
