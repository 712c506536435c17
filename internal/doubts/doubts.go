// Package doubts remembers of which keys it is not known what a storage holds.
package doubts

import (
	"math"
	"sync"
	"sync/atomic"
	"time"

	"github.com/perennial-go/perennial/entry"
	"github.com/perennial-go/perennial/internal/digest"
)

// Max bounds the keys in doubt. Past it everything is that was created
// before.
const Max = 1 << 16

// Lateness is how long a write may still arrive that was given up, where the
// storage does not say that none does: see storage.Ordered. It is a bound that we
// set, for a network has none: by then a connection that was given up has been torn
// down by any client that has a timeout.
const Lateness = time.Minute

// Keys are the keys of which it is not known what the storage holds: a write
// has failed, or not come back in time. What it holds reads as missing until a
// later write has changed it. A write that was left may still arrive at any time
// before it comes back, so one that overlaps it settles nothing. Nor does one that
// changes nothing: a fill that is refused, an offer that waits for its store.
//
// What a failed write was to store may arrive when the key was invalidated, or set,
// since:
//
//	Set(1)   fails ················· arrives
//	Invalidate       acknowledged
//	a call                                   finds 1
//
// so such a key stays in doubt until nothing can arrive any more, and a write after
// that is acknowledged. Without an invalidation what arrives is only another value
// that is good.
type Keys[K comparable] struct {
	any  atomic.Bool // spares the lock while nothing is written or in doubt
	mu   sync.Mutex
	keys map[digest.Digest]*doubt

	steps  uint64 // writes that have ended or are known to have failed
	tidyIn int    // how many more keys to be asked for until those are looked for that are over

	overflowed atomic.Bool
	before     atomic.Int64 // what was created up to this instant is in doubt, once overflowed
	since      uint64       // the step at which it was set
}

// doubt is what is known of a key that is being written or in doubt.
type doubt struct {
	writing int           // writes that have not come back
	bad     bool          // one has failed or been left
	step    uint64        // the last one
	late    entry.Instant // until when something may arrive
	until   entry.Instant // no write that begins before settles anything
}

// LongAgo is before every instant, whatever the clock: nothing arrives late.
const LongAgo entry.Instant = math.MinInt64

// idle tells whether there is nothing left to know.
func (k *doubt) idle(now entry.Instant) bool { return k.writing == 0 && !k.bad && k.late <= now }

// Write is one write. of is nil where there was no room to follow it.
type Write struct {
	key   digest.Digest
	of    *doubt
	alone bool // no other was on its way when it began, nor can be any more
}

// Has tells whether a key is in doubt.
func (d *Keys[K]) Has(key K) bool {
	if !d.any.Load() {
		return false
	}
	of := digest.Of(key)
	d.mu.Lock()
	defer d.mu.Unlock()
	k := d.keys[of]
	return k != nil && k.bad
}

// Reject tells whether an entry is in doubt because of when it was created.
func (d *Keys[K]) Reject(created entry.Instant) bool {
	return d.overflowed.Load() && int64(created) <= d.before.Load()
}

// Begin is called before a write. fences says that what was stored before must not
// be found any more.
func (d *Keys[K]) Begin(key K, fences bool, now entry.Instant) Write {
	of := digest.Of(key)
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.keys == nil {
		d.keys = map[digest.Digest]*doubt{}
	}
	k := d.keys[of]
	if k == nil {
		if d.tidy(now); len(d.keys) >= Max {
			return Write{}
		}
		k = &doubt{late: LongAgo, until: LongAgo}
		d.keys[of] = k
		d.any.Store(true)
	}
	k.writing++
	if fences {
		k.fence(now)
	}
	return Write{key: of, of: k, alone: k.writing == 1 && k.until <= now}
}

func (d *Keys[K]) step(k *doubt) {
	d.steps++
	k.step = d.steps
}

// fence keeps a key in doubt until nothing can arrive that began before.
func (k *doubt) fence(now entry.Instant) {
	if now < k.late {
		k.bad, k.until = true, k.late
	}
}

// tidy drops the keys of which there is nothing left to know, at a cost that the
// writes since the last time share.
func (d *Keys[K]) tidy(now entry.Instant) {
	if d.tidyIn--; d.tidyIn > 0 {
		return
	}
	for key, k := range d.keys {
		if k.idle(now) {
			delete(d.keys, key)
		}
	}
	d.tidyIn = max(64, len(d.keys)) // at the bound too, where each key that finds no room asks
}

// End is called when a write has come back: acknowledged, if it has changed what
// is stored. What it was to store may arrive until late.
func (d *Keys[K]) End(w Write, acknowledged bool, now, late entry.Instant) {
	if w.of == nil {
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.step(w.of)
	w.of.writing--
	w.of.late = max(w.of.late, late)
	if acknowledged && w.alone {
		w.of.bad = false
	}
	if w.of.idle(now) {
		delete(d.keys, w.key)
	}
	d.any.Store(len(d.keys) > 0)
}

// Pending tells whether a write has not come back.
func (d *Keys[K]) Pending() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, k := range d.keys {
		if k.writing > 0 {
			return true
		}
	}
	return false
}

// Suspect is called when a write has failed or been left.
func (d *Keys[K]) Suspect(w Write, now entry.Instant) {
	if w.of == nil {
		d.Distrust(now)
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.any.Store(true)
	d.step(w.of)
	w.of.bad = true
	d.keys[w.key] = w.of // it may have come back between
}

// Distrust puts everything in doubt that was created up to an instant.
func (d *Keys[K]) Distrust(until entry.Instant) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.steps++
	d.since = d.steps
	d.before.Store(max(d.before.Load(), int64(until)))
	d.overflowed.Store(true)
}

// Clearing is called before the storage is cleared, and returns what cleared needs.
func (d *Keys[K]) Clearing(now entry.Instant) (since uint64) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, k := range d.keys {
		k.fence(now)
	}
	return d.steps
}

// Cleared is called when the storage has been cleared. It has settled what was over
// when that began; it may have passed a key before a later write came there.
func (d *Keys[K]) Cleared(since uint64, now entry.Instant) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.since <= since {
		d.overflowed.Store(false)
	}
	for key, k := range d.keys {
		if k.writing == 0 && k.step <= since && k.late <= now {
			delete(d.keys, key)
		}
	}
	d.any.Store(len(d.keys) > 0)
}
