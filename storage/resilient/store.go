package resilient

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"time"

	"github.com/perennial-go/perennial/storage"
)

// Store is a store of records that stays usable while the underlying store is away. It
// is a storage.Bytes. Its methods may be called concurrently. It runs one goroutine for
// each Watch, and at most one more while something waits or the store is away. Close it.
type Store struct {
	*core
	reader   *reader
	writer   *writer
	rewriter *rewriter
	delivery *delivery
}

// New makes a Store over another one, which stays the caller's to close. If that is a
// storage.VersionedBytes, the Store promises more: see the package's documentation.
func New(store storage.Bytes, opts ...Option) (*Store, error) {
	if store == nil {
		return nil, errors.New("resilient: the store is nil: give it one, such as redisstore.NewValues(client)")
	}
	s, err := newStore(store, opts)
	if err != nil {
		return nil, err
	}
	if v, ok := store.(storage.VersionedBytes); ok {
		s.backend.versions, s.backend.versioned = versioned{v}, true
		s.mirror.tellForgotten = true
		if s.writeAgain {
			s.backend.stateful, _ = store.(storage.StatefulBytes)
		}
	}
	return s, nil
}

// newStore makes a Store over one without versions.
func newStore(store storage.Bytes, opts []Option) (*Store, error) {
	c, err := newCore(store, opts)
	if err != nil {
		return nil, err
	}
	rewrites := &rewriter{core: c}
	reads := &reader{c, rewrites}
	delivers := &delivery{core: c, rewriter: rewrites, sender: sender{c, reads, rewrites}}
	c.outbox.deliver = delivers.onTimer
	return &Store{c, reads, &writer{c, reads, rewrites}, rewrites, delivers}, nil
}

// Get returns the key's record. If changes to the key wait in the queue, it is the
// record with these changes, else the one in the store. While the store is away, Get
// returns the copy of what was seen last, or no record if there is none (see FailAway).
// While a Watch of the key's prefix runs, Get answers from a current copy, without a
// round trip, for RecheckAfter.
func (s *Store) Get(ctx context.Context, key string) (storage.Record, error) {
	return s.reader.get(ctx, key)
}

// Set stores the value for the time given, whatever was there, and returns nil once
// the store has acknowledged it. If the store is away, or changes to the key wait
// already, Set queues the change and returns storage.ErrQueued. A queued value is
// stored only if nobody else has changed the record since it was last seen, else it is
// reported as a Conflict. Its time runs from now on; if it is over before the store is
// back, the record is deleted. A time of zero or less deletes the record.
//
// Other errors: those of the store, which leave everything as it is, ErrFull,
// ErrContended, ErrClosed, and that of the context, with which nobody knows whether the
// value was stored.
func (s *Store) Set(ctx context.Context, key string, value []byte, keep time.Duration) error {
	_, err := s.writer.write(ctx, key, value, keep)
	return err
}

// Delete deletes the key's record, or queues the deletion and returns
// storage.ErrQueued, as Set does. If it is queued, existed is what Get has told.
func (s *Store) Delete(ctx context.Context, key string) (existed bool, err error) {
	return s.writer.write(ctx, key, nil, 0)
}

// Keys yields the keys that begin with the prefix, in no particular order: those in the
// store and those that are to be stored, without those that are to be deleted. While the
// store is away they are those of the copies. A key may come twice. Errors: those of the
// store, and ErrUnsupported if it can't list its keys.
func (s *Store) Keys(ctx context.Context, prefix string) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) { s.reader.keys(ctx, prefix, yield) }
}

// Flush sends what waits, without waiting for the next attempt, and returns once nothing
// waits. If the store stays away, Flush tries again, as often as the Store does by
// itself, until the context ends; with a context that never ends it tries once. Then it
// returns a *LeftError, and what is left goes on waiting.
func (s *Store) Flush(ctx context.Context) error { return s.delivery.flush(ctx) }

// Close ends the Store: later calls return ErrClosed. Close flushes what waits, as Flush
// does. What is left is lost with the process: the *LeftError says what it is, and
// another Close tries again. The underlying store stays open.
func (s *Store) Close(ctx context.Context) error {
	s.lock()
	s.outbox.closed = true
	s.outbox.stopTimer()
	for w := range s.mirror.watches.running {
		w.stop()
	}
	s.unlock()
	err := s.Flush(ctx)
	s.end()
	return err
}

// MaxKey returns the longest key of the underlying store, 0 if it has no limit.
func (s *Store) MaxKey() int {
	if limit, ok := s.backend.store.(storage.KeyLimit); ok {
		return limit.MaxKey()
	}
	return 0
}

// String names the underlying store.
func (s *Store) String() string {
	if named, ok := s.backend.store.(fmt.Stringer); ok {
		return "resilient(" + named.String() + ")"
	}
	return fmt.Sprintf("resilient(%T)", s.backend.store)
}
