// Package snapshot writes entries to a file, or to any io.Writer, and reads them again:
// so a cache in memory survives a restart. Func.SaveFile and Func.RestoreFile of package
// memoize do that for a function; use this package for entries of your own.
package snapshot

import (
	"errors"
	"fmt"
	"hash/crc32"
	"math"
	"reflect"

	"github.com/perennial-go/perennial/entry"
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
// In version 2, which is written where entries have tags, a record is
//
//	4  length of the key
//	4  length of the entry
//	4  length of the tags
//	n  the key
//	n  the entry
//	n  the tags: for each the length, as a uvarint, and the text
//	4  checksum
//
// A checksum is the CRC-32C of all that stands before it but other checksums: it tells
// a record that is left out, moved or of another snapshot as well as one that is damaged.
// The end tells a whole snapshot from one that was cut between two records. What follows
// it is not read.
const (
	magic  = "\x89peren\r\n" // no text, and changed by whoever changes the ends of lines
	plain  = 1               // the versions
	tagged = 2
	end    = math.MaxUint32
)

// DefaultMaxRecord is how many bytes a key and its entry may have in a snapshot,
// unless Format.MaxRecord says otherwise: 64 MiB.
const DefaultMaxRecord = 64 << 20

var (
	// ErrCorrupt marks the error of a snapshot that is damaged or cut short, an *Error
	// that says where.
	ErrCorrupt = errors.New("snapshot: it is damaged or cut short: what stands before that is good, what follows is lost until it is saved again")
	// ErrForeign marks the error of bytes that are no snapshot, or one of another
	// version, of other types or another name, or by other codecs. Nothing is read.
	ErrForeign = errors.New("snapshot: this is no snapshot that can be read here: give the reader the names, types and codecs of the writer, or save again")
	// ErrPartial marks the error where some entries were left out, because a codec did
	// not take them or they were too large. All others were written or read.
	ErrPartial = errors.New("snapshot: entries are left out")
)

// leftOut counts entries that could not be written or read. One bad value does not keep
// all others from being saved.
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
	return fmt.Errorf("%w: %d of them, the first because: %w", ErrPartial, l.n, l.first)
}

// Error says how far a snapshot could be read, and why no further.
type Error struct {
	Records int   // how many were read
	Offset  int64 // where reading failed, in bytes from the snapshot's beginning
	Err     error // ErrCorrupt, or the error of the reader or of a codec
}

// Error returns the text.
func (e *Error) Error() string {
	return fmt.Sprintf("snapshot: it could be read up to byte %d, after %d records: %v", e.Offset, e.Records, e.Err)
}

// Unwrap returns Err.
func (e *Error) Unwrap() error { return e.Err }

// Format says how entries are written. Its methods may be called concurrently. The zero
// Format is ready to use.
//
// A Format reads what another has written, in any later process, if Of, the types K and V
// and the names of the codecs are the same.
type Format[K comparable, V any] struct {
	// Of names what the entries are of, say a function. Up to 1024 bytes count.
	Of string
	// Keys encodes the keys. A key that does not decode to an equal one is left
	// out. Default: serde.Raw for strings, else serde.JSON.
	Keys serde.Codec[K]
	// Entries encodes the entries. It is known by its Name if it is serde.Named, else
	// by its type. Default: serde.Envelope of serde.JSON.
	Entries serde.SerDe[V]
	// MaxRecord is how many bytes a key and its entry may have together, at most 2 GiB.
	// Default, and with zero or less: DefaultMaxRecord.
	MaxRecord int
	// Tags returns the tags of an entry that is written; nil writes a snapshot without
	// tags, which versions of this package before tags read too. They count to MaxRecord.
	Tags func(key K, e *entry.Entry[V]) []string
	// Tagged is called with each entry that is read, just before Read's each is, and its tags.
	// known is false if the snapshot was written without Tags. Nil: tags are not wanted.
	Tagged func(key K, e *entry.Entry[V], tags []string, known bool)
}

func (f Format[K, V]) keys() serde.Codec[K] {
	if f.Keys != nil {
		return f.Keys
	}
	if raw, err := serde.Raw[K](); err == nil { // JSON refuses text that is not UTF-8
		return raw
	}
	return serde.JSON[K]()
}

func (f Format[K, V]) entries() serde.SerDe[V] {
	if f.Entries == nil {
		return serde.Envelope(serde.JSON[V]())
	}
	return f.Entries
}

func (f Format[K, V]) maxRecord() uint64 {
	if f.MaxRecord <= 0 {
		return DefaultMaxRecord
	}
	return min(uint64(f.MaxRecord), math.MaxInt32)
}

// identity is the same exactly where records mean the same.
func (f Format[K, V]) identity() string {
	of := f.Of
	if len(of) > 1024 {
		of = of[:1024]
	}
	entries := "envelope"
	if f.Entries != nil {
		entries = codecName(f.Entries)
	}
	quoted, _ := keytext.Of(of) // a text has one; %q is not the same in every version of Go
	text := fmt.Sprintf("%s: %v by %s to %v by %s", quoted, reflect.TypeFor[K](), codecName(f.keys()), reflect.TypeFor[V](), entries)
	return text[:min(len(text), math.MaxUint16)]
}

func codecName(codec any) string {
	if named, ok := codec.(serde.Named); ok {
		return named.Name()
	}
	return fmt.Sprintf("%T", codec)
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)
