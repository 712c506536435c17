// Package tagindex knows which entries carry which tag, and when each tag was last
// invalidated.
//
// Instants are numbers of one clock, which ticks with every invalidation. A publisher
// (a load, a restore) notes it when it begins, and learns the tags of its value at its
// end:
//
//	publisher   begins ─ asks ....................... enters the index, compares
//	Invalidate                 records ─ looks
//
// To enter and compare is one step under the index's lock, and to record and look is
// another. So either the publisher sees that a tag of its value was invalidated since it
// began, and its value is not stored; or Invalidate finds the key in the index, and
// invalidates it as any other. From Enter to Settle a key counts as one that carries the
// tags, whatever is stored.
//
// Entries are not told of. An item of the index is a key and the instant at which its
// entry was created; it is live if that is what the storage has. What is dead is found
// and dropped by Tidy, a few items at a time, so that eviction and release cost nothing.
package tagindex

import (
	"cmp"
	"hash/maphash"
	"maps"
	"math"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/perennial-go/perennial/entry"
)

// MaxRecords is how many tags may have been invalidated while one publisher runs before
// the oldest of those invalidations count for every tag.
const MaxRecords = 64 << 10

// Index is the index of one function. Its methods may be called concurrently; none calls
// user code with its lock held. The zero value is ready to use.
type Index[K comparable] struct {
	clock atomic.Uint64 // invalidations so far; written with the lock held

	mu      sync.Mutex
	used    bool
	seed    maphash.Seed      // of the hashes; two tags of one hash are invalidated together
	running map[uint64]int    // how many publishers began at each instant
	records map[uint64]uint64 // the last invalidation of a tag, by its hash, while a publisher runs that began before it
	prune   int               // how many records there are to be before the needless ones are looked for
	horizon uint64            // the newest invalidation that is forgotten, and counts for all tags
	pending map[K]int         // keys whose entries are entered and may not be stored yet

	tags  map[string]*tag[K]
	order []*tag[K] // the same, for Tidy
	at    place     // where Tidy goes on
	items int
}

// tag is the entries that carry one. They are in no order.
type tag[K comparable] struct {
	name    string
	items   []item[K]
	removed uint64 // items so far, but for those that Forget has removed
	index   int    // where it stands in the order
}

type item[K comparable] struct {
	key     K
	created entry.Instant
}

// place is an item's, among tags in their order.
type place struct{ tag, item int }

// Now is the instant of the last invalidation.
func (x *Index[K]) Now() uint64 { return x.clock.Load() }

// Begin is the instant at which a publisher begins, which must End.
func (x *Index[K]) Begin() uint64 {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.running == nil {
		x.seed, x.running = maphash.MakeSeed(), map[uint64]int{}
	}
	x.used = true
	now := x.clock.Load()
	x.running[now]++
	return now
}

// End ends a publisher that began at an instant.
func (x *Index[K]) End(began uint64) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.running[began]--; x.running[began] == 0 {
		delete(x.running, began)
	}
	if len(x.running) == 0 { // whoever begins now is newer than all records
		x.records, x.prune = nil, 0
	}
}

// Used tells whether anything was ever to have tags.
func (x *Index[K]) Used() bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.used
}

// outdated tells whether a tag was invalidated since an instant. The lock is held.
func (x *Index[K]) outdated(tags []string, began uint64) bool {
	return x.horizon > began || len(x.records) > 0 && slices.ContainsFunc(tags, func(name string) bool { return x.records[maphash.String(x.seed, name)] > began })
}

// Always is the begin of a publisher that nothing can outdate before it enters.
const Always = math.MaxUint64

// Enter says that an entry with these tags is about to be stored, by a publisher that
// began at an instant. It is false, and nothing is entered, if a tag was invalidated
// since. Else the caller calls Settle once the entry is stored, or is not going to be and
// nobody can get it any more. Tags are distinct, and there are some. again says that the
// storage has an entry of the key that was created at the same instant, whose items would
// be taken for this one's.
func (x *Index[K]) Enter(key K, created entry.Instant, tags []string, began uint64, again bool) bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.outdated(tags, began) {
		return false
	}
	x.hold(key)
	it := item[K]{key, created}
	for _, name := range tags {
		t := x.tag(name)
		if again && slices.Contains(t.items, it) {
			continue
		}
		t.items = append(grown(t.items), it)
		x.items++
	}
	return true
}

// tag finds or makes a tag. The lock is held.
func (x *Index[K]) tag(name string) *tag[K] {
	if t := x.tags[name]; t != nil {
		return t
	}
	if x.tags == nil {
		x.tags = map[string]*tag[K]{}
	}
	t := &tag[K]{name: strings.Clone(name), index: len(x.order)} // it may be a part of a large text
	x.tags[t.name] = t
	x.order = append(x.order, t)
	return t
}

// grown has room for one more: a fourth more than there is, for append would double it.
func grown[T any](s []T) []T {
	if len(s) < cap(s) {
		return s
	}
	return append(make([]T, 0, len(s)+max(1, len(s)/4)), s...)
}

// Hold keeps the items of a key until Settle, for one who stores its entry again.
func (x *Index[K]) Hold(key K) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.hold(key)
}

func (x *Index[K]) hold(key K) {
	if x.pending == nil {
		x.pending = map[K]int{}
	}
	x.used = true
	x.pending[key]++
}

// Settle ends what Enter or Hold began.
func (x *Index[K]) Settle(key K) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.pending[key]--; x.pending[key] <= 0 {
		delete(x.pending, key)
	}
}

// Found is the entries that carry a tag.
type Found[K comparable] struct {
	tag     *tag[K]
	removed uint64
	items   []item[K]
	pending map[K]int
}

// Invalidate records that a tag is invalidated now, and returns the entries that carry
// it.
func (x *Index[K]) Invalidate(name string) Found[K] {
	x.mu.Lock()
	defer x.mu.Unlock()
	now := x.clock.Add(1)
	if len(x.running) > 0 {
		x.record(name, now)
	}
	t := x.tags[name]
	if t == nil {
		return Found[K]{}
	}
	return Found[K]{tag: t, removed: t.removed, items: slices.Clone(t.items), pending: maps.Clone(x.pending)}
}

func (x *Index[K]) record(name string, now uint64) {
	if x.records == nil {
		x.records = map[uint64]uint64{}
	}
	x.records[maphash.String(x.seed, name)] = now
	if len(x.records) <= max(x.prune, 64) {
		return
	}
	first := now
	for began := range x.running {
		first = min(first, began)
	}
	maps.DeleteFunc(x.records, func(_, at uint64) bool { return at <= first })
	if len(x.records) > MaxRecords {
		x.forget(len(x.records) / 2)
	}
	x.prune = min(2*len(x.records), MaxRecords)
}

// forget makes the oldest n records one horizon for all tags.
func (x *Index[K]) forget(n int) {
	x.horizon = slices.Sorted(maps.Values(x.records))[n-1]
	maps.DeleteFunc(x.records, func(_, at uint64) bool { return at <= x.horizon })
}

// Keys calls yield with the keys of the entries that carry the tag, live or pending ones
// alone, until it returns false. No lock is held.
func (f *Found[K]) Keys(live func(key K, created entry.Instant) bool, yield func(key K) bool) {
	for _, it := range f.items {
		_, pending := f.pending[it.key]
		if (pending || live(it.key, it.created)) && !yield(it.key) {
			return
		}
	}
}

// Forget drops what was found, after all of it has been released. Where Tidy has changed
// the tag meanwhile, it is left to Tidy.
func (x *Index[K]) Forget(f Found[K]) {
	x.mu.Lock()
	defer x.mu.Unlock()
	t, n := f.tag, len(f.items)
	if n == 0 || t.removed != f.removed || len(t.items) < n {
		return
	}
	x.items -= n
	t.removed += uint64(n)
	t.items = slices.Clone(t.items[n:])
	x.drop(t)
}

// drop forgets a tag without items. The lock is held.
func (x *Index[K]) drop(t *tag[K]) {
	if len(t.items) > 0 || x.tags[t.name] != t {
		return
	}
	delete(x.tags, t.name)
	end := len(x.order) - 1
	last := x.order[end]
	x.order[t.index], last.index = last, t.index
	x.order[end] = nil
	x.order = x.order[:end]
	if len(x.order) == 0 {
		x.tags, x.order = nil, nil
	} else if cap(x.order) > 64 && len(x.order) < cap(x.order)/4 { // neither shrinks by itself
		x.order = append(make([]*tag[K], 0, 2*len(x.order)), x.order...)
		x.tags = make(map[string]*tag[K], len(x.order))
		for _, t := range x.order {
			x.tags[t.name] = t
		}
	}
}

// window is how many items Tidy looks at under one hold of the lock.
const window = 64

// Tidy looks at n items, or a few more, and drops those that are not live. To call it
// with four times as many as are entered keeps what is dead below about a third of what
// is live. live is called with no lock held.
func (x *Index[K]) Tidy(n int, live func(key K, created entry.Instant) bool) {
	var seen []visit[K]
	for n > 0 {
		seen = x.next(seen[:0], min(n, window))
		if len(seen) == 0 {
			return
		}
		n -= len(seen)
		dead := seen[:0]
		for _, v := range seen {
			if !live(v.item.key, v.item.created) {
				dead = append(dead, v)
			}
		}
		if len(dead) > 0 {
			x.remove(dead)
		}
	}
}

// visit is an item that Tidy looks at, and where it was seen.
type visit[K comparable] struct {
	tag  *tag[K]
	at   int
	item item[K]
}

// next is the next n items, but for those that are pending.
func (x *Index[K]) next(seen []visit[K], n int) []visit[K] {
	x.mu.Lock()
	defer x.mu.Unlock()
	if n = min(n, x.items); cap(seen) < n {
		seen = make([]visit[K], 0, n)
	}
	for range n {
		if x.at.tag >= len(x.order) {
			x.at = place{}
		}
		for x.at.item >= len(x.order[x.at.tag].items) {
			x.at.item = 0
			if x.at.tag++; x.at.tag == len(x.order) {
				x.at.tag = 0
			}
		}
		t := x.order[x.at.tag]
		if it := t.items[x.at.item]; !x.isPending(it.key) {
			seen = append(seen, visit[K]{t, x.at.item, it})
		}
		x.at.item++
	}
	return seen
}

func (x *Index[K]) isPending(key K) bool {
	_, pending := x.pending[key]
	return pending
}

// remove drops items that are still where they were seen. The last ones go first: the
// one at the end of a tag takes the place of one that goes.
func (x *Index[K]) remove(dead []visit[K]) {
	slices.SortFunc(dead, func(a, b visit[K]) int { return cmp.Compare(b.at, a.at) })
	x.mu.Lock()
	defer x.mu.Unlock()
	for _, v := range dead {
		t := v.tag
		if v.at >= len(t.items) || t.items[v.at] != v.item {
			continue
		}
		end := len(t.items) - 1
		t.items[v.at] = t.items[end]
		t.items[end] = item[K]{}
		t.items = t.items[:end]
		t.removed++
		x.items--
		if end > 8 && end < cap(t.items)/2 {
			t.items = append(make([]item[K], 0, end+end/8), t.items...)
		}
		x.drop(t)
	}
}

// Tags calls each with a tag, and keys and instants of entries that carry it. What is
// entered meanwhile may be left out. No lock is held.
func (x *Index[K]) Tags(each func(name string, key K, created entry.Instant)) {
	x.mu.Lock()
	tags := slices.Clone(x.order)
	x.mu.Unlock()
	for _, t := range tags {
		x.mu.Lock()
		items := slices.Clone(t.items)
		x.mu.Unlock()
		for _, it := range items {
			each(t.name, it.key, it.created)
		}
	}
}

// Size is how many tags and items the index holds, live or not, and how many records.
type Size struct{ Tags, Items, Records int }

// Size counts what the index holds.
func (x *Index[K]) Size() Size {
	x.mu.Lock()
	defer x.mu.Unlock()
	return Size{len(x.tags), x.items, len(x.records)}
}
