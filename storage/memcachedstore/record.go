package memcachedstore

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"math"
	"math/rand/v2"
	"time"

	"github.com/bradfitz/gomemcache/memcache"
	"github.com/perennial-go/perennial/entry"
	"github.com/perennial-go/perennial/storage"
)

// ErrForeign says that what memcached has for a key was not written by this
// package, or not by this version of it, or is damaged.
var ErrForeign = fmt.Errorf("memcachedstore: %w: %w", storage.ErrUnreadable, errors.New("it is no record of this store: write it again, and give other programs another prefix or server"))

// A record is, under its key,
//
//	magic       4 bytes   with the version of the form
//	checksum    4 bytes   CRC-32C of the key and of all that follows
//	end         8 bytes   Unix time in nanoseconds, never, or none
//	kept        8 bytes   likewise: until when memcached keeps it
//	generation  8 bytes   another with each Set, for claims
//	value
//
// What is only claimed, or deleted by a fill, is a record that has ended. The order of
// its claims stands in memcached's flags.
type record struct {
	end, kept  int64
	generation uint64
	order      order
	value      []byte
}

const (
	magic      = 0xA7507201
	headerSize = 32

	none  = 0             // the end of a record that was never there
	never = math.MaxInt64 // the end of one that has none
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// newRecord is one that nobody has claimed.
func newRecord(now time.Time, value []byte, keep time.Duration) record {
	end := after(now, keep)
	return record{end: end, kept: end, generation: rand.Uint64(), value: value}
}

// item is what the client stores.
func (r record) item(key string, now time.Time) *memcache.Item {
	b := make([]byte, headerSize, headerSize+len(r.value))
	binary.BigEndian.PutUint32(b, magic)
	binary.BigEndian.PutUint64(b[8:], uint64(r.end))
	binary.BigEndian.PutUint64(b[16:], uint64(r.kept))
	binary.BigEndian.PutUint64(b[24:], r.generation)
	b = append(b, r.value...)
	binary.BigEndian.PutUint32(b[4:], checksum(key, b))
	return &memcache.Item{Key: key, Value: b, Flags: r.order.flags(), Expiration: expiration(now, r.kept)}
}

func checksum(key string, b []byte) uint32 {
	return crc32.Update(crc32.Update(0, castagnoli, []byte(key)), castagnoli, b[8:])
}

// recordOf reads what the client has got.
func recordOf(key string, b []byte) (record, error) {
	if len(b) < headerSize || binary.BigEndian.Uint32(b) != magic || binary.BigEndian.Uint32(b[4:]) != checksum(key, b) {
		return record{}, ErrForeign
	}
	return record{
		end:        int64(binary.BigEndian.Uint64(b[8:])),
		kept:       int64(binary.BigEndian.Uint64(b[16:])),
		generation: binary.BigEndian.Uint64(b[24:]),
		value:      b[headerSize:len(b):len(b)],
	}, nil
}

// recordIn reads an item that the client has got.
func recordIn(key string, item *memcache.Item) (record, error) {
	r, err := recordOf(key, item.Value)
	r.order = orderOf(item.Flags)
	return r, err
}

// left is how long the record lives yet: not at all if that is not above zero.
func (r record) left(now time.Time) time.Duration {
	if r.end == never {
		return storage.Forever
	}
	return time.Unix(0, r.end).Sub(now)
}

// found is what Get returns.
func (r record) found(now time.Time) storage.Record {
	left := r.left(now)
	if left <= 0 {
		return storage.Record{}
	}
	return storage.Record{Value: r.value, Left: left, Found: true}
}

// after is the instant so much later, or never.
func after(now time.Time, d time.Duration) int64 { return int64(entry.At(now).Add(d)) }

// expiration is the time that memcached is told: seconds, up to 30 days from
// now on, beyond that the date, and 0 for no end.
func expiration(now time.Time, until int64) int32 {
	const mostFromNow = 30 * 24 * 60 * 60
	if until == never {
		return 0
	}
	// One more, for a second of memcached's begins before the record is stored.
	seconds := int64(max(entry.Instant(until).Sub(entry.At(now)), 0)/time.Second) + 2
	if seconds > mostFromNow {
		seconds += now.Unix()
	}
	if seconds > math.MaxInt32 { // past what the client can say
		return 0
	}
	return int32(seconds)
}
