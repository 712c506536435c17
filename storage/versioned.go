package storage

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"
)

// VersionedBytes is a Bytes that changes a record only where it is still what the
// caller has seen. Every change of a record's value gives it another version: Set,
// Delete, and what others do. Another time for the same value does not.
type VersionedBytes interface {
	// Look returns the keys' records with their versions, in their order, in one
	// round trip.
	Look(ctx context.Context, keys ...string) ([]Versioned, error)
	// Swap makes each change whose record has the version that the change was
	// based on, each in one atomic step and all in one round trip, and tells
	// which were made. The change that made a record what it is, or one of the
	// at least 16 that came before, is known again by the version it makes: it is
	// told as made, and not made twice. So a change whose answer was lost can be
	// sent again. Where a record is no more, its changes are known for
	// VersionsKept at least, unless the store evicts them. Errors are as in
	// BulkBytes.
	Swap(ctx context.Context, changes ...Change) (made []bool, err error)
}

// VersionsKept is how long the changes of a record that is no more are known
// again.
const VersionsKept = time.Minute

// Versioned is a record and its version.
type Versioned struct {
	Record
	Version string // "" where there is no record
}

// Change is a record to be stored, or deleted by a Keep of zero or less, in place
// of one that somebody has seen.
type Change struct {
	Item
	Was     string // the version that was seen, "" where there was no record
	Becomes string // the version that the change makes: one that nobody else makes, such as rand.Text()
}

// MaxVersion is the longest version, in bytes.
const MaxVersion = 128

// Check says what is wrong with the version that a change makes: one that is
// empty, longer than MaxVersion, or has a zero byte in it, is an ErrRefused.
// Stores call it.
func (c Change) Check() error {
	if c.Becomes == "" || len(c.Becomes) > MaxVersion || strings.Contains(c.Becomes, "\x00") {
		return Refused(fmt.Errorf("storage: a change of %.100q makes the version %.200q: give it one of its own, of 1 to %d bytes and without a zero byte, such as rand.Text()", c.Key, c.Becomes, MaxVersion))
	}
	return nil
}

// WatcherBytes is a Bytes that tells of changes by others.
type WatcherBytes interface {
	// Watch tells of each change of a record whose key begins with the prefix,
	// until the context ends, whose error it returns then, or until it can't any
	// more. Calls come one after another. It begins with a Missed, once it sees
	// every later change, and tells of another wherever it may have missed some.
	// From a Lost to the next Missed it sees nothing: it tells of one as soon as it
	// knows. That a record's time is over, or that it was evicted, may go untold.
	Watch(ctx context.Context, prefix string, changed func(Changed)) error
}

// Changed is what a Watch tells: that a key was changed, a Missed, or a Lost.
type Changed struct {
	Key     string // that was changed
	Version string // what it has become; "" for no record
	Missed  bool   // changes before this may have gone unseen: look at all again
	Lost    bool   // changes from now on go unseen, until a Missed: trust no copy
}

// StatefulBytes is a Bytes that may lose all it holds at once, as a server does that
// starts again without its data.
type StatefulBytes interface {
	// State identifies what the store holds as a whole: an id that has changed says
	// that everything was lost that it held under the one before. Age is for how
	// long there has been the id, by the store's clock; whoever asks first makes it.
	State(ctx context.Context) (id string, age time.Duration, err error)
}

// ErrQueued is what a change returns that waits for its store to come back: see
// storage/resilient. It was accepted and is not committed.
var ErrQueued = errors.New("storage: the store is away, and the change waits for it: ask again later, or flush, to know that it is committed")
