package eviction

import (
	"hash/maphash"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/perennial-go/perennial/entry"
	"github.com/perennial-go/perennial/internal/checks"
)

// clockModel is the model of a shadow by recency: all keys in one row, and one
// that was read starts again.
type clockModel struct {
	capacity int
	keys     []uint64
	read     map[uint64]bool
}

func (m *clockModel) request(key uint64) (hit bool) {
	if slices.Contains(m.keys, key) {
		m.read[key] = true
		return true
	}
	m.keys = append(m.keys, key)
	for len(m.keys) > m.capacity {
		first := m.keys[0]
		m.keys = m.keys[1:]
		if m.read[first] {
			m.keys = append(m.keys, first)
		}
		delete(m.read, first)
	}
	return false
}

// plainModel is a strategy over a map.
type plainModel struct {
	Strategy[uint64]
	held map[uint64]*entry.Meta
}

func (m *plainModel) request(key uint64) (hit bool) {
	if e := m.held[key]; e != nil {
		m.Strategy.(Marker).Mark(e)
		return true
	}
	m.held[key] = new(entry.Meta)
	m.MarkWritten(key, m.held[key], nil)
	if victim, ok := m.NextToRelease(); ok {
		delete(m.held, victim)
	}
	return false
}

// A shadow hits what a cache of its way would hit.
func TestShadowsHitWhatTheirModelsHit(t *testing.T) {
	seed := rand.Uint64()
	for _, capacity := range []int{1, 2, 9, 100, 600} {
		hashes := maphash.MakeSeed()
		interval, frequency := LIRS[uint64](capacity).(*lirs[uint64]), TinyLFU[uint64](capacity).(*tinyLFU[uint64])
		interval.seed, frequency.seed = hashes, hashes
		for w, model := range map[way]interface{ request(uint64) bool }{
			byInterval:  &plainModel{interval, map[uint64]*entry.Meta{}},
			byFrequency: &plainModel{frequency, map[uint64]*entry.Meta{}},
			byRecency:   &clockModel{capacity: capacity, read: map[uint64]bool{}},
		} {
			random := rand.New(rand.NewPCG(seed, uint64(capacity)))
			popular := rand.NewZipf(random, 1.1, 3, uint64(4*capacity))
			shadow, hits := newShadow(w, capacity, hashes), 0
			for i := range 30*capacity + 500 {
				key := popular.Uint64()
				if i/(2*capacity)%3 == 0 {
					key = uint64(1_000_000 + i)
				}
				got, want := shadow.request(key, 1), model.request(key)
				if got != want {
					t.Fatalf("seed %d, capacity %d, by %v, request %d: hit %v, want %v", seed, capacity, w, i, got, want)
				}
				if got {
					hits++
				}
				if len(shadow.held) > capacity || len(shadow.held) != shadow.keys.count {
					t.Fatalf("a shadow of capacity %d holds %d keys, and counts %d", capacity, len(shadow.held), shadow.keys.count)
				}
			}
			if hits == 0 {
				t.Errorf("capacity %d, by %v: nothing was hit", capacity, w)
			}
		}
	}
}

// The sample becomes a smaller part of the keys as there are more of them, and
// then stays as large as it is.
func TestSampleIsBounded(t *testing.T) {
	if checks.Race {
		t.Skip("one goroutine, and much to compute")
	}
	for _, capacity := range []int{10, 1000, 5000, 200_000} {
		d := drive(t, capacity)
		most := 0
		for key := range 3 * capacity {
			d.request(key, 1)
			for _, shadow := range d.s.sample.shadows {
				most = max(most, len(shadow.held))
			}
		}
		if limit := max(mostSampled, capacity/sharesSampled) + 1; most > limit || most < min(capacity, limit/2-limit/10) {
			t.Errorf("capacity %d: the shadows hold up to %d keys, want up to %d", capacity, most, limit)
		}
		for w, shadow := range d.s.sample.shadows {
			for hash := range shadow.held {
				if !d.s.sample.has(hash) {
					t.Fatalf("capacity %d: the shadow by %v holds a key that is not in the sample", capacity, way(w))
				}
			}
			if want := capacity >> d.s.sample.zeros; shadow.capacity != want {
				t.Errorf("the shadow by %v has a capacity of %d, want %d", way(w), shadow.capacity, want)
			}
		}
	}
}

// Reads of keys in the sample are reported, those of others are not, also after
// the sample has begun anew.
func TestEntriesKnowWhetherTheyAreInTheSample(t *testing.T) {
	d := drive(t, 20_000)
	check := func(when string) {
		t.Helper()
		tagged := 0
		for key, e := range d.held {
			in := d.s.sample.has(maphash.Comparable(d.s.seed, key))
			if in && e.Place()&inSample == 0 {
				t.Fatalf("%s: the entry of %d does not know that it is in the sample", when, key)
			}
			if in {
				tagged++
			}
		}
		if tagged == 0 || tagged > 3*mostSampled {
			t.Errorf("%s: %d of %d are in the sample", when, tagged, len(d.held))
		}
	}
	for key := range 40_000 {
		d.request(key, 1)
	}
	check("full")
	d.s.SetCapacity(3000)
	d.evict()
	if d.s.sample.zeros != 0 {
		t.Fatalf("the sample goes on with one key of %d, of a much smaller cache", 1<<d.s.sample.zeros)
	}
	for key := range 2000 {
		d.request(100_000+key, 1)
	}
	check("smaller")
	for key, e := range d.held {
		before := d.s.reads.count.Load()
		e.Mark().Store(0)
		d.s.Mark(e)
		if got, want := d.s.reads.count.Load()-before, uint32(1); e.Place()&inSample != 0 && before < mostReported && got != want {
			t.Fatalf("a read of %d is reported %d times", key, got)
		}
		if d.s.reads.count.Load() >= mostReported {
			break
		}
	}
}
