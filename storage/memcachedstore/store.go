package memcachedstore

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/benbjohnson/clock"
	"github.com/bradfitz/gomemcache/memcache"
	"github.com/perennial-go/perennial/storage"
)

// Errors of a Store.
var (
	// ErrClosed says that the store was closed.
	ErrClosed = errors.New("memcachedstore: the store is closed: open it again")
	// ErrTooLarge says that a value is larger than the server takes, or MaxValue.
	ErrTooLarge = errors.New("memcachedstore: the value is too large: start memcached with a larger -I (say -I 8m; its default is 1m), raise MaxValue (max-value in a URL) where that is less, compress values (serde=json%2Bzstd), or make them smaller")
	// ErrContended says that others changed a record whenever it was tried to.
	ErrContended = errors.New("memcachedstore: too many change the same record at once: try again")
	// ErrSentTwice says that a connection was cut, a CompareAndSwap sent again, and the
	// record changed by others meanwhile.
	ErrSentTwice = errors.New("memcachedstore: the connection was cut and others have changed the record meanwhile, so that it can't be known whether it was done: look at the record before you do it again")
)

// attempts is how often a record is read and swapped, while others do the same.
const attempts = 100

// Store keeps records in memcached. Methods may be called concurrently. It implements
// storage.Bytes, AdderBytes, SwapperBytes and KeyLimit. It has goroutines only during calls.
type Store struct {
	nodes   []*node
	clock   clock.Clock
	max     int
	closed  chan struct{}
	closing sync.Once
}

var _ interface {
	storage.Bytes
	storage.AdderBytes
	storage.SwapperBytes
	storage.KeyLimit
} = (*Store)(nil)

// Option configures a Store.
type Option struct{ set func(s *Store) }

// Clock sets the clock of the store, say a mock in a test. For times beyond 30 days it must
// be set to the present. Default: the real clock.
func Clock(c clock.Clock) Option { return Option{func(s *Store) { s.clock = c }} }

// MaxValue is the largest value, in bytes, that is stored, and the most that the
// values of one answer may have together: an answer that says more is ErrAnswer and
// is not read. Each trip may take so much memory. Default: 64 MiB. With zero or less
// it is 1 GiB, which is the most that memcached takes.
func MaxValue(bytes int) Option {
	return Option{func(s *Store) {
		if s.max = bytes; bytes <= 0 || bytes > mostValue {
			s.max = mostValue
		}
	}}
}

const (
	defaultMaxValue = 64 << 20
	mostValue       = 1 << 30
)

// New makes a store of a client that you have set up; storage.Share takes it. As
// many calls run at a time as the client keeps idle connections, its MaxIdleConns:
// set that, for gomemcache's default is 2. Set its Timeout too: calls that were
// left keep their places so long. Close closes the client's connections.
//
// New puts its bounds in time and bytes (see the package's documentation) on the
// connections that the client opens from then on, by a DialContext around the one
// that it has: hand it over before anybody uses it, and set its fields before that.
// A DialContext that does not return when its context ends, and connections that
// don't keep to deadlines, can't be bounded: they hold their places.
func New(client *memcache.Client, opts ...Option) *Store {
	places := client.MaxIdleConns
	if places <= 0 {
		places = memcache.DefaultMaxIdleConns
	}
	return newStore([]*node{{name: "memcached", client: client, places: make(chan struct{}, min(places, mostPool))}}, opts)
}

func newStore(nodes []*node, opts []Option) *Store {
	s := &Store{nodes: nodes, clock: clock.New(), max: defaultMaxValue, closed: make(chan struct{})}
	for _, o := range opts {
		if o.set != nil {
			o.set(s)
		}
	}
	for _, n := range nodes {
		bound(n.client, s.max+headerSize)
	}
	return s
}

// Get returns the key's record, in one round trip. Data of another program is ErrForeign.
func (s *Store) Get(ctx context.Context, key string) (storage.Record, error) {
	_, r, err := s.get(ctx, onServer(key))
	if err != nil {
		return storage.Record{}, about(key, err)
	}
	return r.found(s.clock.Now()), nil
}

// get returns what the server has; item is nil where that is nothing.
func (s *Store) get(ctx context.Context, k string) (item *memcache.Item, r record, err error) {
	item, err = call(ctx, s, s.nodeOf(k), func(c *memcache.Client) (*memcache.Item, error) { return c.Get(k) })
	if errors.Is(err, memcache.ErrCacheMiss) {
		return nil, record{}, nil
	}
	if err != nil {
		return nil, record{}, err // the client may have an item, and more that it could not read
	}
	r, err = recordIn(k, item)
	return item, r, err
}

// Set stores a value, in one trip. It is ErrTooLarge over MaxValue and where the
// server has no room for one so large; nothing is there then.
func (s *Store) Set(ctx context.Context, key string, value []byte, keep time.Duration) error {
	k := onServer(key)
	if keep <= 0 {
		_, err := s.drop(ctx, k)
		return about(key, err)
	}
	if err := s.fits(value); err != nil {
		_, dropped := s.drop(ctx, k)
		return about(key, errors.Join(err, dropped))
	}
	now := s.clock.Now()
	item := newRecord(now, value, keep).item(k, now)
	return about(key, s.write(ctx, k, func(c *memcache.Client) error { return c.Set(item) }))
}

// fits is ErrTooLarge for a value over MaxValue.
func (s *Store) fits(value []byte) error {
	if len(value) > s.max {
		return fmt.Errorf("%w: it has %d bytes, MaxValue is %d", ErrTooLarge, len(value), s.max)
	}
	return nil
}

// write is a trip that brings nothing back.
func (s *Store) write(ctx context.Context, k string, f func(*memcache.Client) error) error {
	_, err := call(ctx, s, s.nodeOf(k), func(c *memcache.Client) (struct{}, error) { return struct{}{}, f(c) })
	return err
}

// Delete deletes the key's record, in two round trips if there is something. If several
// delete a record at once, one of them reports that it existed. One that reports the
// opposite may have deleted a record that was set meanwhile.
func (s *Store) Delete(ctx context.Context, key string) (existed bool, err error) {
	k := onServer(key)
	item, r, err := s.get(ctx, k)
	if item == nil {
		return false, about(key, err)
	}
	found := err == nil && r.left(s.clock.Now()) > 0
	dropped, err := s.drop(ctx, k)
	return found && dropped, about(key, err)
}

// drop deletes whatever the server has.
func (s *Store) drop(ctx context.Context, k string) (dropped bool, err error) {
	err = s.write(ctx, k, func(c *memcache.Client) error { return c.Delete(k) })
	if errors.Is(err, memcache.ErrCacheMiss) {
		return false, nil
	}
	return err == nil, err
}

// Add is Set if Get would find nothing. Data of another program is ErrForeign.
func (s *Store) Add(ctx context.Context, key string, value []byte, keep time.Duration) (added bool, err error) {
	if err := s.fits(value); err != nil {
		return false, about(key, err)
	}
	k := onServer(key)
	now := s.clock.Now()
	mine := newRecord(now, value, keep)
	if keep <= 0 {
		mine.end, mine.kept, mine.value = none, after(now, 0), nil
	}
	for range attempts {
		err := s.write(ctx, k, func(c *memcache.Client) error { return c.Add(mine.item(k, now)) })
		if !errors.Is(err, memcache.ErrNotStored) {
			return err == nil, about(key, err)
		}
		item, r, err := s.get(ctx, k)
		switch {
		case err != nil:
			return false, about(key, err)
		case item == nil:
			continue
		case r.generation == mine.generation: // an answer was lost
			return true, nil
		case r.left(now) > 0:
			return false, nil
		}
		swapped, err := s.swap(ctx, k, item, mine, now)
		if err != nil || swapped {
			return swapped, about(key, err)
		}
	}
	return false, about(key, ErrContended)
}

// swap stores a record in place of the item, unless that has changed.
func (s *Store) swap(ctx context.Context, k string, item *memcache.Item, r record, now time.Time) (bool, error) {
	next := r.item(k, now)
	next.CasID = item.CasID
	err := s.write(ctx, k, func(c *memcache.Client) error { return c.CompareAndSwap(next) })
	if hasChanged(err) {
		return false, nil
	}
	return err == nil, err
}

// hasChanged reports whether the server refuses to swap an item, for it is another one.
func hasChanged(err error) bool {
	return errors.Is(err, memcache.ErrCASConflict) || errors.Is(err, memcache.ErrCacheMiss) || errors.Is(err, memcache.ErrNotStored)
}

// MaxKey returns the length of the longest key that is not hashed.
func (s *Store) MaxKey() int { return maxKey }

// String names the servers.
func (s *Store) String() string {
	names := make([]string, len(s.nodes))
	for i, n := range s.nodes {
		names[i] = n.name
	}
	return "memcached://" + strings.Join(names, ",")
}

// Close waits for the trips that are under way and closes the connections. Calls
// that come later return ErrClosed. It may be called again. It waits for four times
// the timeout, which is what two attempts to connect and two trips may take, and a
// second more: what goes on after that is an error.
func (s *Store) Close() (err error) {
	s.closing.Do(func() {
		close(s.closed)
		ctx, cancel := context.WithTimeout(context.Background(), s.patience())
		defer cancel()
		for _, n := range s.nodes {
			err = errors.Join(err, n.close(ctx))
		}
	})
	return err
}

// patience is how long Close waits.
func (s *Store) patience() time.Duration {
	var timeout time.Duration
	for _, n := range s.nodes {
		timeout = max(timeout, timeoutOf(n.client))
	}
	return 4*min(timeout, time.Hour) + time.Second
}

// about names the key, quoted and cut, of an error.
func about(key string, err error) error {
	if err == nil {
		return nil
	}
	const most = 80
	if len(key) > most {
		key = strings.ToValidUTF8(key[:most], "") + "…"
	}
	return fmt.Errorf("%w: key %q", err, key)
}
