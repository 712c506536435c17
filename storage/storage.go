package storage

import (
	"context"
	"iter"

	"github.com/perennial-go/perennial/entry"
)

// Storage keeps the entries of a function. Its methods are called
// concurrently, with no lock of the engine's held; Offer and Release of one key
// never overlap. A storage that is not Local is called under a time budget: what
// it does not answer in time, and every error, reads as a miss and is reported
// to the function's observer.
type Storage[K comparable, V any] interface {
	// Get returns the key's entry, or nil where there is none. An expired one
	// may be returned: the engine does not serve it.
	Get(ctx context.Context, key K) (*entry.Entry[V], error)
	// Offer stores the entry in place of any other. A storage that has
	// something more relevant may decline, without an error.
	Offer(ctx context.Context, key K, e *entry.Entry[V]) error
	// Release drops the key's entry; a key that has none is no error.
	Release(ctx context.Context, key K) error
}

// Local is a Storage that answers at once, from memory, and never fails: it is
// called on the caller's own goroutine, without a time budget.
type Local interface {
	// AnswersAtOnce is never called.
	AnswersAtOnce()
}

// Ranger is a Storage that can list what it holds.
type Ranger[K comparable, V any] interface {
	// Range yields the entries. What is written or released meanwhile may or
	// may not be among them; an entry that stays is.
	Range(ctx context.Context) iter.Seq2[K, *entry.Entry[V]]
}

// Clearer is a Storage that can drop everything at once.
type Clearer interface {
	Clear(ctx context.Context) error
}

// Sizer is a Storage that can count its entries.
type Sizer interface {
	Len() int
}
