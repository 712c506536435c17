package boltstore

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"github.com/perennial-go/perennial/storage"
	"go.etcd.io/bbolt"
)

// Errors of a Store.
var (
	// ErrClosed says that the store was closed.
	ErrClosed = errors.New("boltstore: the store is closed: open it again")
	// ErrInDoubt says that a context ended while the write was under way.
	ErrInDoubt = errors.New("boltstore: the write was left before its end and may take effect or not: repeat it, or read what is there")
	// ErrInUse says that somebody else has the file.
	ErrInUse = errors.New("boltstore: the file is in use")
	// ErrForeign says that the file belongs to another program.
	ErrForeign = errors.New("boltstore: the file is another program's")
	// ErrKey says that a key is too long.
	ErrKey = errors.New("boltstore: the key is too long")
	// ErrTooLarge says that a record is larger than the capacity.
	ErrTooLarge = errors.New("boltstore: the record is too large")
)

// Store is an open file of records. Its methods may be called concurrently. It
// is a storage.Bytes, and BulkBytes, AdderBytes, ToucherBytes,
// ListerBytes, SwapperBytes and KeyLimit besides. It runs no goroutine.
type Store struct {
	path     string
	options  Options
	capacity int64
	db       *bbolt.DB
	file     *os.File // the one that db has
	readers  readers
	claims   *claims
	turn     chan struct{} // held by who commits
	used     int64         // what the records are taken to need; of who has the turn
	closed   bool          // of who has the turn
	broken   atomic.Pointer[DamageError]

	mu     sync.Mutex
	queue  []*write
	damage *DamageError
}

var _ interface {
	storage.Bytes
	storage.BulkBytes
	storage.AdderBytes
	storage.ToucherBytes
	storage.ListerBytes
	storage.SwapperBytes
	storage.KeyLimit
} = (*Store)(nil)

// Get returns the key's record. A damaged record is ErrRecord, and not found.
func (s *Store) Get(ctx context.Context, key string) (rec storage.Record, err error) {
	if err := s.ready(ctx); err != nil {
		return rec, err
	}
	defer s.survive(debug.SetPanicOnFault(true), &err)
	r, err := s.readers.take(s.db) // what view does, which would allocate
	if err != nil {
		return rec, err
	}
	rec, err = read(r.records, key, s.options.Clock.Now())
	return rec, errors.Join(err, s.readers.putBack(r))
}

// find is what the file has for a key; ok is false where that is nothing. The
// value is the file's, for the time of the transaction.
func find(records *bbolt.Cursor, key string, now time.Time) (value []byte, end int64, ok bool, err error) {
	var short [64]byte // most keys need no memory
	k := appendKey(short[:0], key)
	at, r := records.Seek(k)
	if !bytes.Equal(at, k) {
		return nil, 0, false, nil
	}
	end, _, value, err = unseal(k, r)
	if err != nil {
		return nil, 0, false, fmt.Errorf("%w: key %s", err, shown(key))
	}
	return value, end, end > nanos(now), nil
}

// read is the record of a key.
func read(records *bbolt.Cursor, key string, now time.Time) (storage.Record, error) {
	value, end, ok, err := find(records, key, now)
	if !ok {
		return storage.Record{}, err
	}
	return storage.Record{Value: copied(value), Left: left(now, end), Found: true}, nil
}

// copied is never nil, for a value may be empty.
func copied(value []byte) []byte {
	c := make([]byte, len(value))
	copy(c, value)
	return c
}

// Set stores a value. A key that is too long is ErrKey, a record that is too large
// ErrTooLarge.
func (s *Store) Set(ctx context.Context, key string, value []byte, keep time.Duration) error {
	return s.SetMany(ctx, []storage.Item{{Key: key, Value: value, Keep: keep}})
}

// Delete deletes the key's record.
func (s *Store) Delete(ctx context.Context, key string) (existed bool, err error) {
	there, err := s.DeleteMany(ctx, []string{key})
	return err == nil && there[0], err
}

// Add is Set where Get would find nothing. A damaged record is replaced.
func (s *Store) Add(ctx context.Context, key string, value []byte, keep time.Duration) (added bool, err error) {
	if err := s.fits(key, value, keep); err != nil {
		return false, err
	}
	k, r := inFile(key), draft(value)
	return update(ctx, s, func(t *table) (bool, error) {
		if t.has(k) {
			return false, nil
		}
		return true, t.set(key, k, r, keep)
	})
}

// Touch keeps the records for keep from now on, all in one transaction.
func (s *Store) Touch(ctx context.Context, keep time.Duration, keys ...string) ([]bool, error) {
	if len(keys) == 0 {
		return nil, ctx.Err()
	}
	if keep <= 0 {
		return s.DeleteMany(ctx, keys)
	}
	return update(ctx, s, func(t *table) ([]bool, error) {
		there := make([]bool, len(keys))
		for i, key := range keys {
			k := inFile(key)
			if there[i] = t.has(k); !there[i] {
				continue
			}
			if err := t.move(k, endOf(t.now, keep)); err != nil {
				return nil, err
			}
		}
		return there, nil
	})
}

// MaxKey returns the length of the longest key that bbolt takes.
func (s *Store) MaxKey() int { return maxKey }

// KeepsOrder implements storage.Ordered: writes are committed in the order of the calls,
// also if a caller has left.
func (s *Store) KeepsOrder() bool { return true }

// String names the file.
func (s *Store) String() string { return "bolt://" + s.path }

// Close waits for the calls that run, flushes what they wrote to the disk, and
// closes the file. Calls that come later return ErrClosed. It may be called
// again.
func (s *Store) Close() error {
	s.turn <- struct{}{}
	defer func() { <-s.turn }()
	if s.closed {
		return nil
	}
	s.closed = true
	if s.broken.Load() != nil {
		return s.file.Close() // bbolt may have kept a lock; what it mapped stays until the process ends
	}
	var flushed error
	if s.options.NoSync {
		flushed = s.db.Sync()
	}
	return errors.Join(flushed, s.readers.close(), s.db.Close())
}
