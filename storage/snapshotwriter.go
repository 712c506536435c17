package storage

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
	errKeyCodec    = errors.New("the codec of keys does not give the key back: give one that does, in Snapshot.Keys")
	errRecordLarge = errors.New("the record is too large to be read again: raise Snapshot.MaxRecord, of the reader too")
)

// Write writes entries in the order in which they come, and says how many. The
// end of the context, which is looked at before each, is an error, and then what
// was written is a snapshot that is cut short. Entries that can't be written so
// that they can be read are left out: with ErrSnapshotPartial the snapshot is
// whole.
func (s Snapshot[K, V]) Write(ctx context.Context, to io.Writer, entries iter.Seq2[K, *entry.Entry[V]]) (n int, err error) {
	encode := s.encoder()
	w := snapshotWriter{to: bufio.NewWriterSize(to, 64<<10)}
	w.header(s.identity())
	var left leftOut
	for key, e := range entries {
		if err := ctx.Err(); err != nil {
			return n, err
		}
		encoded, record, err := encode(key, e)
		if err != nil {
			left.add(err)
			continue
		}
		if err := w.record(encoded, record); err != nil {
			return n, fmt.Errorf("storage: the snapshot can't be written: %w", err)
		}
		n++
	}
	if err := ctx.Err(); err != nil {
		return n, err
	}
	if err := w.end(); err != nil {
		return n, fmt.Errorf("storage: the snapshot can't be written: %w", err)
	}
	return n, left.err()
}

// encoder makes the parts of records, which can be read again.
func (s Snapshot[K, V]) encoder() func(key K, e *entry.Entry[V]) (encoded, record []byte, err error) {
	keys, entries, limit := s.keys(), s.entries(), s.maxRecord()
	return func(key K, e *entry.Entry[V]) (encoded, record []byte, err error) {
		if encoded, err = keys.Encode(key); err != nil {
			return nil, nil, err
		}
		if decoded, err := keys.Decode(encoded); err != nil || decoded != key {
			return nil, nil, errors.Join(errKeyCodec, err)
		}
		if record, err = entries.Serialize(e); err != nil {
			return nil, nil, err
		}
		if uint64(len(encoded))+uint64(len(record)) > limit {
			return nil, nil, fmt.Errorf("%w: it has %d bytes", errRecordLarge, len(encoded)+len(record))
		}
		return encoded, record, nil
	}
}

// snapshotWriter writes the frame. An error stays with the bufio.Writer.
type snapshotWriter struct {
	to  *bufio.Writer
	crc uint32
}

func (w *snapshotWriter) put(data []byte) {
	w.crc = crc32.Update(w.crc, castagnoli, data)
	_, _ = w.to.Write(data) // checksum returns the error
}

func (w *snapshotWriter) checksum() error {
	_, err := w.to.Write(binary.BigEndian.AppendUint32(nil, w.crc))
	return err
}

func (w *snapshotWriter) header(identity string) {
	header := append([]byte(snapshotMagic), snapshotVersion)
	header = binary.BigEndian.AppendUint16(header, uint16(len(identity)))
	w.put(append(header, identity...))
	_ = w.checksum() // the next one returns the error
}

func (w *snapshotWriter) record(key, record []byte) error {
	w.lengths(uint32(len(key)), uint32(len(record)))
	w.put(key)
	w.put(record)
	return w.checksum()
}

func (w *snapshotWriter) end() error {
	w.lengths(snapshotEnd, snapshotEnd)
	_ = w.checksum() // as Flush does
	return w.to.Flush()
}

func (w *snapshotWriter) lengths(key, record uint32) {
	w.put(binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint32(make([]byte, 0, 8), key), record))
}
