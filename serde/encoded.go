package serde

import (
	"slices"

	"github.com/perennial-go/perennial/entry"
)

// Encoded returns the SerDe with encodings around the whole record, which are applied from
// left to right when it is written, and undone from right to left. With
// EntryJSON it makes the records of py-memoize's EncodingSerDe.
func Encoded[V any](s SerDe[V], encodings ...Encoding) SerDe[V] {
	if len(encodings) == 0 {
		return s
	}
	return encodedSerDe[V]{s, slices.Clone(encodings)}
}

type encodedSerDe[V any] struct {
	SerDe[V]
	chain chain
}

func (s encodedSerDe[V]) Serialize(e *entry.Entry[V]) ([]byte, error) {
	data, err := s.SerDe.Serialize(e)
	if err != nil {
		return nil, err
	}
	return s.chain.encode(data)
}

func (s encodedSerDe[V]) Deserialize(data []byte) (*entry.Entry[V], error) {
	data, err := s.chain.decode(data)
	if err != nil {
		return nil, err
	}
	return s.SerDe.Deserialize(data)
}

// EncodedCodec returns the codec with encodings around each value, in the order of Encoded.
// In an Envelope the header stays uncompressed, so that damage is found before anything is
// decompressed.
func EncodedCodec[V any](c Codec[V], encodings ...Encoding) Codec[V] {
	if len(encodings) == 0 {
		return c
	}
	return encodedCodec[V]{c, slices.Clone(encodings)}
}

type encodedCodec[V any] struct {
	Codec[V]
	chain chain
}

// Name joins the names of the codec and of the encodings.
func (c encodedCodec[V]) Name() string { return nameOf(c.Codec) + c.chain.String() }

func (c encodedCodec[V]) Encode(value V) ([]byte, error) {
	data, err := c.Codec.Encode(value)
	if err != nil {
		return nil, err
	}
	return c.chain.encode(data)
}

func (c encodedCodec[V]) Decode(data []byte) (value V, err error) {
	if data, err = c.chain.decode(data); err != nil {
		return value, err
	}
	return c.Codec.Decode(data)
}
