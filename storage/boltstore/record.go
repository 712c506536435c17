package boltstore

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"math"
	"time"

	"github.com/perennial-go/perennial/entry"
	"github.com/perennial-go/perennial/storage"
)

// ErrRecord says that a record does not match its checksum. It reads as missing
// and is overwritten by the next Set of its key.
var ErrRecord = fmt.Errorf("boltstore: %w: %w", storage.ErrUnreadable, errors.New("it is damaged: write it again"))

// A record is, in the bucket of records under its key,
//
//	checksum  4 bytes   CRC-32C of the key and of all that follows
//	end       8 bytes   Unix time in nanoseconds, or never
//	number    8 bytes   where it stands in the order of writing
//	value
const headerSize = 20

// never is the end of a record that has none.
const never = math.MaxInt64

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// draft is a record that has no number yet. The value is copied, for it may be
// changed once its writer no longer waits.
func draft(value []byte) []byte {
	r := make([]byte, headerSize+len(value))
	copy(r[headerSize:], value)
	return r
}

// seal makes a record of a draft.
func seal(key, r []byte, end int64, number uint64) {
	binary.BigEndian.PutUint64(r[4:], uint64(end))
	binary.BigEndian.PutUint64(r[12:], number)
	binary.BigEndian.PutUint32(r, checksum(key, r))
}

func checksum(key, r []byte) uint32 {
	return crc32.Update(crc32.Update(0, castagnoli, key), castagnoli, r[4:])
}

// unseal reads a record, which shares its value with r.
func unseal(key, r []byte) (end int64, number uint64, value []byte, err error) {
	if len(r) < headerSize || binary.BigEndian.Uint32(r) != checksum(key, r) {
		return 0, 0, nil, ErrRecord
	}
	return int64(binary.BigEndian.Uint64(r[4:])), binary.BigEndian.Uint64(r[12:]), r[headerSize:], nil
}

// nanos is a time as records have it.
func nanos(t time.Time) int64 { return int64(entry.At(t)) }

// endOf is when a record ends that is kept from now on.
func endOf(now time.Time, keep time.Duration) int64 {
	if keep == storage.Forever {
		return never
	}
	return int64(entry.At(now).Add(keep))
}

// left is how long a record lives yet.
func left(now time.Time, end int64) time.Duration {
	if end == never {
		return storage.Forever
	}
	return entry.Instant(end).Sub(entry.At(now))
}
