// Package invalidation hands the right to invalidate to code that does not
// hold the memoized function.
//
//	var users invalidation.Support[int64]
//	find, err := memoize.New(db.LoadUser, config.InvalidatedBy(&users))
//	...
//	err = users.Invalidate(ctx, 42)
//
// Invalidation through a Support is that of the function itself, with all its
// guarantees, whatever storage and keys are in force. The model is py-memoize's
// InvalidationSupport, which keeps to the storage of the moment at which it was
// set up.
package invalidation

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"

	"github.com/perennial-go/perennial/internal/module"
)

// ErrNotBound says that a Support was given to no function.
var ErrNotBound = errors.New("invalidation: this Support is bound to no function: pass it to memoize with config.InvalidatedBy")

// Support invalidates entries of the function it is bound to. A is the type of
// the function's argument. The zero value is ready to be bound; it must not be
// copied. Its methods may be called concurrently.
type Support[A any] struct {
	target atomic.Pointer[module.Target[A]]
}

// Bind binds the Support to a function. It serves one: binding a second is an error
// that names both.
func (s *Support[A]) Bind(_ module.Only, t module.Target[A]) error {
	if !s.target.CompareAndSwap(nil, &t) {
		return fmt.Errorf("invalidation: this Support invalidates function %q already and can't invalidate %q as well: give each function one of its own",
			(*s.target.Load()).Name(), t.Name())
	}
	return nil
}

// Unbind is called when the function is not made after all, or is closed.
func (s *Support[A]) Unbind(module.Only) { s.target.Store(nil) }

// Invalidate makes the function forget its value for arg: see the function's
// own Invalidate. Before the Support is bound it returns ErrNotBound.
func (s *Support[A]) Invalidate(ctx context.Context, arg A) error {
	t := s.target.Load()
	if t == nil {
		return ErrNotBound
	}
	return (*t).Invalidate(ctx, arg)
}

// InvalidateTag makes the function forget every value that carries the tag: see the
// function's own InvalidateTag. Before the Support is bound it returns ErrNotBound.
func (s *Support[A]) InvalidateTag(ctx context.Context, tag string) error {
	t := s.target.Load()
	if t == nil {
		return ErrNotBound
	}
	return (*t).InvalidateTag(ctx, tag)
}

// InvalidateAll makes the function forget every value.
func (s *Support[A]) InvalidateAll(ctx context.Context) error {
	t := s.target.Load()
	if t == nil {
		return ErrNotBound
	}
	return (*t).InvalidateAll(ctx)
}
