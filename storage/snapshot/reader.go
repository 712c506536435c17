package snapshot

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

// Read calls each with the entries of a snapshot, in their order, until each returns
// false, and returns how many it has read. Expired entries are among them. An entry holds
// no reference to what was read.
//
// A snapshot of something else is ErrForeign, and nothing is read. If the snapshot is
// damaged or the reader fails, the error is an *Error, and each was called with all
// entries before that. Entries that the codecs don't take are left out: ErrPartial. Else
// the error is that of the context, which is looked at before each record.
func (f Format[K, V]) Read(ctx context.Context, from io.Reader, each func(key K, e *entry.Entry[V]) bool) (n int, err error) {
	decode := f.decoder()
	r := reader{from: bufio.NewReaderSize(from, 64<<10), limit: f.maxRecord()}
	if err := r.header(f.identity()); err != nil {
		return 0, err
	}
	var left leftOut
	for {
		if err := ctx.Err(); err != nil {
			return n, err
		}
		start := r.offset
		encoded, record, tags, err := r.record()
		switch {
		case err == io.EOF:
			return n, left.err()
		case err != nil:
			return n, errors.Join(&Error{Records: n, Offset: start, Err: err}, left.err())
		}
		key, e, err := decode(encoded, record)
		switch {
		case errors.Is(err, serde.ErrCodec) || errors.Is(err, serde.ErrVersion): // and so are all
			return n, fmt.Errorf("%w: %w", ErrForeign, err)
		case err != nil:
			left.add(err)
			continue
		}
		n++
		if f.Tagged != nil {
			f.Tagged(key, e, tags, r.version == tagged)
		}
		if !each(key, e) {
			return n, left.err()
		}
	}
}

func (f Format[K, V]) decoder() func(encoded, record []byte) (key K, e *entry.Entry[V], err error) {
	keys, entries := f.keys(), f.entries()
	return func(encoded, record []byte) (key K, e *entry.Entry[V], err error) {
		if key, err = keys.Decode(encoded); err != nil {
			return key, nil, fmt.Errorf("%w: the key: %w", serde.ErrValue, err)
		}
		e, err = entries.Deserialize(record)
		return key, e, err
	}
}

// reader reads the frame. What it reads may be anything.
type reader struct {
	from    *bufio.Reader
	limit   uint64
	version byte
	crc     uint32
	offset  int64
	buffer  bytes.Buffer
}

func (r *reader) header(identity string) error {
	// The identity is compared first: another one may be of any length.
	want := append([]byte(magic), plain)
	want = binary.BigEndian.AppendUint16(want, uint16(len(identity)))
	want = append(want, identity...)
	got, err := r.take(uint64(len(want)))
	if len(got) > len(magic) {
		if r.version = got[len(magic)]; r.version == tagged {
			want[len(magic)] = tagged
		}
	}
	switch {
	case err != nil && !errors.Is(err, ErrCorrupt):
		return &Error{Err: err}
	case !bytes.HasPrefix(got, []byte(magic)):
		return fmt.Errorf("%w: it does not begin as one", ErrForeign)
	case len(got) > len(magic) && r.version != plain && r.version != tagged:
		return fmt.Errorf("%w: its version is %d, and this reads %d and %d", ErrForeign, r.version, plain, tagged)
	case !bytes.HasPrefix(want, got):
		return fmt.Errorf("%w: it is not of %s", ErrForeign, identity)
	case err != nil:
		return &Error{Err: err}
	}
	if err := r.checksum(); err != nil {
		return &Error{Err: err}
	}
	return nil
}

// record returns the parts of the next record, which are good until the next call, or
// io.EOF at the snapshot's end. Tags are their own.
func (r *reader) record() (key, record []byte, tags []string, err error) {
	lengths, err := r.take(8)
	if err != nil {
		return nil, nil, nil, err
	}
	ofKey, ofRecord, ofTags := uint64(binary.BigEndian.Uint32(lengths)), uint64(binary.BigEndian.Uint32(lengths[4:])), uint64(0)
	if ofKey == end && ofRecord == end {
		if err := r.checksum(); err != nil {
			return nil, nil, nil, err
		}
		return nil, nil, nil, io.EOF
	}
	if r.version == tagged {
		if lengths, err = r.take(4); err != nil {
			return nil, nil, nil, err
		}
		ofTags = uint64(binary.BigEndian.Uint32(lengths))
	}
	if size := ofKey + ofRecord + ofTags; size > r.limit {
		return nil, nil, nil, fmt.Errorf("%w: it says that a record has %d bytes, and the limit is %d", ErrCorrupt, size, r.limit)
	}
	all, err := r.take(ofKey + ofRecord + ofTags)
	if err != nil {
		return nil, nil, nil, err
	}
	if err := r.checksum(); err != nil {
		return nil, nil, nil, err
	}
	if tags, err = readTags(all[ofKey+ofRecord:]); err != nil {
		return nil, nil, nil, err
	}
	return slices.Clip(all[:ofKey]), slices.Clip(all[ofKey : ofKey+ofRecord]), tags, nil
}

// take reads n bytes, or fewer if there are fewer. It allocates as they come, whatever n
// says.
func (r *reader) take(n uint64) ([]byte, error) {
	r.buffer.Reset()
	read, err := io.CopyN(&r.buffer, r.from, int64(n))
	r.offset += read
	r.crc = crc32.Update(r.crc, castagnoli, r.buffer.Bytes())
	return r.buffer.Bytes(), cut(err)
}

func (r *reader) checksum() error {
	var sum [4]byte
	read, err := io.ReadFull(r.from, sum[:])
	r.offset += int64(read)
	if err != nil {
		return cut(err)
	}
	if binary.BigEndian.Uint32(sum[:]) != r.crc {
		return fmt.Errorf("%w: a checksum does not match", ErrCorrupt)
	}
	return nil
}

// cut returns the error of a reader, as ErrCorrupt where there is no more.
func cut(err error) error {
	if err == io.EOF || err == io.ErrUnexpectedEOF {
		return fmt.Errorf("%w: it ends too early", ErrCorrupt)
	}
	return err
}
