package serde

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
)

// Encoding turns bytes into other bytes and back, as compression does. Its
// methods are called concurrently, and neither keep nor change what they are
// given; what they return is the caller's.
type Encoding interface {
	// Name stands for the form of the bytes that Encode returns, the same in
	// every process, whatever the level: see Named.
	Name() string
	// Encode returns data in the encoding's form.
	Encode(data []byte) ([]byte, error)
	// Decode undoes Encode. Where the result would have more bytes than limit,
	// which is 1 at least, it is ErrTooLarge, found before so much has been
	// allocated.
	Decode(data []byte, limit int) ([]byte, error)
}

// DefaultLimit is how many bytes a record may decode to: 64 MiB. A few compressed bytes can
// stand for very many, by mistake or malice.
const DefaultLimit = 64 << 20

// Limited returns the encoding with another limit for what it decodes to, in bytes. Zero or
// less is DefaultLimit.
func Limited(e Encoding, limit int) Encoding {
	if limit <= 0 {
		limit = DefaultLimit
	}
	return limited{e, limit}
}

type limited struct {
	Encoding
	limit int
}

// chain is encodings in the order in which they are applied.
type chain []Encoding

// String is each name after a plus.
func (c chain) String() string {
	text := ""
	for _, e := range c {
		text += "+" + e.Name()
	}
	return text
}

func (c chain) encode(data []byte) ([]byte, error) {
	var err error
	for _, e := range c {
		if data, err = e.Encode(data); err != nil {
			return nil, &encodeError{e.Name(), err}
		}
	}
	return data, nil
}

func (c chain) decode(data []byte) ([]byte, error) {
	for _, e := range slices.Backward(c) {
		limit := DefaultLimit
		if l, ok := e.(limited); ok {
			limit = l.limit
		}
		decoded, err := e.Decode(data, limit)
		switch {
		case errors.Is(err, ErrTooLarge) || err == nil && len(decoded) > limit:
			return nil, fmt.Errorf("%w: %s, %d bytes", ErrTooLarge, e.Name(), limit)
		case err != nil:
			return nil, fmt.Errorf("%w: %s: %w", ErrCorrupt, e.Name(), err)
		}
		data = decoded
	}
	return data, nil
}

// encodeError is of an encoding, and not of the value.
type encodeError struct {
	encoding string
	err      error
}

func (e *encodeError) Error() string {
	return "serde: " + e.encoding + " can't write: " + e.err.Error()
}
func (e *encodeError) Unwrap() error { return e.err }

// readAll reads what is compressed into the number of bytes given, up to limit.
func readAll(r io.Reader, compressed, limit int) ([]byte, error) {
	var out bytes.Buffer
	out.Grow(min(compressed, limit/4) * 4) // a ratio that is seldom exceeded
	if _, err := out.ReadFrom(io.LimitReader(r, min(int64(limit), math.MaxInt64-1)+1)); err != nil {
		return nil, err
	}
	if out.Len() > limit {
		return nil, ErrTooLarge
	}
	return out.Bytes(), nil
}
