package storage

import (
	"math"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/benbjohnson/clock"

	"github.com/perennial-go/perennial/internal/coarse"

	"github.com/perennial-go/perennial/entry"
)

// records is what a Memory holds. Its methods are called with the lock held, but
// for init, empty and sweep, which take it; live and read need only that of
// readers.
type records struct {
	clock    clock.Clock
	base     time.Time // instants are nanoseconds since then
	capacity int64
	bubble   bool // it was made in a bubble of testing/synctest

	mu       sync.RWMutex
	byKey    map[string]*record
	claimed  int   // how many have no value
	size     int64 // what all cost
	next     uint64
	ring     ring
	ends     ends
	sweeper  sweeper
	versions map[string]*versions // of records that somebody has asked for theirs
	watchers []*watcher
}

// record is what there is for a key: a value, or claims to one, or both, or what
// versions it had.
type record struct {
	key        string
	value      []byte // never changed, but replaced
	has        bool   // whether there is a value
	used       atomic.Bool
	end        int64  // of the value
	generation uint64 // 0 where there is no claim
	claims     uint64 // of the generation
	filled     uint64 // the number of the last of these whose value was stored
	claimed    int64  // until when it is needed without a value

	before, behind *record // in the ring
	place          int     // among the ends
}

// never is the instant that does not come.
const never = math.MaxInt64

// recordCost is what a record takes besides its key and value: the record, its
// part of the map, its place among the ends, and what the allocator rounds up.
const recordCost = 160

func cost(key string, value []byte) int64 { return recordCost + int64(len(key)) + int64(len(value)) }

func (r *record) cost() int64 { return cost(r.key, r.value) }

func (r *record) liveAt(now int64) bool { return r.has && now < r.end }

// after is the instant so much later, or never.
func after(now int64, keep time.Duration) int64 { return int64(entry.Instant(now).Add(keep)) }

// until is how long it is from now to an instant.
func until(now, at int64) time.Duration { return entry.Instant(at).Sub(entry.Instant(now)) }

func (m *records) init() {
	m.base, m.bubble = m.clock.Now(), coarse.Bubble()
	m.byKey = map[string]*record{}
	m.next = rand.Uint64() // a claim of another store is not good here
	m.ring.init()
	m.sweeper.at = never
}

// now is the time since the store was made.
func (m *records) now() int64 { return int64(m.clock.Since(m.base)) }

// live is the key's record, or nil where it has no value or is over.
func (m *records) live(key string, now int64) *record {
	if r := m.byKey[key]; r != nil && r.liveAt(now) {
		return r
	}
	return nil
}

// read is what Get returns, but for the copy, and marks the record used.
func (m *records) read(key string, now int64) Record {
	r := m.live(key, now)
	if r == nil {
		return Record{}
	}
	if !r.used.Load() { // readers share it
		r.used.Store(true)
	}
	left := Forever
	if r.end != never {
		left = until(now, r.end)
	}
	return Record{Value: r.value, Left: left, Found: true}
}

// put does what Set does. The value is the store's from now on.
func (m *records) put(item Item, now int64) {
	m.putAs(item, "", now)
}

// putAs is put, with the version that the record becomes: "" for any.
func (m *records) putAs(item Item, version string, now int64) {
	if item.Keep <= 0 {
		m.removeAs(item.Key, version, now)
		return
	}
	r := m.byKey[item.Key]
	if r == nil {
		r = m.insert(item.Key)
	}
	r.unclaim()
	m.store(r, item, version, now)
}

// insert makes the key's record, with nothing in it.
func (m *records) insert(key string) *record {
	r := &record{key: key, place: nowhere}
	m.byKey[key] = r
	m.claimed++
	m.size += r.cost()
	m.ring.add(r)
	return r
}

// store gives a record a value, and leaves claims to it good.
func (m *records) store(r *record, item Item, version string, now int64) {
	m.size -= r.cost()
	if !r.has {
		m.claimed--
	}
	r.value, r.has, r.end = item.Value, true, after(now, item.Keep)
	m.size += r.cost()
	m.ring.toEnd(r)
	m.changed(r.key, version, true)
	if item.Keep <= 0 {
		m.outlive(r, now)
		return
	}
	m.schedule(r)
	m.evict(now, r)
}

// claim claims the key until the instant given.
func (m *records) claim(key string, now, until int64) claimToken {
	r := m.byKey[key]
	if r == nil {
		r = m.insert(key)
	}
	if r.generation == 0 {
		m.next = max(1, m.next+1)
		r.generation = m.next
	}
	r.claims++
	r.claimed = max(r.claimed, until)
	m.schedule(r)
	filled := r.filled
	if !r.liveAt(now) {
		filled = 0 // whoever claims it does not find the value
	}
	return claimToken{r.generation, r.claims, filled, until}
}

// unclaim makes the claims to a record good for nothing.
func (r *record) unclaim() {
	r.generation, r.claims, r.filled, r.claimed = 0, 0, 0, 0
}

// remove drops the key's record and every claim to it, and tells whether it was
// live.
func (m *records) remove(key string, now int64) (existed bool) {
	return m.removeAs(key, "", now)
}

// removeAs is remove, with the version that the deletion makes, if any.
func (m *records) removeAs(key, version string, now int64) (existed bool) {
	r := m.byKey[key]
	if r == nil {
		return false
	}
	existed = r.liveAt(now)
	r.unclaim()
	if !r.has || r.end > now {
		r.end = now
	}
	m.end(r, version, now)
	return existed
}

func (m *records) drop(r *record) {
	if r.has {
		m.changed(r.key, "", false)
	} else {
		m.claimed--
	}
	delete(m.byKey, r.key)
	m.size -= r.cost()
	m.forget(r.key)
	m.ring.remove(r)
	m.ends.remove(r)
}

// outlive drops a record whose value is over, or the value alone where the rest
// is still needed.
func (m *records) outlive(r *record, now int64) { m.end(r, "", now) }

// end is outlive, with the version that it makes, if any.
func (m *records) end(r *record, version string, now int64) {
	if m.versions[r.key] != nil && (r.has || r.claimed == 0) {
		r.claimed = max(r.claimed, after(r.end, VersionsKept))
	}
	if r.claimed <= now {
		m.drop(r)
		return
	}
	if r.has {
		m.size -= int64(len(r.value))
		r.value, r.has = nil, false
		m.claimed++
		m.changed(r.key, version, false)
	} else if version != "" {
		m.makes(r.key, version)
	}
	m.schedule(r)
}

// schedule sees to it that a record goes when it is over.
func (m *records) schedule(r *record) {
	m.ends.put(r)
	m.arm()
}

// expire drops what is over, at most so many.
func (m *records) expire(now int64, most int) {
	for ; most > 0 && m.ends.nearest() <= now; most-- {
		m.outlive(m.ends[0], now)
	}
}

// evict puts records out until the rest fits, but for the one given.
func (m *records) evict(now int64, but *record) {
	if m.size <= m.capacity {
		return
	}
	m.expire(now, math.MaxInt)
	for m.size > m.capacity && (but == nil || len(m.byKey) > 1) { // which its versions may leave a little too large
		m.drop(m.ring.victim(but))
	}
}

// empty drops everything.
func (m *records) empty() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.sweeper.stop()
	clear(m.byKey)
	clear(m.versions)
	m.claimed, m.size, m.ends = 0, 0, nil
	m.ring.init()
	for _, w := range m.watchers {
		w.miss()
	}
}
