package resilient

import (
	"bytes"
	"context"
	"errors"
	"time"

	"github.com/perennial-go/perennial/storage"
)

// writer makes changes: in the backend, or in the outbox while the backend is away or a
// change of the key waits.
type writer struct {
	*core
	reader   *reader
	rewriter *rewriter
}

// attempts is how often a change is tried while others change the same record.
const attempts = 100

// write sets the key's record, or deletes it if keep is zero or less.
func (w *writer) write(ctx context.Context, key string, value []byte, keep time.Duration) (existed bool, err error) {
	if err := w.keys.lock(ctx, key); err != nil {
		return false, err
	}
	defer w.keys.unlock(key)
	value, keep = stored(value, keep)
	for try := range attempts {
		if err := w.lockOpen(); err != nil {
			return false, err
		}
		now := w.clock.Now()
		w.rewriter.yieldToNewer(key)
		if w.local(key) {
			r, _ := w.known(key)
			err := w.outbox.enqueue(key, newPart(value, keep, now), newCopy(key, value, keep, now), nil, now)
			w.unlock()
			return r.Found, err
		}
		c, generation := w.mirror.copies.get(key), w.breaker.generation
		was, sure := c.version(now)
		found := c != nil && c.record(now).Found
		w.unlock()
		if (!sure || try > 0) && w.backend.versioned { // or the copy is out of date
			at, verdict, err := w.reader.lookFree(ctx, generation, key)
			if verdict.away() {
				continue // and is queued
			}
			if err != nil {
				return false, err
			}
			was, found = at.Version, at.Found
		}
		change := w.backend.change(storage.Item{Key: key, Value: value, Keep: keep}, was)
		made, existed, err := w.change(ctx, generation, change, newPart(value, keep, now))
		if err != nil || made {
			return existed || found && w.backend.versioned, err
		}
		if err := w.pause(ctx, try); err != nil {
			return false, err
		}
	}
	return false, ErrContended
}

// update makes the update, as Store.Update describes it.
func (w *writer) update(ctx context.Context, key string, one part) (storage.Record, error) {
	if err := w.keys.lock(ctx, key); err != nil {
		return storage.Record{}, err
	}
	defer w.keys.unlock(key)
	guess := true // that the copy is what the store has
	for try := range attempts {
		if err := w.lockOpen(); err != nil {
			return storage.Record{}, err
		}
		if w.local(key) {
			r, again, err := w.updateHere(key, one)
			if again {
				continue
			}
			return r, err
		}
		now, generation, c := w.clock.Now(), w.breaker.generation, w.mirror.copies.get(key)
		w.unlock()
		var at storage.Versioned
		was, sure := c.version(now)
		if guess = guess && sure; guess {
			at = storage.Versioned{Record: c.record(now), Version: was}
		} else {
			found, verdict, err := w.reader.lookFree(ctx, generation, key)
			if verdict.away() {
				continue // and is queued
			}
			if err != nil {
				return storage.Record{}, err
			}
			at = found
		}
		value, keep, err := one.applyNow(at.Record)
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
		made, _, err := w.change(ctx, generation, w.backend.change(storage.Item{Key: key, Value: value, Keep: keep}, at.Version), one)
		if made {
			return cloned(newCopy(key, value, keep, now).record(now)), err
		}
		if err != nil {
			return storage.Record{}, err
		}
		guess = false
		if err := w.pause(ctx, try); err != nil {
			return storage.Record{}, err
		}
	}
	return storage.Record{}, ErrContended
}

// updateHere updates the record as it is known here, and queues the change. It is called
// with the lock held and releases it, for the function is not called under it. If
// something has changed meanwhile, it has to be done again.
func (w *writer) updateHere(key string, one part) (_ storage.Record, again bool, _ error) {
	p, c := w.outbox.get(key), w.mirror.copies.get(key)
	var before *recordCopy
	if p != nil {
		before = p.result
	}
	r, _ := w.known(key) // an update is right for whatever is there
	w.unlock()
	value, keep, err := one.applyNow(r)
	if errors.Is(err, ErrNoChange) {
		if p != nil {
			return cloned(r), false, storage.ErrQueued
		}
		return cloned(r), false, nil
	}
	if err != nil {
		return storage.Record{}, false, err
	}
	if err := w.lockOpen(); err != nil {
		return storage.Record{}, false, err
	}
	defer w.unlock()
	if q := w.outbox.get(key); q != p || q != nil && q.result != before || q == nil && (!w.breaker.away() || w.mirror.copies.get(key) != c) {
		return storage.Record{}, true, nil
	}
	now := w.clock.Now()
	result := newCopy(key, value, keep, now)
	if err := w.outbox.enqueue(key, one, result, nil, now); err != storage.ErrQueued {
		return storage.Record{}, false, err
	}
	return cloned(result.record(now)), false, storage.ErrQueued
}

// change makes a change in the backend, or queues its part if the backend goes away. The
// caller has locked the key, and nothing of it waits. The change is not made if others
// have changed the record.
func (w *writer) change(ctx context.Context, generation uint64, c storage.Change, one part) (made, existed bool, _ error) {
	w.lock()
	f := w.mirror.begin(c)
	w.unlock()
	sent := w.clock.Now()
	verdict, err := w.link.call(ctx, generation, c.Key, func(ctx context.Context) (err error) {
		made, existed, err = w.backend.write(ctx, c)
		return err
	})
	w.lock()
	defer w.unlock()
	defer w.mirror.end(c.Key, f)
	now := w.clock.Now()
	switch {
	case verdict.away():
		result := newCopy(c.Key, c.Value, c.Keep, sent)
		r, _ := w.known(c.Key)
		if err := w.outbox.enqueue(c.Key, one, result, &attempt{change: c, end: result.end, covers: 1, first: sent}, now); err != storage.ErrQueued {
			w.mirror.doubt(c)
			return false, false, err
		}
		return true, r.Found, storage.ErrQueued
	case err != nil && verdict == 0: // the caller has left
		w.mirror.doubt(c)
		return false, false, err
	case err != nil:
		return false, false, err
	case !made:
		return false, false, nil
	}
	w.rewriter.overtaken(w.mirror.committed(c, endOf(c.Keep, now), f, false, nil))
	return true, existed, nil
}

// pause lets others finish, for longer the more often they came first.
func (w *writer) pause(ctx context.Context, try int) error {
	if try < 2 {
		return ctx.Err()
	}
	return w.sleep(ctx, w.random(time.Millisecond<<min(try, 6)))
}

// stored returns what is stored of a value: a clone that is not nil, or nothing if it is
// kept for no time.
func stored(value []byte, keep time.Duration) ([]byte, time.Duration) {
	if keep <= 0 {
		return nil, 0
	}
	if value == nil {
		return []byte{}, keep
	}
	return bytes.Clone(value), keep
}
