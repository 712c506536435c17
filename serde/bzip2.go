package serde

import (
	"bytes"
	"compress/bzip2"
	"errors"
)

// Bzip2 reads what Python's 'bz2' has written. To write is an error: Go has no
// maintained writer of this format.
func Bzip2() Encoding { return bunzip2{} }

type bunzip2 struct{}

var errNoBzip2Writer = errors.New("there is no maintained Go writer of bzip2, it can only be read: write with zlib or zstd")

func (bunzip2) Name() string                  { return "bz2" }
func (bunzip2) Encode([]byte) ([]byte, error) { return nil, errNoBzip2Writer }

func (bunzip2) Decode(data []byte, limit int) ([]byte, error) {
	return readAll(bzip2.NewReader(bytes.NewReader(data)), len(data), limit)
}
