// Package backoff delays refreshes that keep failing.
package backoff

import (
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/perennial-go/perennial/entry"
	"github.com/perennial-go/perennial/internal/digest"
)

// Max bounds the keys whose refreshes are delayed at one time. Past it
// an arbitrary one is forgotten, which lets it be tried early.
const Max = 1 << 16

// Keys delay background refreshes of keys whose last one failed. A record
// is of use until the stale entry that it protects has expired.
type Keys[K comparable] struct {
	count  atomic.Int64 // spares the lock while nothing fails
	mu     sync.Mutex
	failed map[digest.Digest]failure
	sweep  int // how many records to hold before the next look for useless ones
}

type failure struct {
	times int
	until entry.Instant // no refresh before this
	end   entry.Instant // useless from here on
}

// Until is the instant before which the key is not to be refreshed.
func (b *Keys[K]) Until(key K) (entry.Instant, bool) {
	if b.count.Load() == 0 {
		return 0, false
	}
	of := digest.Of(key)
	b.mu.Lock()
	defer b.mu.Unlock()
	f, ok := b.failed[of]
	return f.until, ok
}

// Delay counts a failed refresh of a stale entry. The first delay is a tenth of
// the time for which the entry is stale, at most a second; it doubles up to a
// quarter of that time; chance takes off up to a half.
func (b *Keys[K]) Delay(key K, stale *entry.Meta, now entry.Instant) (entry.Instant, time.Duration) {
	due, end := stale.Ends()
	window := max(0, end.Sub(due))
	of := digest.Of(key)
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.failed == nil {
		b.failed = map[digest.Digest]failure{}
	}
	f, known := b.failed[of]
	if !known {
		b.makeRoom(now)
	}
	d := min(time.Second, window/10)
	for range f.times {
		if d *= 2; d >= window/4 {
			d = window / 4
			break
		}
	}
	d = d/2 + time.Duration(rand.Int64N(int64(d/2)+1))
	f = failure{times: f.times + 1, until: now.Add(d), end: end}
	b.failed[of] = f
	b.count.Store(int64(len(b.failed)))
	return f.until, d
}

// Clear forgets the key's failures.
func (b *Keys[K]) Clear(key K) {
	if b.count.Load() == 0 {
		return
	}
	of := digest.Of(key)
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.failed, of)
	b.count.Store(int64(len(b.failed)))
}

// makeRoom drops useless records whenever they have doubled, and an arbitrary
// one at the bound. The lock is held.
func (b *Keys[K]) makeRoom(now entry.Instant) {
	if len(b.failed) >= max(b.sweep, 64) {
		for of, f := range b.failed {
			if f.end <= now {
				delete(b.failed, of)
			}
		}
		b.sweep = 2 * len(b.failed)
	}
	if len(b.failed) >= Max {
		for of := range b.failed {
			delete(b.failed, of)
			break
		}
	}
}
