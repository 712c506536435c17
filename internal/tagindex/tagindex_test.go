package tagindex

import (
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/perennial-go/perennial/entry"
	"github.com/perennial-go/perennial/internal/checks"
)

// table is a storage: what is stored for a key was created at an instant.
type table map[int]entry.Instant

func (s table) live(key int, created entry.Instant) bool {
	at, ok := s[key]
	return ok && at == created
}

func (x *Index[K]) sound(t *testing.T) {
	t.Helper()
	x.mu.Lock()
	defer x.mu.Unlock()
	n := 0
	for i, tg := range x.order {
		n += len(tg.items)
		if tg.index != i || x.tags[tg.name] != tg || len(tg.items) == 0 {
			t.Fatalf("tag %q stands at %d, says %d, has %d items", tg.name, i, tg.index, len(tg.items))
		}
	}
	if n != x.items || len(x.tags) != len(x.order) {
		t.Fatalf("%d items, counted as %d; %d tags in the map and %d in the order", n, x.items, len(x.tags), len(x.order))
	}
}

func keysOf(f Found[int], live func(int, entry.Instant) bool) (keys []int) {
	f.Keys(live, func(key int) bool { keys = append(keys, key); return true })
	slices.Sort(keys)
	return slices.Compact(keys)
}

// Whatever is stored, replaced, touched, evicted and invalidated in which order: a tag
// has exactly the keys whose entries carry it, and the index stays small.
func TestG16TheIndexKnowsWhatIsStored(t *testing.T) {
	for range 10 {
		seed := rand.Uint64()
		r := rand.New(rand.NewPCG(seed, 0))
		var x Index[int]
		kept, tagsOf := table{}, map[int][]string{}
		names := make([]string, 20)
		for i := range names {
			names[i] = fmt.Sprint("tag ", i)
		}
		now, most := entry.Instant(0), 0
		for range 2000 {
			key := r.IntN(100)
			switch op := r.IntN(20); {
			case op < 14:
				if r.IntN(4) > 0 { // else it is created at the same instant as the last
					now++
				}
				var tags []string
				for range r.IntN(4) {
					tags = append(tags, names[r.IntN(len(names))])
				}
				slices.Sort(tags)
				tags = slices.Compact(tags)
				again := kept.live(key, now)
				if again { // its tags are taken for the old one's too
					tagsOf[key] = slices.Concat(tagsOf[key], tags)
				} else {
					tagsOf[key] = tags
				}
				if len(tags) > 0 {
					began := x.Begin()
					if !x.Enter(key, now, tags, began, again) {
						t.Fatalf("seed %d: outdated without an invalidation", seed)
					}
					x.End(began)
				}
				x.Tidy(4*len(tags), kept.live) // nothing that is pending goes
				kept[key] = now
				if len(tags) > 0 {
					x.Settle(key)
				}
			case op < 18:
				delete(kept, key)
				now++ // else what comes next could be taken for it
			default:
				name := names[r.IntN(len(names))]
				var want []int
				for key := range kept {
					if slices.Contains(tagsOf[key], name) {
						want = append(want, key)
					}
				}
				slices.Sort(want)
				f := x.Invalidate(name)
				if got := keysOf(f, kept.live); !slices.Equal(got, want) {
					t.Fatalf("seed %d: %s has %v, want %v", seed, name, got, want)
				}
				if r.IntN(2) == 0 {
					x.Tidy(r.IntN(100), kept.live)
				}
				for _, key := range want {
					delete(kept, key)
				}
				now++
				if r.IntN(2) == 0 {
					x.Forget(f)
				}
			}
			most = max(most, x.Size().Items)
		}
		x.sound(t)
		if most > 2*300 {
			t.Errorf("seed %d: up to %d items for at most 300", seed, most)
		}
		clear(kept)
		x.Tidy(x.Size().Items, kept.live)
		if s := x.Size(); s != (Size{}) || len(x.order) != 0 || len(x.pending) != 0 {
			t.Errorf("seed %d: of an empty storage there are %+v", seed, s)
		}
	}
}

// An invalidation that comes after a publisher began keeps its value out; one that comes
// after it has entered finds the key, whatever is stored.
func TestG16EnterAndInvalidate(t *testing.T) {
	var x Index[int]
	none := func(int, entry.Instant) bool { return false }
	tags := []string{"a", "b"}
	x.Invalidate("a")
	began := x.Begin()
	if !x.Enter(1, 1, tags, began, false) {
		t.Error("an invalidation before it began outdates it")
	}
	if got := keysOf(x.Invalidate("b"), none); !slices.Equal(got, []int{1}) {
		t.Errorf("what is entered is not found: %v", got)
	}
	x.Hold(1)
	x.Settle(1)
	x.Tidy(100, none)
	if got := keysOf(x.Invalidate("a"), none); !slices.Equal(got, []int{1}) {
		t.Errorf("what is pending is dropped: %v", got)
	}
	x.Settle(1)
	if got := keysOf(x.Invalidate("a"), none); len(got) > 0 {
		t.Errorf("what is settled and not stored is found: %v", got)
	}
	if x.Enter(2, 1, []string{"b", "c"}, began, false) || !x.Enter(2, 1, []string{"c"}, began, false) || !x.Enter(3, 1, tags, Always, false) {
		t.Error("not just who began before an invalidation of its tag is outdated")
	}
	x.Settle(2)
	x.Settle(3)
	x.End(began)
	if x.Size().Records != 0 {
		t.Error("records stay though no publisher runs")
	}
}

// However many tags are invalidated while a publisher runs, what is remembered of them is
// bounded, and what is forgotten counts for every tag.
func TestG16RecordsAreBounded(t *testing.T) {
	var x Index[int]
	first := x.Begin()
	for i := range 3 * MaxRecords {
		x.Invalidate(fmt.Sprint(i))
		if i%1000 == 0 && x.Size().Records > MaxRecords {
			t.Fatalf("%d records after %d invalidations", x.Size().Records, i)
		}
	}
	if x.Enter(1, 1, []string{"0"}, first, false) || x.Enter(1, 1, []string{"never invalidated"}, first, false) {
		t.Error("what had to be forgotten does not count as invalidated")
	}
	second := x.Begin()
	if !x.Enter(1, 1, []string{"0"}, second, false) {
		t.Error("it counts for those that begin later")
	}
	x.Settle(1)
	x.End(first)
	for i := range 1000 { // those that no publisher needs go
		x.Invalidate(fmt.Sprint("new ", i))
		next := x.Begin()
		x.End(second)
		second = next
	}
	if n := x.Size().Records; n > 130 {
		t.Errorf("%d records, though a publisher runs that none is newer than", n)
	}
	last := x.Begin()
	for i := range 500 {
		x.Invalidate(fmt.Sprint("last ", i))
	}
	if x.Enter(1, 1, []string{"last 3"}, last, false) {
		t.Error("a record that is needed is gone")
	}
}

func heap() int64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// A tag may be a part of a large text, which the index does not keep.
func TestG16TagsPinNothing(t *testing.T) {
	var x Index[int]
	before := heap()
	for i := range 20 {
		text := strings.Repeat("x", 1<<20) + fmt.Sprint(i)
		x.Enter(i, 1, []string{text[1<<20:]}, Always, false)
	}
	if grown := heap() - before; grown > 5<<20 {
		t.Errorf("%d MiB are held by twenty short tags", grown>>20)
	}
	runtime.KeepAlive(&x)
}

// The memory for tags of many entries, also after twice as many were replaced.
func TestG16MemoryOfTags(t *testing.T) {
	if checks.Race || testing.Short() {
		t.Skip("the race detector makes every allocation larger")
	}
	const n = 100_000
	keys, created, number := make([]string, n), make([]entry.Instant, n), make(map[string]int, n)
	for i := range keys {
		keys[i] = fmt.Sprint(i)
		number[keys[i]] = i
	}
	tags := make([]string, n/100)
	for i := range tags {
		tags[i] = fmt.Sprint("tag", i)
	}
	x := new(Index[string])
	before := heap()
	enter := func(i, tag int, at entry.Instant) {
		x.Enter(keys[i], at, tags[tag:tag+1], Always, false)
		created[i] = at
		x.Settle(keys[i])
	}
	for i := range n {
		enter(i, i%len(tags), 1)
	}
	fresh := heap() - before
	r := rand.New(rand.NewPCG(1, 2))
	live := func(key string, at entry.Instant) bool { return created[number[key]] == at }
	for i := range 2 * n {
		enter(r.IntN(n), r.IntN(len(tags)), entry.Instant(i+2))
		x.Tidy(4, live)
	}
	churned := heap() - before
	t.Logf("%.1f bytes an entry and tag, and %.1f after twice as many were replaced; %d items", float64(fresh)/n, float64(churned)/n, x.Size().Items)
	if fresh > 48*n || churned > 48*n {
		t.Errorf("%d and %d bytes an entry and tag, and 48 are allowed", fresh/n, churned/n)
	}
	runtime.KeepAlive([]any{x, keys, created, number, tags})
}

// Its methods may be called at once, and what is invalidated is never missed.
func TestG16IndexAtOnce(t *testing.T) {
	var x Index[int]
	var mu sync.Mutex
	kept := table{}
	live := func(key int, at entry.Instant) bool {
		mu.Lock()
		defer mu.Unlock()
		return kept.live(key, at)
	}
	var all sync.WaitGroup
	for w := range 4 {
		all.Go(func() {
			r := rand.New(rand.NewPCG(uint64(w), 0))
			for i := range 5000 {
				key, at := 4*r.IntN(50)+w, entry.Instant(i)
				began := x.Begin()
				if x.Enter(key, at, []string{fmt.Sprint(r.IntN(8)), fmt.Sprint("w", w)}, began, false) {
					mu.Lock()
					kept[key] = at
					mu.Unlock()
					x.Settle(key)
				}
				x.End(began)
				x.Tidy(8, live)
				if i%50 > 0 {
					continue
				}
				f := x.Invalidate(fmt.Sprint("w", w))
				found := keysOf(f, live)
				mu.Lock()
				for key := range kept {
					if key%4 == w && !slices.Contains(found, key) {
						t.Errorf("%d is not found", key)
					}
				}
				for _, key := range found {
					delete(kept, key)
				}
				mu.Unlock()
				x.Forget(f)
			}
		})
	}
	all.Wait()
	x.sound(t)
}
