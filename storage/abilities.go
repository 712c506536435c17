package storage

import (
	"context"
	"time"

	"github.com/perennial-go/perennial/entry"
)

// BulkReader is a Storage that reads many entries in one round trip. An empty bulk does
// nothing. If some keys fail, their errors are joined, and the others are returned. An
// error that concerns one key alone is an *ItemError.
type BulkReader[K comparable, V any] interface {
	// GetMany is Get for many keys: the entries in their order, nil where there
	// is none.
	GetMany(ctx context.Context, keys []K) ([]*entry.Entry[V], error)
}

// Bulk is a Storage that reads, offers and releases many entries in one round trip. An
// empty bulk does nothing. If some keys fail, their errors are joined, and the others are
// done. An error that concerns one key alone is an *ItemError.
type Bulk[K comparable, V any] interface {
	BulkReader[K, V]
	// OfferMany is Offer for many keys, with as many entries.
	OfferMany(ctx context.Context, keys []K, entries []*entry.Entry[V]) error
	// ReleaseMany is Release for many keys.
	ReleaseMany(ctx context.Context, keys []K) error
}

// Fenced is a Storage that processes share, and that refuses a value which was loaded
// before one of them released or offered the entry. The engine claims a key before it
// calls the source, and fills it with the result. The storage refuses a fill if somebody
// has released or offered the key since the claim, or filled a later claim. So a load in
// one process can't undo an invalidation by another, or a later load.
type Fenced[K comparable, V any] interface {
	// Claim claims keys for loads that take no longer than hold, and returns what is
	// stored for them, in their order. It neither waits for other claims nor excludes
	// them. If some keys can't be claimed, the error joins an *ItemError for each, and
	// the others are claimed.
	Claim(ctx context.Context, hold time.Duration, keys ...K) ([]Claim[V], error)
	// Fill is Offer under claims. It reports which were stored, in their order.
	Fill(ctx context.Context, fills ...Fill[K, V]) (stored []bool, err error)
}

// Swapper is a Fenced that can change an entry on the condition that it is still what a
// claim has returned. Update needs it, so that two processes that change one key at once
// lose neither change.
type Swapper[K comparable, V any] interface {
	Fenced[K, V]
	// CompareAndSwap is Offer, if what is stored is still what the claim of the key has
	// returned, and nobody has released or offered the key since, all in one atomic step.
	// Like Offer it ends other claims. Else, or if the claim is older than its hold,
	// nothing is done and swapped is false. An entry whose KeepUntil has come deletes the
	// old one. After an error it may have been done; false is never said of what was done.
	CompareAndSwap(ctx context.Context, key K, was Claim[V], e *entry.Entry[V]) (swapped bool, err error)
}

// Claim is a key's claim.
type Claim[V any] struct {
	Entry *entry.Entry[V] // what is stored, or nil
	Token string          // for Fill
	Err   error           // why the stored entry can't be read; the claim is good all the same

	record Record // of a store of bytes, for CompareAndSwap
}

// Fill is an entry to be stored under a claim.
type Fill[K comparable, V any] struct {
	Key   K
	Entry *entry.Entry[V]
	Token string
	Touch bool // the value is the one that the claim has returned, and stays as old as it is
}

// Abilities are the optional interfaces of a Storage, nil where it lacks them.
type Abilities[K comparable, V any] struct {
	BulkReader BulkReader[K, V]
	Bulk       Bulk[K, V]
	Fenced     Fenced[K, V]
	Swapper    Swapper[K, V]
	Clearer    Clearer
	Prompt     bool // it is Prompt, and so at present
	Ordered    bool // it is Ordered, and so at present
}

// Able is a Storage that learns its abilities when it is made, such as one that wraps
// another. It is asked for them in place of type assertions.
type Able[K comparable, V any] interface {
	Abilities() Abilities[K, V]
}

// AbilitiesOf returns the optional interfaces of a storage: those that it returns itself
// if it is Able, else those that it implements.
func AbilitiesOf[K comparable, V any](s Storage[K, V]) (a Abilities[K, V]) {
	if able, ok := s.(Able[K, V]); ok {
		return able.Abilities()
	}
	a.BulkReader, _ = s.(BulkReader[K, V])
	a.Bulk, _ = s.(Bulk[K, V])
	a.Fenced, _ = s.(Fenced[K, V])
	a.Swapper, _ = s.(Swapper[K, V])
	a.Clearer, _ = s.(Clearer)
	a.Prompt, a.Ordered = isPrompt(s), isOrdered(s)
	return a
}

// Prompt is a Storage, or a Bytes, that always returns by the deadline of its context,
// whatever its server does. The engine calls it on the caller's goroutine. It calls others
// on a goroutine that it can abandon, which takes longer than a server nearby takes to
// answer.
type Prompt interface {
	// ReturnsInTime reports whether it does, as it is configured.
	ReturnsInTime() bool
}

func isPrompt(s any) bool {
	p, ok := s.(Prompt)
	return ok && p.ReturnsInTime()
}

// Ordered is a Storage, or a Bytes, in which no write undoes a later one: a write that has
// returned, even with an error, changes nothing any more once a later write of the same key
// has been acknowledged. Else a command that a client has abandoned may arrive after an
// invalidation that came later. If a store is not Ordered and a write of a key has failed,
// the engine does not serve the key from it for a minute after the key is invalidated or
// set. Other processes don't know of the failure.
type Ordered interface {
	// KeepsOrder reports whether it is, as it is configured.
	KeepsOrder() bool
}

func isOrdered(s any) bool {
	o, ok := s.(Ordered)
	return ok && o.KeepsOrder()
}

// Clocked is a Storage that needs the clock of the function that it serves. SetClock is
// called before anything else.
type Clocked interface {
	SetClock(now func() entry.Instant)
}
