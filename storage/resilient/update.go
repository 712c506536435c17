package resilient

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"time"

	"github.com/perennial-go/perennial/storage"
)

// Update makes of the key's record what change says of it: a value and how long
// it is kept, with zero or less a deletion. It returns the record that there is
// then, also with storage.ErrQueued. With ErrNoChange the record stays as it is; any other error is returned,
// and changes nothing. No change of others is lost: the store takes the value
// only if the record is still what change was given, else change is called again.
//
// Where the store is away or something of the key waits already, the change is
// made to what Get returns, queued, and made again later to what the store has
// then; so it must be right for that too: append to what is there, don't store
// what was there before. It is called until it has succeeded once, later on
// another goroutine, and must neither use the Store nor wait for it. If it fails
// or panics later, it is Dropped. What it holds counts for the bound of the Queue
// where that is said: see Holds.
//
// Errors besides: as of Set, and ErrNoVersions.
func (s *Store) Update(ctx context.Context, key string, change func(now storage.Record) (value []byte, keep time.Duration, err error), opts ...UpdateOption) (storage.Record, error) {
	if s.blind {
		return storage.Record{}, ErrNoVersions
	}
	one := part{kind: updates, apply: change}
	for _, o := range opts {
		if o.set == nil {
			return storage.Record{}, errors.New("resilient: a zero UpdateOption: make one with Holds")
		}
		o.set(&one)
	}
	if err := ctx.Err(); err != nil {
		return storage.Record{}, err
	}
	if err := s.turns.take(ctx, key); err != nil {
		return storage.Record{}, err
	}
	defer s.turns.give(key)
	guess := true // that the copy is what the store has
	for try := range attempts {
		s.mu.Lock()
		if err := s.ready(); err != nil {
			s.unlock()
			return storage.Record{}, err
		}
		if s.local(key) {
			r, again, err := s.updateHere(key, one)
			if again {
				continue
			}
			return r, err
		}
		now, era, c := s.clock.Now(), s.breaker.era, s.copies.get(key)
		s.unlock()
		var at storage.Versioned
		was, sure := c.version(now)
		if guess = guess && sure; guess {
			at = storage.Versioned{Record: c.record(now), Version: was}
		} else {
			var verdict Verdict
			var err error
			if at, verdict, err = s.look(ctx, era, key); verdict == Away || verdict == Unknown {
				continue // and is queued
			}
			if err != nil {
				return storage.Record{}, err
			}
		}
		value, keep, err := one.first(at.Record)
		if err != nil {
			if guess { // it may be wrong for what the store has
				guess = false
				continue
			}
			if errors.Is(err, ErrNoChange) {
				return at.Record, nil
			}
			return storage.Record{}, err
		}
		value, keep = kept(value, keep)
		made, _, err := s.change(ctx, era, storage.Change{
			Item: storage.Item{Key: key, Value: value, Keep: keep}, Was: at.Version, Becomes: s.ground.becomes(value, keep),
		}, one)
		if made {
			return own(s.copyOf(key, value, keep, now).record(now)), err
		}
		if err != nil {
			return storage.Record{}, err
		}
		guess = false
		if err := s.pause(ctx, try); err != nil {
			return storage.Record{}, err
		}
	}
	return storage.Record{}, ErrContended
}

// UpdateOption says one thing about an Update.
type UpdateOption struct {
	set func(one *part)
}

// Holds tells how many bytes the function of an Update holds for as long as it waits,
// so that they count for the bound of the Queue: such as what it appends. It is asked
// each time when the function has been called on the caller's goroutine.
func Holds(bytes func() int) UpdateOption {
	return UpdateOption{func(one *part) { one.size = bytes }}
}

// first calls the function on its caller's goroutine, and asks what it holds then.
func (p *part) first(r storage.Record) (value []byte, keep time.Duration, err error) {
	value, keep, err = p.apply(own(r))
	if p.size != nil {
		p.holds = max(p.size(), 0)
	}
	return value, keep, err
}

// kept is what a change function has returned, as the Store's own.
func kept(value []byte, keep time.Duration) ([]byte, time.Duration) {
	if keep <= 0 {
		return nil, 0
	}
	if value == nil {
		return []byte{}, keep
	}
	return bytes.Clone(value), keep
}

// updateHere changes what the record is here, and queues the change. It is called
// with the lock held, and gives it back: the function is not called under it. It
// is to be done again where something has changed meanwhile.
func (s *Store) updateHere(key string, one part) (_ storage.Record, again bool, _ error) {
	p, c := s.queue.get(key), s.copies.get(key)
	var before *copied
	if p != nil {
		before = p.result
	}
	r, _ := s.known(key) // an update is right for whatever is there
	s.unlock()
	value, keep, err := one.first(r)
	if errors.Is(err, ErrNoChange) {
		if p != nil {
			return own(r), false, storage.ErrQueued
		}
		return own(r), false, nil
	}
	if err != nil {
		return storage.Record{}, false, err
	}
	value, keep = kept(value, keep)
	s.mu.Lock()
	defer s.unlock()
	if err := s.ready(); err != nil {
		return storage.Record{}, false, err
	}
	if q := s.queue.get(key); q != p || q != nil && q.result != before || q == nil && (!s.away() || s.copies.get(key) != c) {
		return storage.Record{}, true, nil
	}
	now := s.clock.Now()
	result := s.copyOf(key, value, keep, now)
	if err := s.enqueue(key, one, result, nil, now); err != nil {
		return storage.Record{}, false, err
	}
	return own(result.record(now)), false, storage.ErrQueued
}

// apply calls the function of an Update later, on a goroutine of its own, for
// which runtime.Goexit is as good as a panic. It does not wait for longer than the
// context allows.
func apply(ctx context.Context, change func(storage.Record) ([]byte, time.Duration, error), r storage.Record) (value []byte, keep time.Duration, err error) {
	type result struct {
		value []byte
		keep  time.Duration
		err   error
	}
	done := make(chan result, 1)
	go func() {
		out := result{err: errors.New("resilient: the function of an Update has ended its goroutine")}
		defer func() {
			if r := recover(); r != nil {
				out.err = fmt.Errorf("resilient: the function of an Update panicked: %v\n%s", r, debug.Stack())
			}
			done <- out
		}()
		value, keep, err := change(own(r))
		value, keep = kept(value, keep)
		out = result{value, keep, err}
	}()
	select {
	case out := <-done:
		return out.value, out.keep, out.err
	case <-ctx.Done():
		return nil, 0, errLeft
	}
}

// errLeft says that a delivery was given up.
var errLeft = errors.New("resilient: the delivery was given up")
