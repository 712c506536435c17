package storage

import (
	"context"
	"time"

	"github.com/perennial-go/perennial/entry"
)

// BulkReader is a Storage that reads many entries in one round trip. An empty bulk
// is no call. Where some keys fail, the error is all of theirs, joined, and the
// others are returned; a fault that is one key's own matter is an *ItemError.
type BulkReader[K comparable, V any] interface {
	// GetMany is Get for many keys: the entries in their order, nil where there
	// is none.
	GetMany(ctx context.Context, keys []K) ([]*entry.Entry[V], error)
}

// Bulk is a Storage that does many in one round trip. An empty bulk is no call.
// Where some keys fail, the error is all of theirs, joined, and the others are
// done; a fault that is one key's own matter is an *ItemError.
type Bulk[K comparable, V any] interface {
	BulkReader[K, V]
	// OfferMany is Offer for many keys, with as many entries.
	OfferMany(ctx context.Context, keys []K, entries []*entry.Entry[V]) error
	// ReleaseMany is Release for many keys.
	ReleaseMany(ctx context.Context, keys []K) error
}

// Fenced is a Storage that processes share, and that keeps out what was loaded
// before an entry was released or offered by any of them. The engine claims a
// key before it asks the source, and fills it with what the source says; a fill
// is refused once anybody has released the key or offered it something else
// since the claim, or filled a later one. So a load that one process runs can't
// undo what another invalidates, or a later load.
type Fenced[K comparable, V any] interface {
	// Claim claims keys for loads that take no longer than hold, and returns
	// what is stored for them, in their order. It neither waits for other
	// claims nor keeps them out. Where some keys can't be claimed each is an
	// *ItemError, joined, and the others are claimed.
	Claim(ctx context.Context, hold time.Duration, keys ...K) ([]Claim[V], error)
	// Fill is Offer under claims, and tells which were stored, in their order.
	Fill(ctx context.Context, fills ...Fill[K, V]) (stored []bool, err error)
}

// Claim is a key's claim.
type Claim[V any] struct {
	Entry *entry.Entry[V] // what is stored, or nil
	Token string          // for Fill
	Err   error           // why what is stored can't be read; the claim is good all the same
}

// Fill is an entry to be stored under a claim.
type Fill[K comparable, V any] struct {
	Key   K
	Entry *entry.Entry[V]
	Token string
	Touch bool // the value is the one that the claim has returned: it stays as old as it is
}

// Abilities are the optional interfaces of a Storage, nil where it lacks them.
type Abilities[K comparable, V any] struct {
	BulkReader BulkReader[K, V]
	Bulk       Bulk[K, V]
	Fenced     Fenced[K, V]
	Clearer    Clearer
	Prompt     bool // it is Prompt, and so at present
	Ordered    bool // it is Ordered, and so at present
}

// Able is a Storage that finds out what it can do when it is made, as one that
// is made over another does. It has no methods that it can't do.
type Able[K comparable, V any] interface {
	Abilities() Abilities[K, V]
}

// AbilitiesOf tells what more a storage can do: what it says if it is Able, or
// else what it has the methods of.
func AbilitiesOf[K comparable, V any](s Storage[K, V]) (a Abilities[K, V]) {
	if able, ok := s.(Able[K, V]); ok {
		return able.Abilities()
	}
	a.BulkReader, _ = s.(BulkReader[K, V])
	a.Bulk, _ = s.(Bulk[K, V])
	a.Fenced, _ = s.(Fenced[K, V])
	a.Clearer, _ = s.(Clearer)
	a.Prompt, a.Ordered = isPrompt(s), isOrdered(s)
	return a
}

// Prompt is a Storage, or a Bytes, that keeps to deadlines itself: it returns by
// the deadline of its context, whatever its server does or does not. It is asked
// on the caller's own goroutine. Others are asked on one that can be left behind,
// which takes longer than a server nearby takes to answer.
type Prompt interface {
	// ReturnsInTime tells whether it does, as it is set up.
	ReturnsInTime() bool
}

func isPrompt(s any) bool {
	p, ok := s.(Prompt)
	return ok && p.ReturnsInTime()
}

// Ordered is a Storage, or a Bytes, of which no write is overtaken by an older one: a
// write that has returned, with an error too, changes nothing any more once a later
// one of the same key has been acknowledged. Where a client gives up and leaves a
// command on its way, the command may arrive after an invalidation that came later.
// Of a store that is not Ordered the engine serves no key, for a minute, that was
// invalidated or set after a write of it had failed; what other processes do about
// it, it can't know.
type Ordered interface {
	// KeepsOrder tells whether it is so, as it is set up.
	KeepsOrder() bool
}

func isOrdered(s any) bool {
	o, ok := s.(Ordered)
	return ok && o.KeepsOrder()
}

// Clocked is a Storage that needs the time of the function that it serves. It is
// told before anything else is asked of it.
type Clocked interface {
	SetClock(now func() entry.Instant)
}
