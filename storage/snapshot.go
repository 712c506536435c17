package storage

import (
	"errors"
	"fmt"
	"hash/crc32"
	"math"
	"reflect"

	"github.com/perennial-go/perennial/internal/keytext"
	"github.com/perennial-go/perennial/serde"
)

// A snapshot is a header, then records, then an end, in network order:
//
//	header   8  magic
//	         1  version
//	         2  length of the identity
//	         n  identity: what the entries are of, and what wrote them
//	         4  checksum
//	record   4  length of the key
//	         4  length of the entry
//	         n  the key, by a Codec
//	         n  the entry, by a SerDe
//	         4  checksum
//	end      8  ones
//	         4  checksum
//
// A checksum is the CRC-32C of all that stands before it, other checksums
// excepted: so a record that is left out, moved or of another snapshot is found
// like one that is damaged. The end tells a whole snapshot from one that was cut
// between two records. What follows it is not read.
const (
	snapshotMagic   = "\x89peren\r\n" // no text, and changed by whoever changes the ends of lines
	snapshotVersion = 1
	snapshotEnd     = math.MaxUint32
)

// DefaultMaxRecord is how many bytes a key and its entry may have in a snapshot,
// unless Snapshot.MaxRecord says otherwise: 64 MiB.
const DefaultMaxRecord = 64 << 20

// What is wrong with a snapshot.
var (
	// ErrSnapshotCorrupt says that a snapshot is damaged or cut short. It comes
	// in a *SnapshotError, which says where.
	ErrSnapshotCorrupt = errors.New("storage: the snapshot is damaged or cut short: what stands before that is good, what follows is lost until it is saved again")
	// ErrSnapshotForeign says that the bytes are no snapshot, or of another
	// version, other types or another name, or written by other codecs. Nothing
	// is read of it.
	ErrSnapshotForeign = errors.New("storage: this is no snapshot that can be read here, and nothing is: give the reader the names, types and codecs of the writer, or save again")
	// ErrSnapshotPartial says that a codec did not take some entries, or that they
	// were too large. They are left out, and all others are written or read.
	ErrSnapshotPartial = errors.New("storage: entries are left out of the snapshot")
)

// leftOut counts entries that could not be written or read by themselves. One bad
// value, which may come from anywhere, is not to keep all others from being saved.
type leftOut struct {
	n     int
	first error
}

func (l *leftOut) add(err error) {
	if l.n++; l.first == nil {
		l.first = err
	}
}

func (l *leftOut) err() error {
	if l.n == 0 {
		return nil
	}
	return fmt.Errorf("%w: %d of them, the first because: %w", ErrSnapshotPartial, l.n, l.first)
}

// SnapshotError says how far a snapshot could be read.
type SnapshotError struct {
	Records int   // that were read
	Offset  int64 // in bytes from the snapshot's beginning, of what could not be read
	Err     error // ErrSnapshotCorrupt, or the error of the reader or of a codec
}

// Error says where and why.
func (e *SnapshotError) Error() string {
	return fmt.Sprintf("storage: a snapshot could be read up to byte %d, after %d records: %v", e.Offset, e.Records, e.Err)
}

// Unwrap is the cause.
func (e *SnapshotError) Unwrap() error { return e.Err }

// Snapshot says how entries are saved. Its methods may be called concurrently.
// The zero Snapshot can be used.
//
// What one Snapshot writes another reads, in any later process, if Of, the types
// K and V and the names of the codecs are the same.
type Snapshot[K comparable, V any] struct {
	// Of is what the entries are of, say the function's name, up to 1024 bytes.
	Of string
	// Keys writes the keys. A key that does not decode to an equal one is left
	// out. Nil is serde.Raw for strings, else serde.JSON.
	Keys serde.Codec[K]
	// Entries writes the entries. It goes by its Name if it is serde.Named, else
	// by its type. Nil is serde.Envelope of serde.JSON.
	Entries serde.SerDe[V]
	// MaxRecord is how many bytes a key and its entry may have together. Zero or
	// less is DefaultMaxRecord; 2 GiB is the most.
	MaxRecord int
}

func (s Snapshot[K, V]) keys() serde.Codec[K] {
	if s.Keys != nil {
		return s.Keys
	}
	if raw, err := serde.Raw[K](); err == nil { // JSON refuses text that is not UTF-8
		return raw
	}
	return serde.JSON[K]()
}

func (s Snapshot[K, V]) entries() serde.SerDe[V] {
	if s.Entries == nil {
		return serde.Envelope(serde.JSON[V]())
	}
	return s.Entries
}

func (s Snapshot[K, V]) maxRecord() uint64 {
	if s.MaxRecord <= 0 {
		return DefaultMaxRecord
	}
	return min(uint64(s.MaxRecord), math.MaxInt32)
}

// identity is the same exactly where records mean the same.
func (s Snapshot[K, V]) identity() string {
	of := s.Of
	if len(of) > 1024 {
		of = of[:1024]
	}
	entries := "envelope"
	if s.Entries != nil {
		entries = codecName(s.Entries)
	}
	quoted, _ := keytext.Of(of) // a text has one; %q is not the same in every version of Go
	text := fmt.Sprintf("%s: %v by %s to %v by %s", quoted, reflect.TypeFor[K](), codecName(s.keys()), reflect.TypeFor[V](), entries)
	return text[:min(len(text), math.MaxUint16)]
}

func codecName(codec any) string {
	if named, ok := codec.(serde.Named); ok {
		return named.Name()
	}
	return fmt.Sprintf("%T", codec)
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)
