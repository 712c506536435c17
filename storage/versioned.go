package storage

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"
)

// VersionedBytes is a Bytes that can change a record on the condition that it is still
// what the caller has seen. Every change of a record's value gives it another version: by
// Set, by Delete, by other processes. Another time for the same value does not.
type VersionedBytes interface {
	// Look returns the keys' records with their versions, in their order, in one
	// round trip.
	Look(ctx context.Context, keys ...string) ([]Versioned, error)
	// Swap makes each change whose record still has the version that the change was
	// based on, each in one atomic step and all in one round trip, and reports which
	// were made. The store recognizes the last change of a record, and at least 16
	// before it, by the versions that they made: Swap reports such a change as made, and
	// does not make it twice. So a change whose answer was lost can be sent again. After
	// a record is gone, its changes are known for VersionsKept at least, unless the
	// store evicts them. Errors are as in BulkBytes.
	Swap(ctx context.Context, changes ...Change) (made []bool, err error)
}

// VersionsKept is how long a store recognizes the changes of a record that is gone.
const VersionsKept = time.Minute

// Versioned is a record and its version.
type Versioned struct {
	Record
	Version string // "" where there is no record
}

// Change is a record to be stored, or with a Keep of zero or less deleted, if the record
// is still what the caller has seen.
type Change struct {
	Item
	Was     string // the version that was seen, "" where there was no record
	Becomes string // the version that the change makes: one that nobody else makes, such as rand.Text()
}

// MaxVersion is the longest version, in bytes.
const MaxVersion = 128

// Check returns an ErrRefused if the version that the change makes is empty, longer than
// MaxVersion, or has a zero byte in it. Stores call it.
func (c Change) Check() error {
	if c.Becomes == "" || len(c.Becomes) > MaxVersion || strings.Contains(c.Becomes, "\x00") {
		return Refused(fmt.Errorf("storage: a change of %.100q makes the version %.200q: give it one of its own, of 1 to %d bytes and without a zero byte, such as rand.Text()", c.Key, c.Becomes, MaxVersion))
	}
	return nil
}

// WatcherBytes is a Bytes that reports changes by others.
type WatcherBytes interface {
	// Watch calls changed, one call after another, for each change of a record whose key
	// begins with the prefix. It returns when the context ends, with its error, or when
	// it can't go on. The first call is a Missed: Watch sees every later change. Another
	// Missed follows wherever it may have missed some. A Lost says that it sees nothing
	// until the next Missed. Watch may not report records that expire or are evicted.
	Watch(ctx context.Context, prefix string, changed func(Changed)) error
}

// Changed is what a Watch reports: a changed key, a Missed, or a Lost.
type Changed struct {
	Key     string // that was changed
	Version string // what it has become; "" for no record
	Missed  bool   // changes before this may have gone unseen: look at all again
	Lost    bool   // changes from now on go unseen, until a Missed: trust no copy
}

// StatefulBytes is a Bytes that may lose all records at once, such as a server that
// restarts without its data.
type StatefulBytes interface {
	// State returns an id of the data as a whole: when it changes, everything that the
	// store held under the old id is lost. Age is how long the id has existed, by the
	// store's clock. The first call makes it.
	State(ctx context.Context) (id string, age time.Duration, err error)
}

// ErrQueued is returned by a change that waits until its store is back: it was accepted
// and is not committed. See storage/resilient.
var ErrQueued = errors.New("storage: the store is away, and the change waits for it: ask again later, or flush, to know that it is committed")
