package storage

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"slices"

	"github.com/perennial-go/perennial/entry"
	"github.com/perennial-go/perennial/serde"
)

// Read gives the entries of a snapshot to each, in their order, until that
// returns false, and says how many it has given. Expired ones are among them. An
// entry holds no reference to what is read.
//
// A snapshot of something else is ErrSnapshotForeign, and nothing is given. Where
// it is damaged or the reader fails the error is a *SnapshotError, and all before
// that has been given. Entries that the codecs don't take are left out:
// ErrSnapshotPartial. The other error is the context's, which is looked at before
// each record.
func (s Snapshot[K, V]) Read(ctx context.Context, from io.Reader, each func(key K, e *entry.Entry[V]) bool) (n int, err error) {
	decode := s.decoder()
	r := snapshotReader{from: bufio.NewReaderSize(from, 64<<10), limit: s.maxRecord()}
	if err := r.header(s.identity()); err != nil {
		return 0, err
	}
	var left leftOut
	for {
		if err := ctx.Err(); err != nil {
			return n, err
		}
		start := r.offset
		encoded, record, err := r.record()
		switch {
		case err == io.EOF:
			return n, left.err()
		case err != nil:
			return n, errors.Join(&SnapshotError{Records: n, Offset: start, Err: err}, left.err())
		}
		key, e, err := decode(encoded, record)
		switch {
		case errors.Is(err, serde.ErrCodec) || errors.Is(err, serde.ErrVersion): // and so are all
			return n, fmt.Errorf("%w: %w", ErrSnapshotForeign, err)
		case err != nil:
			left.add(err)
			continue
		}
		n++
		if !each(key, e) {
			return n, left.err()
		}
	}
}

func (s Snapshot[K, V]) decoder() func(encoded, record []byte) (key K, e *entry.Entry[V], err error) {
	keys, entries := s.keys(), s.entries()
	return func(encoded, record []byte) (key K, e *entry.Entry[V], err error) {
		if key, err = keys.Decode(encoded); err != nil {
			return key, nil, fmt.Errorf("%w: the key: %w", serde.ErrValue, err)
		}
		e, err = entries.Deserialize(record)
		return key, e, err
	}
}

// snapshotReader reads the frame. What it reads may be anything.
type snapshotReader struct {
	from   *bufio.Reader
	limit  uint64
	crc    uint32
	offset int64
	buffer bytes.Buffer
}

func (r *snapshotReader) header(identity string) error {
	// The identity is compared first: another one may be of any length.
	want := append([]byte(snapshotMagic), snapshotVersion)
	want = binary.BigEndian.AppendUint16(want, uint16(len(identity)))
	want = append(want, identity...)
	got, err := r.take(uint64(len(want)))
	switch {
	case err != nil && !errors.Is(err, ErrSnapshotCorrupt):
		return &SnapshotError{Err: err}
	case !bytes.HasPrefix(got, []byte(snapshotMagic)):
		return fmt.Errorf("%w: it does not begin as one", ErrSnapshotForeign)
	case len(got) > len(snapshotMagic) && got[len(snapshotMagic)] != snapshotVersion:
		return fmt.Errorf("%w: its version is %d, and this is %d", ErrSnapshotForeign, got[len(snapshotMagic)], snapshotVersion)
	case !bytes.HasPrefix(want, got):
		return fmt.Errorf("%w: it is not of %s", ErrSnapshotForeign, identity)
	case err != nil:
		return &SnapshotError{Err: err}
	}
	if err := r.checksum(); err != nil {
		return &SnapshotError{Err: err}
	}
	return nil
}

// record is the next record's parts, which are good until the next call, or
// io.EOF at the snapshot's end.
func (r *snapshotReader) record() (key, record []byte, err error) {
	lengths, err := r.take(8)
	if err != nil {
		return nil, nil, err
	}
	ofKey, ofRecord := uint64(binary.BigEndian.Uint32(lengths)), uint64(binary.BigEndian.Uint32(lengths[4:]))
	if ofKey == snapshotEnd && ofRecord == snapshotEnd {
		if err := r.checksum(); err != nil {
			return nil, nil, err
		}
		return nil, nil, io.EOF
	}
	if ofKey+ofRecord > r.limit {
		return nil, nil, fmt.Errorf("%w: it says that a record has %d bytes, and the limit is %d", ErrSnapshotCorrupt, ofKey+ofRecord, r.limit)
	}
	both, err := r.take(ofKey + ofRecord)
	if err != nil {
		return nil, nil, err
	}
	if err := r.checksum(); err != nil {
		return nil, nil, err
	}
	return slices.Clip(both[:ofKey]), slices.Clip(both[ofKey:]), nil
}

// take reads n bytes, and as many as there are where there are fewer. It takes
// room as they come, whatever n says.
func (r *snapshotReader) take(n uint64) ([]byte, error) {
	r.buffer.Reset()
	read, err := io.CopyN(&r.buffer, r.from, int64(n))
	r.offset += read
	r.crc = crc32.Update(r.crc, castagnoli, r.buffer.Bytes())
	return r.buffer.Bytes(), cut(err)
}

func (r *snapshotReader) checksum() error {
	var sum [4]byte
	read, err := io.ReadFull(r.from, sum[:])
	r.offset += int64(read)
	if err != nil {
		return cut(err)
	}
	if binary.BigEndian.Uint32(sum[:]) != r.crc {
		return fmt.Errorf("%w: a checksum does not match", ErrSnapshotCorrupt)
	}
	return nil
}

// cut is the error of a reader, which may be that there is no more.
func cut(err error) error {
	if err == io.EOF || err == io.ErrUnexpectedEOF {
		return fmt.Errorf("%w: it ends too early", ErrSnapshotCorrupt)
	}
	return err
}
