package serde

import (
	"fmt"

	"github.com/perennial-go/perennial/entry"
)

// SerDe turns entries into records for a store of bytes, and back. Its methods are called
// concurrently.
//
// It is py-memoize's SerDe.
type SerDe[V any] interface {
	// Serialize returns the record of an entry. The record is the caller's.
	Serialize(e *entry.Entry[V]) ([]byte, error)
	// Deserialize returns the entry of a record, which may be anything at all:
	// what is not a whole record of this SerDe's own is an error, and counts as
	// missing. The entry keeps no reference to data, and data is not changed.
	Deserialize(data []byte) (*entry.Entry[V], error)
}

// Codec turns values into bytes, and back. Its methods are called concurrently. Envelope
// makes a SerDe of it.
type Codec[V any] interface {
	// Encode returns the bytes of a value, which are the caller's. That they
	// may be none does not make the value missing.
	Encode(value V) ([]byte, error)
	// Decode returns the value of bytes that Encode returned, or an error. The
	// value keeps no reference to data, and data is not changed.
	Decode(data []byte) (V, error)
}

// Named is a Codec that names the format of its bytes. The name is the same in every process
// and version: codecs of one name read each other's records. A Codec that is not Named is
// known by its Go type.
type Named interface {
	// Name is made of letters, digits and any of "-._+".
	Name() string
}

// nameOf is the name that a codec's records carry.
func nameOf(codec any) string {
	if named, ok := codec.(Named); ok {
		return named.Name()
	}
	return fmt.Sprintf("%T", codec)
}
