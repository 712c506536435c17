package storage

import (
	"context"
	"iter"
	"math"
	"time"
)

// Bytes is a store of records: bytes under text keys, each kept for a time. It
// is what anyone's own client has to offer to become a store of entries: see
// Share. Its methods are called concurrently. Under a context that is done they
// return its error and do nothing.
//
// What more a store can do it says by the other interfaces of this file. One
// that can't has no such method: nothing is emulated in silence.
type Bytes interface {
	// Get returns the key's record; one whose time is over is not found. That
	// none is found is no error.
	Get(ctx context.Context, key string) (Record, error)
	// Set stores value for the time given in place of whatever was there, value
	// and time in one atomic step. Time is rounded up to what the store can
	// tell apart; Forever has no end; with zero or less nothing is stored, and
	// what was there is deleted. The value may be changed by the caller once
	// Set has returned.
	Set(ctx context.Context, key string, value []byte, keep time.Duration) error
	// Delete drops the key's record, and tells whether there was one that Get
	// would have found.
	Delete(ctx context.Context, key string) (existed bool, err error)
}

// Forever is the time of a record that is kept without end.
const Forever time.Duration = math.MaxInt64

// Record is what Bytes has for a key.
type Record struct {
	// Value may be empty: Found tells whether there is a record. It is the
	// caller's to keep, and to change.
	Value []byte
	// Left is how long the store keeps the record from now on, by the store's
	// own clock. Zero says that it can't tell; Forever, that there is no end.
	Left time.Duration
	// Found tells whether there is a record.
	Found bool
}

// Item is a record to be stored.
type Item struct {
	Key   string
	Value []byte
	Keep  time.Duration // as that of Bytes.Set
}

// BulkReaderBytes is a Bytes that reads many records in one round trip. An empty
// bulk is no call. Where some keys fail, the error is all of theirs, joined, and
// the others are returned.
type BulkReaderBytes interface {
	// GetMany returns the records of the keys, in their order.
	GetMany(ctx context.Context, keys []string) ([]Record, error)
}

// BulkBytes is a Bytes that does many in one round trip. An empty bulk is no
// call. Where some keys fail, the error is all of theirs, joined, and the
// others are done; a fault that is one item's own matter is an *ItemError.
type BulkBytes interface {
	BulkReaderBytes
	// SetMany stores the items, each in one atomic step. Of two of one key the
	// last holds.
	SetMany(ctx context.Context, items []Item) error
	// DeleteMany drops records, and tells which there were. Of a key that comes
	// twice, either may be told.
	DeleteMany(ctx context.Context, keys []string) ([]bool, error)
}

// AdderBytes is a Bytes that can store what is not there yet.
type AdderBytes interface {
	// Add is Set where Get would find nothing, in one atomic step; added is
	// false, and nothing is done, where it would. With a time of zero or less
	// nothing is stored, whatever added says.
	Add(ctx context.Context, key string, value []byte, keep time.Duration) (added bool, err error)
}

// ToucherBytes is a Bytes that can give records another time.
type ToucherBytes interface {
	// Touch gives the records keep from now on, in one round trip, and tells
	// which there were. Forever takes their end away; zero or less deletes them.
	Touch(ctx context.Context, keep time.Duration, keys ...string) ([]bool, error)
}

// ListerBytes is a Bytes that knows its keys.
type ListerBytes interface {
	// Keys yields the keys that begin with the prefix, which is plain text, in
	// no particular order. What comes or goes meanwhile may be among them or
	// not; a key may come twice. It ends at the first error.
	Keys(ctx context.Context, prefix string) iter.Seq2[string, error]
	// Clear deletes what begins with the prefix, and nothing else: all that is
	// there when it begins, and perhaps what comes meanwhile. Its cost may grow
	// with all that the store holds.
	Clear(ctx context.Context, prefix string) error
}

// FencedBytes is a Bytes that keeps out what was made before a record was
// deleted or set, by whichever process: who is about to make a value claims its
// key first, and fills it later. A fill is refused once anybody has deleted or
// set the record, or the claim is older than its hold. To clear deletes, and to
// add sets, where it adds; a touch does neither, unless it deletes. That there
// was nothing to be deleted makes no difference.
//
//	A claims ─ loads the old value ──────────────── fills: refused
//	B                       changes it ─ deletes
type FencedBytes interface {
	// Claim returns the keys' records, in their order, with what Fill needs. A
	// claim is good for hold, also where the record ends before. It neither waits
	// for other claims nor keeps them out, never lengthens the time of a record,
	// and is nothing that Get, Keys, Add, Touch or Delete would find. A key that
	// comes twice may be claimed once.
	Claim(ctx context.Context, hold time.Duration, keys ...string) ([]Claimed, error)
	// Fill is Set for each item that nobody has deleted or set since its claim,
	// and tells which were stored. It leaves the claims of others good. Of two who
	// fill, the one who has claimed later holds: claims are numbered, and a fill is
	// refused as long as the value of a later claim is there.
	Fill(ctx context.Context, fills ...Filling) (stored []bool, err error)
}

// Claimed is what Claim returns for a key.
type Claimed struct {
	Record
	Token string // for Fill; what it holds is the store's affair
}

// Filling is a record to be stored under a claim.
type Filling struct {
	Item
	Token string
	// Touch says that the value is the one that the claim has returned, to be kept for
	// another time: it stays as old as it is, so that a load which has claimed before
	// still takes its place.
	Touch bool
}

// KeyLimit is a Bytes whose keys have a greatest length.
type KeyLimit interface {
	// MaxKey is the longest key, in bytes. Those who make keys hash what would
	// be longer.
	MaxKey() int
}
