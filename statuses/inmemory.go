package statuses

import (
	"context"
	"hash/maphash"
	"iter"
	"sync"
	"sync/atomic"
	"time"

	"github.com/benbjohnson/clock"

	"github.com/perennial-go/perennial/internal/bind"
)

// InMemory is the registry of one function in one process. What it holds is
// bounded by what runs: a key with nothing going on has no record.
type InMemory[K comparable, V any] struct {
	bind.Once
	lockTimeout time.Duration
	clock       clock.Clock
	seed        maphash.Seed
	made        time.Time
	wakes       *sync.Pool // channels for one token: the first waiter of an update needs no new one
	shards      [16]shard[K, V]

	sequence   atomic.Uint64 // orders starts and fences of all keys
	superseded atomic.Int64  // fenced or late loads that still run
	late       atomic.Int64  // those of them that are late
}

// NewInMemory makes a registry. A lock timeout above zero ends an update that
// takes longer as if the method timeout had passed, for registries that are
// used without the engine: there the method timeout does that, and zero is
// what a function has by default. The clock may be nil, which is the real one.
func NewInMemory[K comparable, V any](lockTimeout time.Duration, c clock.Clock) *InMemory[K, V] {
	if c == nil {
		c = clock.New()
	}
	r := &InMemory[K, V]{lockTimeout: lockTimeout, clock: c, seed: maphash.MakeSeed(), made: time.Now()}
	r.wakes = &sync.Pool{New: func() any { return newWake() }}
	for i := range r.shards {
		r.shards[i].records = map[K]*record[K, V]{}
	}
	return r
}

func newWake() chan struct{} { return make(chan struct{}, 1) }

// shard holds the records of a part of the keys under one lock, which is held
// for a few steps at a time and never while anything is waited for.
type shard[K comparable, V any] struct {
	mu      sync.Mutex
	records map[K]*record[K, V]
	spare   *record[K, V] // the last that was dropped, for the next one
	_       [32]byte      // a cache line each
}

// record is what goes on for one key. It exists while anything does.
type record[K comparable, V any] struct {
	key       K
	current   *update[K, V] // who joins waits on this one
	next      *update[K, V] // asked for while current ran; starts when it ends
	older     *update[K, V] // those that were superseded and have not ended, the last one first
	running   int           // loads that run: current and superseded ones
	late      int           // those of them that are late
	fences    int           // invalidations that have not returned
	busy      bool          // somebody changes what is stored
	floor     uint64        // loads that began before this may not publish
	published uint64        // where the begin of the newest update that has published stands
	open      int           // updates that have begun and not been ended by their leader
	waiters   int           // who waits for a change
	changed   chan struct{} // closed at the next change, nil while nobody waits
}

// signal wakes whoever waits for the record to change.
func (rec *record[K, V]) signal() {
	if rec.changed != nil {
		close(rec.changed)
		rec.changed = nil
	}
}

// wait gives up the shard's lock until the record changes or the context ends.
func (rec *record[K, V]) wait(ctx context.Context, s *shard[K, V]) error {
	if rec.changed == nil {
		rec.changed = make(chan struct{})
	}
	changed := rec.changed
	rec.waiters++
	s.mu.Unlock()
	defer func() {
		s.mu.Lock()
		rec.waiters--
	}()
	select {
	case <-changed:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (rec *record[K, V]) idle() bool {
	return rec.open == 0 && rec.waiters == 0 && rec.fences == 0 && !rec.busy
}

func (r *InMemory[K, V]) shard(key K) *shard[K, V] {
	return &r.shards[maphash.Comparable(r.seed, key)%uint64(len(r.shards))]
}

// record finds or makes the key's record. The shard's lock is held.
func (s *shard[K, V]) record(key K) *record[K, V] {
	rec := s.records[key]
	if rec != nil {
		return rec
	}
	if rec, s.spare = s.spare, nil; rec == nil {
		rec = new(record[K, V])
	}
	rec.key = key
	s.records[key] = rec
	return rec
}

// settle is called, the lock held, after a record has changed.
func (s *shard[K, V]) settle(rec *record[K, V]) {
	rec.signal()
	s.drop(rec)
}

// drop forgets a record for which nothing goes on. An update that has ended may
// still point to it, and does not look at it. The lock is held.
func (s *shard[K, V]) drop(rec *record[K, V]) {
	if rec.idle() {
		delete(s.records, rec.key)
		*rec = record[K, V]{}
		s.spare = rec
	}
}

// Begin implements UpdateStatuses.
func (r *InMemory[K, V]) Begin(key K, claim Claim) (Update[V], Role) {
	s := r.shard(key)
	s.mu.Lock()
	defer s.mu.Unlock()
	rec := s.record(key)
	current := rec.current
	switch {
	case claim == Put:
		r.fence(rec)
		u := r.newUpdate(s, rec)
		u.phase, u.put, u.began = loading, true, rec.floor
		rec.current, rec.next = u, rec.current // what waits to load finds the value put
		s.settle(rec)
		return u, Lead
	case current == nil:
		rec.current = r.newUpdate(s, rec)
		rec.current.forced = claim == Force
		rec.current.leads(claim)
		if rec.running < 2 {
			return rec.current, Lead
		}
		return rec.current, Queued
	case claim == Idle:
		return current, Join
	case claim == Need:
		current.joins(false)
		return current, Join
	case current.phase == waiting: // its load begins after this claim
		current.forced = true
		current.joins(true)
		return current, Join
	case rec.next != nil:
		rec.next.forced = true // it may have been led by one who only needed a value
		rec.next.joins(true)
		return rec.next, Join
	}
	rec.next = r.newUpdate(s, rec)
	rec.next.forced = true
	rec.next.leads(claim)
	return rec.next, Queued
}

// leads notes that a caller leads, who waits unless the claim is Idle. The lock is held.
func (u *update[K, V]) leads(claim Claim) {
	if claim != Idle {
		u.open++
	}
}

// joins notes that a caller joins. The lock is held.
func (u *update[K, V]) joins(force bool) {
	u.joined, u.pressed = true, u.pressed || force
	u.open++
}

// Hold implements UpdateStatuses.
func (r *InMemory[K, V]) Hold(ctx context.Context, key K, fence bool) error {
	s := r.shard(key)
	s.mu.Lock()
	defer s.mu.Unlock()
	rec := s.record(key)
	if fence {
		r.fence(rec)
		rec.fences++
		rec.signal()
	}
	for rec.busy {
		if err := rec.wait(ctx, s); err != nil {
			if fence {
				rec.fences--
			}
			s.settle(rec)
			return err
		}
	}
	rec.busy = true
	return nil
}

// Free implements UpdateStatuses.
func (r *InMemory[K, V]) Free(key K, fence bool) {
	s := r.shard(key)
	s.mu.Lock()
	defer s.mu.Unlock()
	rec := s.record(key)
	rec.busy = false
	if fence {
		rec.fences--
	}
	s.settle(rec)
}

// fence supersedes every load of the key that has begun. An update whose load
// has not begun yet stays: what it will load is newer than the fence.
func (r *InMemory[K, V]) fence(rec *record[K, V]) {
	rec.floor = r.sequence.Add(1)
	u := rec.current
	if u == nil || u.phase == waiting {
		return
	}
	u.fenced = true
	if u.loads {
		r.superseded.Add(1)
	}
	u.older, rec.older = rec.older, u
	rec.detach(u)
}

// answer gives those who wait, and waited when a Set began, what it has brought:
//
//	a call    begins, its load runs ................ the Set's value ..... the load ends
//	Set                              begins  stores  ends
//
// What began after it is not answered: it may do so since something newer than the Set
// has come. A load of those runs on, and may still be late. The lock is held.
func (rec *record[K, V]) answer(put *update[K, V], o Outcome[V]) {
	o.Fenced = true
	for u := rec.older; u != nil; u = u.older {
		if u.began < put.began {
			u.release(o)
		}
	}
	if u := rec.next; rec.current == put && u != nil && !u.forced {
		u.release(o) // it waits for superseded loads, and need not load any more
		rec.next = nil
	}
}

// forget takes an update that has ended from the superseded ones. The lock is held.
func (rec *record[K, V]) forget(u *update[K, V]) {
	for at := &rec.older; *at != nil; at = &(*at).older {
		if *at == u {
			*at, u.older = u.older, nil
			return
		}
	}
}

// detach makes room for the key's next update.
func (rec *record[K, V]) detach(u *update[K, V]) {
	if rec.current == u {
		rec.current, rec.next = rec.next, nil
	}
}

// Keys implements UpdateStatuses.
func (r *InMemory[K, V]) Keys() iter.Seq[K] {
	return func(yield func(K) bool) {
		for i := range r.shards {
			s := &r.shards[i]
			s.mu.Lock()
			keys := make([]K, 0, len(s.records))
			for key := range s.records {
				keys = append(keys, key)
			}
			s.mu.Unlock()
			for _, key := range keys {
				if !yield(key) {
					return
				}
			}
		}
	}
}

// Counts is what runs in a registry.
type Counts struct {
	Keys       int // keys for which anything runs
	Superseded int // fenced or late loads that still run
	Late       int // late loads that still run
}

// Counts counts what runs now.
func (r *InMemory[K, V]) Counts() Counts {
	c := Counts{Superseded: int(r.superseded.Load()), Late: int(r.late.Load())}
	for i := range r.shards {
		s := &r.shards[i]
		s.mu.Lock()
		c.Keys += len(s.records)
		s.mu.Unlock()
	}
	return c
}
