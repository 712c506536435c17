package serde

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"math"
	"slices"
	"time"

	"github.com/perennial-go/perennial/entry"
)

// A record of an Envelope is this header, in network order, and what the codec
// made of the value:
//
//	 0  1  magic (high half) and version (low half)
//	 1  1  flags: 1, the answer is negative, and what follows the header is its text;
//	       2, eight bytes follow that say for how long it is kept past its expires-after
//	       before the value does. A record that has another is refused
//	 2  2  codec: the low half of the CRC-32C of its name
//	 4  8  created, in nanoseconds since the epoch
//	12  8  update-after, in nanoseconds from created; the greatest is Never
//	20  8  expires-after, likewise
//	28  4  CRC-32C of the codec's name, the header up to here and all that follows
//
// The name goes into the checksum because two names may share the half that the
// header has room for.
const (
	headerSize  = 32
	checksumAt  = 28
	magic       = 0xE0
	versionBits = 0x0F
	version     = 1
	toTheEnd    = math.MaxInt64 // what Sub saturates at

	isNegative = 1
	isKept     = 2
	keepSize   = 8
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// Envelope returns the default SerDe: a header of 32 bytes with the entry's instants, the
// codec's name and a checksum, then the encoded value. The checksum detects every single
// flipped bit, and other damage but for one case in four thousand million. It is no
// signature: whoever can write to the store can write any value.
//
// Instants come back to the nanosecond, but for one that lies 292 years or more
// after created, which comes back as Never, or so long before it, which comes
// back as somewhere that long before.
//
// codec must not be nil. A record can be read by every Envelope whose codec has
// the same name (see Named), in any process and later version.
func Envelope[V any](codec Codec[V]) SerDe[V] {
	name := nameOf(codec)
	return &envelope[V]{codec, name, crc32.Checksum([]byte(name), castagnoli)}
}

type envelope[V any] struct {
	codec Codec[V]
	name  string
	crc   uint32 // of the name
}

func (s *envelope[V]) Serialize(e *entry.Entry[V]) ([]byte, error) {
	if e == nil {
		return nil, errNoEntry
	}
	flags, payload, err := s.payload(e)
	if err != nil {
		return nil, err
	}
	record := make([]byte, headerSize, headerSize+keepSize+len(payload))
	record[0], record[1] = magic|version, flags
	binary.BigEndian.PutUint16(record[2:], uint16(s.crc))
	binary.BigEndian.PutUint64(record[4:], uint64(e.Created()))
	updateAfter, expiresAfter := e.Ends()
	binary.BigEndian.PutUint64(record[12:], uint64(updateAfter.Sub(e.Created())))
	binary.BigEndian.PutUint64(record[20:], uint64(expiresAfter.Sub(e.Created())))
	if flags == isKept {
		record = binary.BigEndian.AppendUint64(record, uint64(e.Keep().For()))
	}
	record = append(record, payload...)
	binary.BigEndian.PutUint32(record[checksumAt:], s.checksum(record))
	return record, nil
}

// payload is what follows the header, and the flags that say what it is.
func (s *envelope[V]) payload(e *entry.Entry[V]) (flags byte, payload []byte, err error) {
	if n := e.Negative(); n != nil {
		if n.Text == "" {
			return 0, nil, errNoText
		}
		return isNegative, []byte(n.Text), nil
	}
	if payload, err = s.codec.Encode(e.Value); err != nil {
		return 0, nil, ofValue(s.name, err)
	}
	if e.Keep() != nil {
		flags = isKept
	}
	return flags, payload, nil
}

func (s *envelope[V]) Deserialize(data []byte) (*entry.Entry[V], error) {
	switch {
	case len(data) < headerSize:
		return nil, fmt.Errorf("%w: it has %d bytes, and its header alone has %d", ErrCorrupt, len(data), headerSize)
	case data[0]&^versionBits != magic:
		return nil, fmt.Errorf("%w: it begins with %#x", ErrCorrupt, data[0])
	case data[0]&versionBits != version:
		return nil, fmt.Errorf("%w: %d, and this is %d", ErrVersion, data[0]&versionBits, version)
	case data[1] > isKept: // no record has both
		return nil, fmt.Errorf("%w: it has flags %#x, which are not known here", ErrVersion, data[1])
	case binary.BigEndian.Uint16(data[2:]) != uint16(s.crc):
		return nil, fmt.Errorf("%w: this one is %s", ErrCodec, s.name)
	case binary.BigEndian.Uint32(data[checksumAt:]) != s.checksum(data):
		return nil, fmt.Errorf("%w: its checksum does not match", ErrCorrupt)
	}
	created := entry.Instant(binary.BigEndian.Uint64(data[4:]))
	updateAfter := after(created, int64(binary.BigEndian.Uint64(data[12:])))
	expiresAfter := after(created, int64(binary.BigEndian.Uint64(data[20:])))
	payload := data[headerSize:]
	var keep *entry.Keep
	switch data[1] {
	case isNegative:
		text := string(payload)
		if text == "" {
			return nil, fmt.Errorf("%w: its negative answer has no text", ErrCorrupt)
		}
		return entry.NewNegative[V](created, entry.Negative{Err: errors.New(text), Text: text, UpdateAfter: updateAfter, ExpiresAfter: expiresAfter}), nil
	case isKept:
		if len(payload) < keepSize || int64(binary.BigEndian.Uint64(payload)) <= 0 {
			return nil, fmt.Errorf("%w: it does not say for how long it is kept", ErrCorrupt)
		}
		keep, payload = entry.NewKeep(time.Duration(binary.BigEndian.Uint64(payload))), payload[keepSize:]
	}
	value, err := s.codec.Decode(slices.Clip(payload))
	if err != nil {
		return nil, ofValue(s.name, err)
	}
	e := entry.Restore(value, created, updateAfter, expiresAfter)
	e.SetKeep(keep)
	return e, nil
}

func (s *envelope[V]) checksum(record []byte) uint32 {
	return crc32.Update(crc32.Update(s.crc, castagnoli, record[:checksumAt]), castagnoli, record[headerSize:])
}

// after is the instant that the header puts so far from created. What lies
// outside of time is its end or its beginning, whatever the header says.
func after(created entry.Instant, delta int64) entry.Instant {
	if delta == toTheEnd {
		return entry.Never
	}
	return created.Add(time.Duration(delta))
}

var errNoText = errors.New("serde: a negative answer without a text can't be written: only errors that config.Remember names can")

var errNoEntry = errors.New("serde: Serialize is given no entry: a missing value is not stored")
