package resilient

import (
	"bytes"
	"context"
	"time"

	"github.com/perennial-go/perennial/storage"
)

// attempts is how often a change is tried while others change the same record.
const attempts = 100

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
	_, err := s.write(ctx, key, value, keep)
	return err
}

// Delete deletes the key's record, or queues the deletion and returns
// storage.ErrQueued, as Set does. If it is queued, existed is what Get has told.
func (s *Store) Delete(ctx context.Context, key string) (existed bool, err error) {
	return s.write(ctx, key, nil, 0)
}

func (s *Store) write(ctx context.Context, key string, value []byte, keep time.Duration) (existed bool, err error) {
	if err := ctx.Err(); err != nil {
		return false, err
	}
	if err := s.turns.take(ctx, key); err != nil {
		return false, err
	}
	defer s.turns.give(key)
	if keep <= 0 {
		value, keep = nil, 0
	} else if value = bytes.Clone(value); value == nil {
		value = []byte{}
	}
	for try := range attempts {
		s.mu.Lock()
		if err := s.ready(); err != nil {
			s.unlock()
			return false, err
		}
		now := s.clock.Now()
		s.yield(key)
		if s.local(key) {
			r, _ := s.known(key)
			err := s.enqueue(key, partOf(value, keep, now), s.copyOf(key, value, keep, now), nil, now)
			s.unlock()
			return r.Found, queuedUnless(err)
		}
		c, era := s.copies.get(key), s.breaker.era
		was, sure := c.version(now)
		found := c != nil && c.record(now).Found
		s.unlock()
		if (!sure || try > 0) && !s.blind { // or the copy is out of date
			at, verdict, err := s.look(ctx, era, key)
			if verdict == Away || verdict == Unknown {
				continue // and is queued
			}
			if err != nil {
				return false, err
			}
			was, found = at.Version, at.Found
		}
		change := storage.Change{Item: storage.Item{Key: key, Value: value, Keep: keep}, Was: was, Becomes: s.ground.becomes(value, keep)}
		made, existed, err := s.change(ctx, era, change, partOf(value, keep, now))
		if err != nil || made {
			return existed || found && !s.blind, err
		}
		if err := s.pause(ctx, try); err != nil {
			return false, err
		}
	}
	return false, ErrContended
}

// change makes a change for which it is the key's turn and nothing waits, or
// queues its part where the store goes away. It is not made where others have
// changed the record.
func (s *Store) change(ctx context.Context, era uint64, c storage.Change, one part) (made, existed bool, _ error) {
	s.mu.Lock()
	flight := s.takesOff(c)
	s.unlock()
	sent := s.clock.Now()
	verdict, err := s.call(ctx, era, c.Key, func(ctx context.Context) (err error) {
		made, existed, err = s.send(ctx, c)
		return err
	})
	s.mu.Lock()
	defer s.unlock()
	defer s.lands(c.Key, flight)
	now := s.clock.Now()
	switch {
	case verdict == Away || verdict == Unknown:
		result := s.copyOf(c.Key, c.Value, c.Keep, sent)
		r, _ := s.known(c.Key)
		if err := s.enqueue(c.Key, one, result, &attempt{change: c, end: result.end, covers: 1, first: sent}, now); err != nil {
			s.doubt(c)
			return false, false, err
		}
		return true, r.Found, storage.ErrQueued
	case err != nil && verdict == 0: // the caller has left
		s.doubt(c)
		return false, false, err
	case err != nil:
		return false, false, err
	case !made:
		return false, false, nil
	}
	s.overtakes(s.keep(c, endOf(c.Keep, now), flight, false, nil))
	return true, existed, nil
}

// queuedUnless is what a change returns that was queued, unless that failed.
func queuedUnless(err error) error {
	if err != nil {
		return err
	}
	return storage.ErrQueued
}

// send is the change in the store beneath, by the means that it has.
func (s *Store) send(ctx context.Context, c storage.Change) (made, existed bool, err error) {
	switch {
	case !s.blind:
		made, err = s.ground.swap(ctx, c)
		return made, false, err
	case c.Keep <= 0:
		existed, err = s.store.Delete(ctx, c.Key)
		return err == nil, existed, err
	}
	err = s.store.Set(ctx, c.Key, c.Value, c.Keep)
	return err == nil, false, err
}

// doubt puts down that a change may have been made.
func (s *Store) doubt(c storage.Change) {
	*s.epoch(c.Key)++
	old := s.copies.get(c.Key)
	if old == nil {
		return
	}
	is := append(old.versions(s.clock.Now()), versionOf(c))
	if len(is) > maxVersions {
		s.copies.drop(c.Key)
		return
	}
	s.putCopy(&copied{key: old.key, value: old.value, found: old.found, end: old.end, is: is})
}

// maxVersions is how many changes may be in doubt until the copy is forgotten.
const maxVersions = 8

// versionOf is what the record is after the change.
func versionOf(c storage.Change) string {
	if c.Keep <= 0 {
		return ""
	}
	return c.Becomes
}

// copyOf is a copy of what is stored now, or deleted. The value is its own.
func (s *Store) copyOf(key string, value []byte, keep time.Duration, now time.Time) *copied {
	c := &copied{key: key, value: value, found: keep > 0}
	if c.found {
		c.end = endOf(keep, now)
	}
	return c
}

// pause lets others come to an end, and the longer the more often they came first.
func (s *Store) pause(ctx context.Context, try int) error {
	if try < 2 {
		return ctx.Err()
	}
	return s.await(ctx, s.random(time.Millisecond<<min(try, 6)))
}

func partOf(value []byte, keep time.Duration, now time.Time) part {
	if keep <= 0 {
		return part{kind: deletes}
	}
	return part{kind: sets, value: value, end: endOf(keep, now)}
}
