package storage

import (
	"context"
	"iter"

	"github.com/perennial-go/perennial/entry"
)

// Storage keeps the entries of a function. Its methods are called concurrently, with no
// lock of the engine held. Offer and Release of one key never overlap. A storage that is
// not Local is called under a time budget: a late answer, and every error, counts as a
// miss and is reported to the function's observer.
type Storage[K comparable, V any] interface {
	// Get returns the key's entry, or nil if there is none. It may return an expired
	// entry, which the engine does not serve.
	Get(ctx context.Context, key K) (*entry.Entry[V], error)
	// Offer stores the entry in place of any other. A storage may decline, without an
	// error.
	Offer(ctx context.Context, key K, e *entry.Entry[V]) error
	// Release deletes the key's entry. A key without one is no error.
	Release(ctx context.Context, key K) error
}

// Local is a Storage that answers at once, from memory, and never fails. It is called on
// the caller's goroutine, without a time budget.
type Local interface {
	// AnswersAtOnce is never called.
	AnswersAtOnce()
}

// Ranger is a Storage that can list what it holds.
type Ranger[K comparable, V any] interface {
	// Range yields the entries. It may or may not yield those that are written or
	// released meanwhile; it yields every entry that stays.
	Range(ctx context.Context) iter.Seq2[K, *entry.Entry[V]]
}

// Clearer is a Storage that can delete all entries at once.
type Clearer interface {
	// Clear deletes all entries.
	Clear(ctx context.Context) error
}

// ScopeClearer is a Clearer of a Storage whose keys are config.Scoped, that can delete the
// entries of one scope.
type ScopeClearer interface {
	// ClearScope deletes all entries of the scope, and none of another. An error that
	// matches errors.ErrUnsupported says that the storage can't tell them apart.
	ClearScope(ctx context.Context, scope string) error
}

// Sizer is a Storage that can count its entries.
type Sizer interface {
	// Len returns how many entries there are.
	Len() int
}
