// Package zstd is the zstd encoding (RFC 8878) for package serde. Where it is
// imported, serde.Parse knows the layer zstd, also called zstandard:
//
//	import _ "github.com/perennial-go/perennial/serde/zstd"
//
//	format, err := serde.Parse("json+zstd://?compression-level=3")
//
// At its default level it writes and reads faster than zlib does at any level; it
// takes as much room for small values and less for large ones. It stands by
// itself so that only those who import it build github.com/klauspost/compress.
package zstd

import (
	"errors"
	"fmt"
	"sync"

	"github.com/klauspost/compress/zstd"

	"github.com/perennial-go/perennial/serde"
)

// DefaultLevel is the level of New.
const DefaultLevel = 3

func init() {
	serde.Register(serde.EncodingLayer(func(p *serde.Parameters) (serde.Encoding, error) {
		e, err := NewLevel(p.Int("compression-level", DefaultLevel, 1, 22))
		if err != nil {
			return nil, err
		}
		return p.Limited(e), nil
	}), "zstd", "zstandard")
}

// New is the encoding at DefaultLevel.
func New() serde.Encoding { return &encoding{level: zstd.EncoderLevelFromZstd(DefaultLevel)} }

// NewLevel is the encoding at one of zstd's levels, 1 to 22; any other is an
// error. There are four steps behind them: 1 and 2 are the fastest, then come 3
// to 5, 6 to 9, and from 10 on the smallest. Whatever the level, what is written
// can be read at every one.
func NewLevel(level int) (serde.Encoding, error) {
	if level < 1 || level > 22 {
		return nil, fmt.Errorf("serde/zstd: the level is %d: give 1 to 22", level)
	}
	return &encoding{level: zstd.EncoderLevelFromZstd(level)}, nil
}

// encoding keeps its encoders and decoders, which have large tables. Each does
// one thing at a time and has no goroutine.
type encoding struct {
	level              zstd.EncoderLevel
	encoders, decoders sync.Pool
}

type decoder struct {
	*zstd.Decoder
	limit int
}

// Name is zstd.
func (*encoding) Name() string { return "zstd" }

func (e *encoding) Encode(data []byte) ([]byte, error) {
	enc, ok := e.encoders.Get().(*zstd.Encoder)
	if !ok {
		var err error
		// Without zero frames nothing would be written of no bytes.
		if enc, err = zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1), zstd.WithEncoderLevel(e.level), zstd.WithZeroFrames(true)); err != nil {
			return nil, err
		}
	}
	defer e.encoders.Put(enc)
	return enc.EncodeAll(data, nil), nil
}

// Decode refuses a frame that asks for a window above the limit too.
func (e *encoding) Decode(data []byte, limit int) ([]byte, error) {
	if len(data) == 0 {
		return nil, errors.New("there are no bytes")
	}
	dec, err := e.decoder(limit)
	if err != nil {
		return nil, err
	}
	defer e.decoders.Put(dec)
	out, err := dec.DecodeAll(data, nil)
	switch {
	case errors.Is(err, zstd.ErrDecoderSizeExceeded), errors.Is(err, zstd.ErrWindowSizeExceeded), err == nil && len(out) > limit:
		return nil, serde.ErrTooLarge
	case err != nil:
		return nil, err
	}
	return out, nil
}

func (e *encoding) decoder(limit int) (*decoder, error) {
	if dec, ok := e.decoders.Get().(*decoder); ok && dec.limit == limit {
		return dec, nil
	}
	// The package refuses even a small frame where there is less memory than
	// its smallest window.
	memory := max(uint64(limit), zstd.MinWindowSize)
	dec, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(memory))
	return &decoder{dec, limit}, err
}
