package eviction

import (
	"hash/maphash"
	"testing"
)

// What fits is remembered, nearly all of it, and little else is taken for it.
func TestHistoryRemembers(t *testing.T) {
	for _, n := range []int{1, 5, 100, 10_000} {
		var h history
		seed := maphash.MakeSeed()
		hash := func(key int) uint64 { return maphash.Comparable(seed, key) }
		if _, _, known := h.recall(hash(0), 0); known {
			t.Fatal("it recalls something before it was told anything")
		}
		for key := range 3 * n {
			h.fit(n)
			h.remember(hash(key), uint32(key*1000/n), uint32(key*1000/n+2), uint8(key%20))
		}
		lost, mistaken := 0, 0
		for key := range n {
			if _, _, known := h.recall(hash(key+1_000_000), 3000); known {
				mistaken++
			}
		}
		for key := 2 * n; key < 3*n; key++ {
			age, count, known := h.recall(hash(key), 3000)
			if !known {
				lost++
				continue
			}
			if age != 3000-uint32(key*1000/n) || int(count) != min(15, key%20) {
				mistaken++
			}
			if _, _, known := h.recall(hash(key), 3000); known {
				mistaken++
			}
		}
		if lost > n/10+10 || mistaken > n/500+3 {
			t.Errorf("of %d it lost %d, and mistook %d", n, lost, mistaken)
		}
	}
}

// Where a bucket is full the oldest goes, also as the time wraps.
func TestHistoryForgetsTheOldest(t *testing.T) {
	for _, start := range []uint32{100, mostWhen - 4, 1<<32 - 4} {
		var h history
		h.fit(1) // one bucket
		hash := func(key uint32) uint64 { return uint64(key+1) << tagShift }
		for _, key := range []uint32{3, 0, 1, 2, 7, 5, 6, 4, 8, 9} { // noted in this order
			h.remember(hash(key), start+key, start+10, 0)
		}
		for key := range uint32(10) {
			if _, _, known := h.recall(hash(key), start+10); known != (key > 1) {
				t.Errorf("from %d: %d is known: %v", start, key, known)
			}
		}
	}
}

func TestHistoryFits(t *testing.T) {
	var h history
	for _, c := range []struct{ keys, least, most int }{
		{0, 0, 6}, {5, 5, 12}, {1000, 1000, 1010}, {1400, 1000, 1010}, {2000, 2000, 2010}, {600, 2000, 2010}, {400, 400, 410}, {1, 1, 12},
	} {
		h.fit(c.keys)
		if got := len(h.buckets) * bucketLoad; got < c.least || got > c.most {
			t.Errorf("there is room for %d keys where %d are wanted", got, c.keys)
		}
	}
}
