package storage

import (
	"context"
	"iter"
	"math"
	"time"
)

// Bytes is a store of records: bytes under text keys, each kept for a time. Implement it
// for a client of your own, and give it to Share. Its methods are called concurrently.
// Under a context that is done they return its error and do nothing.
//
// The other interfaces of this file are optional. A store implements those that it
// supports, and none that it would have to emulate.
type Bytes interface {
	// Get returns the key's record. A record whose time is over is not found. Finding
	// none is no error.
	Get(ctx context.Context, key string) (Record, error)
	// Set replaces the key's record, value and time in one atomic step. The time is
	// rounded up to the store's resolution; Forever has no end; zero or less deletes
	// the record. The caller may change value once Set has returned.
	Set(ctx context.Context, key string, value []byte, keep time.Duration) error
	// Delete deletes the key's record, and reports whether Get would have found one.
	Delete(ctx context.Context, key string) (existed bool, err error)
}

// Forever is the time of a record that is kept without end.
const Forever time.Duration = math.MaxInt64

// Record is what Bytes has for a key.
type Record struct {
	// Value is the caller's own copy. It may be empty: Found tells whether there is a
	// record.
	Value []byte
	// Left is how long the store keeps the record from now on, by its own clock. Zero
	// means that the store can't tell; Forever, that there is no end.
	Left time.Duration
	// Found reports whether there is a record.
	Found bool
}

// Item is a record to be stored.
type Item struct {
	Key   string
	Value []byte
	Keep  time.Duration // as that of Bytes.Set
}

// BulkReaderBytes is a Bytes that reads many records in one round trip. An empty bulk
// does nothing. If some keys fail, their errors are joined, and the others are returned.
type BulkReaderBytes interface {
	// GetMany returns the records of the keys, in their order.
	GetMany(ctx context.Context, keys []string) ([]Record, error)
}

// BulkBytes is a Bytes that reads, sets and deletes many records in one round trip. An
// empty bulk does nothing. If some keys fail, their errors are joined, and the others are
// done. An error that concerns one item alone is an *ItemError.
type BulkBytes interface {
	BulkReaderBytes
	// SetMany stores the items, each in one atomic step. If a key comes twice, the last
	// item wins.
	SetMany(ctx context.Context, items []Item) error
	// DeleteMany deletes records, and reports which there were. If a key comes twice,
	// either place may report it.
	DeleteMany(ctx context.Context, keys []string) ([]bool, error)
}

// AdderBytes is a Bytes that can store a record only where there is none.
type AdderBytes interface {
	// Add is Set if Get would find nothing, in one atomic step. Else added is false and
	// nothing is done. With a time of zero or less nothing is stored, whatever added
	// says.
	Add(ctx context.Context, key string, value []byte, keep time.Duration) (added bool, err error)
}

// ToucherBytes is a Bytes that can give records another time.
type ToucherBytes interface {
	// Touch keeps the records for keep from now on, in one round trip, and reports which
	// there were. Forever removes their end; zero or less deletes them.
	Touch(ctx context.Context, keep time.Duration, keys ...string) ([]bool, error)
}

// ListerBytes is a Bytes that can list its keys.
type ListerBytes interface {
	// Keys yields the keys that begin with the prefix, which is plain text and no
	// pattern, in no particular order. It may yield a key twice, and may or may not yield
	// those that come or go meanwhile. It ends at the first error.
	Keys(ctx context.Context, prefix string) iter.Seq2[string, error]
	// Clear deletes all records under keys that begin with the prefix when it begins,
	// and perhaps those that come meanwhile. Its cost may grow with all that the store
	// holds.
	Clear(ctx context.Context, prefix string) error
}

// FencedBytes is a Bytes that refuses a value which was loaded before any process deleted
// or set the record. A caller claims a key before it loads the value, and fills it
// afterwards. The store refuses a fill once somebody has deleted or set the record, or the
// claim is older than its hold. Clear counts as a delete, Add as a set if it adds, and a
// Touch as neither, unless it deletes. A delete counts also where there was nothing.
//
//	A claims ─ loads the old value ──────────────── fills: refused
//	B                       changes it ─ deletes
type FencedBytes interface {
	// Claim returns the keys' records, in their order, with the tokens for Fill. A claim
	// is good for hold, also if the record ends before. It neither waits for other claims
	// nor excludes them, never lengthens the time of a record, and is not found by Get,
	// Keys, Add, Touch or Delete. A key that comes twice may be claimed once.
	Claim(ctx context.Context, hold time.Duration, keys ...string) ([]Claimed, error)
	// Fill is Set for each item that nobody has deleted or set since its claim, and
	// reports which were stored. It leaves other claims good. Claims are numbered: a fill
	// is refused while the value of a later claim is stored.
	Fill(ctx context.Context, fills ...Filling) (stored []bool, err error)
}

// SwapperBytes is a FencedBytes that can change a record on the condition that it is still
// what a claim has returned. memoize's Update needs it.
//
//	A claims ─ makes 2 of 1 ────────────── swaps: refused ─ claims ─ makes 3 of 2 ─ swaps
//	B            claims ─ makes 2 of 1 ─ swaps
type SwapperBytes interface {
	FencedBytes
	// CompareAndSwap is Set, if the record has the value, or lack of one, that the claim
	// has returned, and nobody has deleted or set it since, all in one atomic step. Like
	// Set it ends other claims. Else, or if the claim is older than its hold, nothing is
	// done and swapped is false. Another time for the same value does not count. was is
	// what Claim returned, unchanged. After an error it may have been done, or be done as
	// long as the claim is good; false is never said of what was done.
	CompareAndSwap(ctx context.Context, was Claimed, item Item) (swapped bool, err error)
}

// Claimed is what Claim returns for a key.
type Claimed struct {
	Record
	Token string // for Fill, opaque
}

// Filling is a record to be stored under a claim.
type Filling struct {
	Item
	Token string
	// Touch marks a value that the claim has returned, to be kept for another time. It
	// stays as old as it is: a load that has claimed before still replaces it.
	Touch bool
}

// KeyLimit is a Bytes that limits the length of keys.
type KeyLimit interface {
	// MaxKey returns the length of the longest key, in bytes. Callers hash longer keys.
	MaxKey() int
}
