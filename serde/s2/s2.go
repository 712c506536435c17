// Package s2 is the S2 encoding, an extension of Snappy, for package serde.
// Where it is imported, serde.Parse knows the layer s2:
//
//	import _ "github.com/perennial-go/perennial/serde/s2"
//
//	format, err := serde.Parse("json+s2")
//
// It compresses less than zstd, and is several times as fast to write: it is
// for values that come and go very often. It reads what Snappy has written in its
// block format, but not the reverse. It stands by itself so that only those who
// import it build github.com/klauspost/compress.
package s2

import (
	"fmt"

	"github.com/klauspost/compress/s2"

	"github.com/perennial-go/perennial/serde"
)

func init() {
	serde.Register(serde.EncodingLayer(func(p *serde.Parameters) (serde.Encoding, error) {
		return p.Limited(New()), nil
	}), "s2")
}

// New is the encoding. It has no levels.
func New() serde.Encoding { return encoding{} }

type encoding struct{}

// Name is s2.
func (encoding) Name() string { return "s2" }

func (encoding) Encode(data []byte) ([]byte, error) {
	if s2.MaxEncodedLen(len(data)) < 0 {
		return nil, fmt.Errorf("%d bytes are more than the format can hold", len(data))
	}
	return s2.Encode(nil, data), nil
}

// Decode looks at the size that a block says it decodes to before it allocates
// it.
func (encoding) Decode(data []byte, limit int) ([]byte, error) {
	n, err := s2.DecodedLen(data)
	if err != nil {
		return nil, err
	}
	if n > limit {
		return nil, serde.ErrTooLarge
	}
	return s2.Decode(nil, data)
}
