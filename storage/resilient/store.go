package resilient

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/benbjohnson/clock"

	"github.com/perennial-go/perennial/internal/coarse"
	"github.com/perennial-go/perennial/storage"
)

// Store is a store of records that goes on while the one beneath is away. It is a
// storage.Bytes. Its methods may be called concurrently; it runs no goroutine but
// one for each Watch, and while something waits or the store is away at most one more.
// Close it.
type Store struct {
	store      storage.Bytes
	ground     ground
	blind      bool // writes that need not wait are not compared: it has no versions
	deletes    bool // deletions are not compared either
	clock      clock.Clock
	timeout    time.Duration
	inDoubt    time.Duration
	dropOldest bool
	writesOn   storage.StatefulBytes // WriteAgain; nil without
	failAway   bool
	again      bool // WriteAgain is wanted
	judge      func(err error) Verdict
	log        func(e Event) // nil is silence
	observers  []func(e Event)
	random     func(below time.Duration) time.Duration

	turns turns
	limit atomic.Int64 // how long a call may take, in ns: see allowed
	late  atomic.Int32 // callers in succession whose deadlines came before the answer
	seed  maphash.Seed
	born  time.Time
	life  context.Context // of what runs in the background
	die   context.CancelFunc

	mu      sync.Mutex
	closed  bool
	breaker breaker
	copies  copies
	queue   queue
	epochs  [256]uint64 // what this Store has changed, by hash of the key
	heard   [256]uint64 // what watches were told of, likewise
	trust   uint64      // copies with another one may be out of date
	watches map[*watch]struct{}
	wanted  map[string]int     // prefixes that are to be watched, also while they can't be
	flights map[string]*flight // changes that are sent, by key
	state   string             // of the store beneath
	holds   time.Time          // since when it has it, where it has lost its data: what was sent before that it does not know again
	emptied time.Time          // when it was found to have lost its data
	beyond  int                // own records that were forgotten since it last had
	unsure  bool               // some own record is to be looked at again
	timer   *clock.Timer       // runs only while the store is away or something waits
	wait    time.Duration      // until the next delivery
	busy    chan struct{}      // while one delivers; is closed when it has
	rounds  uint64             // deliveries
	stuck   int                // of them in succession that could not deliver all
	counts  counts
	news    news
}

// New makes a Store over another, which stays its maker's to close. What it holds
// to, see the package's documentation, is decided by whether that is a
// storage.VersionedBytes.
func New(store storage.Bytes, opts ...Option) (*Store, error) {
	if store == nil {
		return nil, errors.New("resilient: the store is nil: give it one, such as redisstore.NewValues(client)")
	}
	s, err := newStore(store, opts)
	if err != nil {
		return nil, err
	}
	if v, ok := store.(storage.VersionedBytes); ok {
		s.ground, s.blind = versioned{v}, false
	}
	if s.again && !s.blind {
		s.writesOn, _ = store.(storage.StatefulBytes)
	}
	return s, nil
}

// newStore is a Store over one without versions.
func newStore(store storage.Bytes, opts []Option) (*Store, error) {
	s := &Store{
		store: store, ground: plain{store}, blind: true,
		clock: coarse.Clock(), timeout: DefaultTimeout, inDoubt: DefaultInDoubt, judge: JudgeError, log: logTo(nil),
		random: rand.N[time.Duration],
		copies: copies{most: DefaultCopy, mostBytes: DefaultCopySize},
		queue:  queue{most: DefaultQueue, mostBytes: DefaultQueueSize},
		seed:   maphash.MakeSeed(), trust: 1, watches: map[*watch]struct{}{}, wanted: map[string]int{},
		flights: map[string]*flight{},
	}
	s.life, s.die = context.WithCancel(context.Background())
	for _, o := range opts {
		if o.set == nil {
			return nil, errors.New("resilient: a zero Option: make options with the functions of this package")
		}
		o.set(s)
	}
	s.born = s.clock.Now()
	s.allow(s.timeout)
	return s, nil
}

// Get returns the key's record. If changes to the key wait in the queue, it is the
// record with these changes, else the one in the store. While the store is away, Get
// returns the copy of what was seen last, or no record if there is none (see FailAway).
// While a Watch of the key's prefix runs, Get answers from a current copy, without a
// round trip, for RecheckAfter.
func (s *Store) Get(ctx context.Context, key string) (storage.Record, error) {
	if err := ctx.Err(); err != nil {
		return storage.Record{}, err
	}
	for {
		s.mu.Lock()
		if err := s.ready(); err != nil {
			s.unlock()
			return storage.Record{}, err
		}
		if s.local(key) || s.current(key) {
			r, err := s.known(key)
			s.unlock()
			return own(r), err
		}
		era := s.breaker.era
		s.unlock()
		found, verdict, err := s.look(ctx, era, key)
		if verdict != Away && verdict != Unknown { // else the breaker is open now, or was meanwhile
			return found.Record, err
		}
	}
}

// ready tells whether the Store may be used.
func (s *Store) ready() error {
	if s.closed {
		return ErrClosed
	}
	return nil
}

// away tells whether nothing is to be sent.
func (s *Store) away() bool { return s.breaker.state != StateClosed }

// local tells whether the store beneath is not to be asked for the key: it is
// away, or something waits that comes first.
func (s *Store) local(key string) bool { return s.away() || s.queue.get(key) != nil }

// current tells whether the key's copy is known to be what the store has.
func (s *Store) current(key string) bool {
	if len(s.watches) == 0 || !s.watched(key) {
		return false
	}
	c := s.copies.get(key)
	return c != nil && c.trusted == s.trust && len(c.is) == 1 && s.clock.Since(c.since) < RecheckAfter
}

// known is the key's record without the store. Its value is not the reader's.
func (s *Store) known(key string) (storage.Record, error) {
	now := s.clock.Now()
	if p := s.queue.get(key); p != nil {
		return p.result.record(now), nil
	}
	if c := s.copies.get(key); c != nil {
		return c.record(now), nil
	}
	if s.failAway {
		return storage.Record{}, fmt.Errorf("%w: %q was not seen before", ErrAway, key)
	}
	return storage.Record{}, nil
}

// own is the record with a value that nobody else has.
func own(r storage.Record) storage.Record {
	r.Value = bytes.Clone(r.Value)
	return r
}

// look is lookAt for who has found that nothing of the key waits. Where something has
// come to wait meanwhile, what there is will be something else.
func (s *Store) look(ctx context.Context, era uint64, key string) (storage.Versioned, Verdict, error) {
	found, verdict, err := s.lookAt(ctx, era, key)
	s.mu.Lock()
	defer s.unlock()
	if err == nil && s.queue.get(key) != nil {
		return storage.Versioned{}, Away, errEmptied
	}
	return found, verdict, err
}

// lookAt asks the store for the key, and keeps a copy of what it says.
func (s *Store) lookAt(ctx context.Context, era uint64, key string) (found storage.Versioned, _ Verdict, _ error) {
	s.mu.Lock()
	began := s.now(key)
	s.unlock()
	verdict, err := s.call(ctx, era, key, func(ctx context.Context) (err error) {
		found, err = s.ground.look(ctx, key)
		return err
	})
	if err != nil {
		return storage.Versioned{}, verdict, err
	}
	s.mu.Lock()
	defer s.unlock()
	if s.suspects(key, found.Version) {
		s.unlock()
		same, err := s.askState(ctx, key)
		s.mu.Lock()
		if !same {
			return storage.Versioned{}, Away, err
		}
	}
	s.remember(found, key, began)
	return found, 0, nil
}

// moment is what makes a look out of date where it has moved since.
type moment struct{ epoch, heard, trust uint64 }

func (s *Store) now(key string) moment {
	h := s.hash(key)
	return moment{s.epochs[h], s.heard[h], s.trust}
}

// remember keeps a copy of what was looked at then, unless this Store has changed
// the record itself since.
func (s *Store) remember(found storage.Versioned, key string, began moment) {
	now := s.now(key)
	if now.epoch != began.epoch && s.copies.get(key) != nil {
		return
	}
	c := s.seen(found, key)
	if now != began {
		c.trusted, c.state = 0, ""
	}
	s.putCopy(c)
}

// seen is a copy of what the store says.
func (s *Store) seen(found storage.Versioned, key string) *copied {
	c := &copied{key: key, value: bytes.Clone(found.Value), found: found.Found, is: []string{found.Version}}
	if found.Found && found.Left > 0 { // else it can't tell
		c.end = endOf(found.Left, s.clock.Now())
	}
	if s.watched(key) {
		c.trusted, c.since = s.trust, s.clock.Now()
	}
	was := s.copies.get(key)
	if again := s.queue.get(key).again(); again != nil {
		was = again.copied
	}
	if was != nil && len(was.is) == 1 && was.is[0] == found.Version {
		c.own, c.made, c.replaced = was.own, was.made, was.replaced
		if c.trusted != 0 {
			c.state = s.state
		}
	}
	return c
}

// epoch moves whenever this Store changes a record whose key has this hash.
func (s *Store) epoch(key string) *uint64 { return &s.epochs[s.hash(key)] }

func (s *Store) hash(key string) int {
	return int(maphash.String(s.seed, key) % uint64(len(s.epochs)))
}

// MaxKey is the longest key of the store beneath, 0 where it has no limit.
func (s *Store) MaxKey() int {
	if limit, ok := s.store.(storage.KeyLimit); ok {
		return limit.MaxKey()
	}
	return 0
}

// String names the store beneath.
func (s *Store) String() string {
	if named, ok := s.store.(fmt.Stringer); ok {
		return "resilient(" + named.String() + ")"
	}
	return fmt.Sprintf("resilient(%T)", s.store)
}
