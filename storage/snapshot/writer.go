package snapshot

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"iter"

	"github.com/perennial-go/perennial/entry"
)

var (
	errKeyCodec    = errors.New("the codec of keys does not give the key back: give one that does, in Format.Keys")
	errRecordLarge = errors.New("the record is too large to be read again: raise Format.MaxRecord, of the reader too")
)

// Write writes entries in their order, and returns how many. Entries that could not be
// read again are left out; the error is ErrPartial then, and the snapshot is whole. Under
// any other error, such as that of the context, which is looked at before each entry, the
// snapshot is cut short.
func (f Format[K, V]) Write(ctx context.Context, to io.Writer, entries iter.Seq2[K, *entry.Entry[V]]) (n int, err error) {
	encode := f.encoder()
	w := writer{to: bufio.NewWriterSize(to, 64<<10)}
	w.header(f.identity(), f.Tags != nil)
	var left leftOut
	for key, e := range entries {
		if err := ctx.Err(); err != nil {
			return n, err
		}
		parts, err := encode(key, e)
		if err != nil {
			left.add(err)
			continue
		}
		if err := w.record(parts...); err != nil {
			return n, fmt.Errorf("snapshot: it can't be written: %w", err)
		}
		n++
	}
	if err := ctx.Err(); err != nil {
		return n, err
	}
	if err := w.end(); err != nil {
		return n, fmt.Errorf("snapshot: it can't be written: %w", err)
	}
	return n, left.err()
}

// encoder returns a function that makes the parts of a record, and reads the key again.
func (f Format[K, V]) encoder() func(key K, e *entry.Entry[V]) (parts [][]byte, err error) {
	keys, entries, limit := f.keys(), f.entries(), f.maxRecord()
	return func(key K, e *entry.Entry[V]) (parts [][]byte, err error) {
		encoded, err := keys.Encode(key)
		if err != nil {
			return nil, err
		}
		if decoded, err := keys.Decode(encoded); err != nil || decoded != key {
			return nil, errors.Join(errKeyCodec, err)
		}
		record, err := entries.Serialize(e)
		if err != nil {
			return nil, err
		}
		parts = append(parts, encoded, record)
		if f.Tags != nil {
			parts = append(parts, appendTags(nil, f.Tags(key, e)))
		}
		size := uint64(0)
		for _, part := range parts {
			size += uint64(len(part))
		}
		if size > limit {
			return nil, fmt.Errorf("%w: it has %d bytes", errRecordLarge, size)
		}
		return parts, nil
	}
}

// writer writes the frame. An error stays with the bufio.Writer.
type writer struct {
	to  *bufio.Writer
	crc uint32
}

func (w *writer) put(data []byte) {
	w.crc = crc32.Update(w.crc, castagnoli, data)
	_, _ = w.to.Write(data) // checksum returns the error
}

func (w *writer) checksum() error {
	_, err := w.to.Write(binary.BigEndian.AppendUint32(nil, w.crc))
	return err
}

func (w *writer) header(identity string, tags bool) {
	version := byte(plain)
	if tags {
		version = tagged
	}
	header := append([]byte(magic), version)
	header = binary.BigEndian.AppendUint16(header, uint16(len(identity)))
	w.put(append(header, identity...))
	_ = w.checksum() // the next one returns the error
}

func (w *writer) record(parts ...[]byte) error {
	lengths := make([]uint32, len(parts))
	for i, part := range parts {
		lengths[i] = uint32(len(part))
	}
	w.lengths(lengths...)
	for _, part := range parts {
		w.put(part)
	}
	return w.checksum()
}

func (w *writer) end() error {
	w.lengths(end, end)
	_ = w.checksum() // as Flush does
	return w.to.Flush()
}

func (w *writer) lengths(lengths ...uint32) {
	data := make([]byte, 0, 12)
	for _, n := range lengths {
		data = binary.BigEndian.AppendUint32(data, n)
	}
	w.put(data)
}
