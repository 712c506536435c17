package memoize

import (
	"sync"
	"sync/atomic"

	"github.com/perennial-go/perennial/entry"
)

// maxDoubt bounds the keys in doubt. Past it everything is that was created
// before.
const maxDoubt = 1 << 16

// doubts are the keys of which it is not known what the storage holds: a write
// has failed, or not come back in time. What it holds reads as missing until a
// later write is acknowledged. A write that was left may still arrive at any
// time before it comes back, so one that overlaps it settles nothing.
type doubts[K comparable] struct {
	any  atomic.Bool // spares the lock while nothing is written or in doubt
	mu   sync.Mutex
	keys map[K]*doubt

	overflowed atomic.Bool
	before     atomic.Int64 // what was created up to this instant is in doubt, once overflowed
}

// doubt is what is known of a key that is being written or in doubt.
type doubt struct {
	writing int  // writes that have not come back
	bad     bool // one has failed or been left
}

// writing is one write. of is nil where there was no room to follow it.
type writing[K comparable] struct {
	key   K
	of    *doubt
	alone bool // no other was on its way when it began
}

func (d *doubts[K]) has(key K) bool {
	if !d.any.Load() {
		return false
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	k := d.keys[key]
	return k != nil && k.bad
}

// reject tells whether an entry is in doubt because there was no room to
// remember that its key is.
func (d *doubts[K]) reject(created entry.Instant) bool {
	return d.overflowed.Load() && int64(created) <= d.before.Load()
}

// begin is called before a write.
func (d *doubts[K]) begin(key K) writing[K] {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.keys == nil {
		d.keys = map[K]*doubt{}
	}
	k := d.keys[key]
	if k == nil {
		if len(d.keys) >= maxDoubt {
			return writing[K]{key: key}
		}
		k = new(doubt)
		d.keys[key] = k
		d.any.Store(true)
	}
	k.writing++
	return writing[K]{key: key, of: k, alone: k.writing == 1}
}

// end is called when a write has come back.
func (d *doubts[K]) end(w writing[K], acknowledged bool) {
	if w.of == nil {
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	w.of.writing--
	if acknowledged && w.alone {
		w.of.bad = false
	}
	if w.of.writing == 0 && !w.of.bad {
		delete(d.keys, w.key)
	}
	d.any.Store(len(d.keys) > 0)
}

// pending tells whether a write has not come back.
func (d *doubts[K]) pending() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, k := range d.keys {
		if k.writing > 0 {
			return true
		}
	}
	return false
}

// suspect is called when a write has failed or been left.
func (d *doubts[K]) suspect(w writing[K], now entry.Instant) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if w.of == nil {
		d.before.Store(int64(now))
		d.overflowed.Store(true)
		return
	}
	d.any.Store(true)
	w.of.bad = true
	d.keys[w.key] = w.of // it may have come back between
}

// cleared is called when the storage has been cleared.
func (d *doubts[K]) cleared() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.overflowed.Store(false)
	for key, k := range d.keys {
		if k.writing == 0 {
			delete(d.keys, key)
		}
	}
	d.any.Store(len(d.keys) > 0)
}
