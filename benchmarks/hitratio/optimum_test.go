package main

import (
	"maps"
	"math/rand/v2"
	"testing"

	"github.com/perennial-go/perennial/benchmarks/internal/trace"
)

// most is the most hits that a cache can have on what is left of a trace,
// whatever it releases.
func most(keys []byte, held map[byte]bool, capacity int) int {
	if len(keys) == 0 {
		return 0
	}
	key, rest := keys[0], keys[1:]
	if held[key] {
		return 1 + most(rest, held, capacity)
	}
	with := func(gone byte) int {
		next := maps.Clone(held)
		delete(next, gone)
		next[key] = true
		return most(rest, next, capacity)
	}
	if len(held) < capacity {
		return with(key)
	}
	best := 0
	for gone := range held {
		best = max(best, with(gone))
	}
	return best
}

func TestOptimumIsThatOfBruteForce(t *testing.T) {
	const seed = 1
	r := rand.New(rand.NewPCG(seed, 0))
	for round := range 400 {
		keys := make([]byte, 1+r.IntN(12))
		alphabet := 2 + r.IntN(5)
		for i := range keys {
			keys[i] = 'a' + byte(r.IntN(alphabet))
		}
		tr := fromText(t, keys)
		for capacity := 1; capacity <= 4; capacity++ {
			c := openOptimum(terms{capacity: int64(capacity), next: tr.Next()})
			got, want := replay(tr, c, 0).hits, most(keys, map[byte]bool{}, capacity)
			if got != want {
				t.Fatalf("seed %d, round %d: %q on %d places: %d hits, and brute force has %d", seed, round, keys, capacity, got, want)
			}
			if held := c.held(); held > int64(capacity) {
				t.Fatalf("%q on %d places: it holds %d", keys, capacity, held)
			}
		}
	}
}

// fromText is the trace of one-letter keys.
func fromText(t *testing.T, keys []byte) *trace.Trace {
	t.Helper()
	var text []byte
	for _, key := range keys {
		text = append(text, key, '\n')
	}
	tr, err := trace.Read(written(t, string(text)))
	if err != nil {
		t.Fatal(err)
	}
	return tr
}

// naive is Belady's rule without a heap.
func naive(tr *trace.Trace, capacity int64) (hits int) {
	type place struct {
		size int64
		next uint32
	}
	next, held, volume := tr.Next(), map[uint64]place{}, int64(0)
	for i, r := range tr.All() {
		if here, hit := held[r.Key]; hit {
			hits++
			held[r.Key] = place{here.size, next[i]}
			continue
		}
		if r.Size > capacity {
			continue
		}
		for volume+r.Size > capacity {
			var gone uint64
			for key, p := range held {
				if other, ok := held[gone]; !ok || p.next > other.next {
					gone = key
				}
			}
			volume -= held[gone].size
			delete(held, gone)
		}
		held[r.Key] = place{r.Size, next[i]}
		volume += r.Size
	}
	return hits
}

// In a long trace what has come is forgotten now and then, which makes no
// difference.
func TestOptimumForgetsWhatHasCome(t *testing.T) {
	counted := drawn(t, mixedSpec)
	for _, tr := range []*trace.Trace{counted, withSizes(t, counted)} {
		for _, capacity := range []int64{3, 20, 150, 400} {
			c := openOptimum(terms{capacity: capacity, next: tr.Next()}).(*belady)
			if got, want := replay(tr, c, 0).hits, naive(tr, capacity); got != want {
				t.Errorf("%d places, sizes %v: %d hits, and without a heap %d", capacity, tr.HasSizes(), got, want)
			}
			if most := 2*int(capacity) + slack + 1; len(c.coming) > most {
				t.Errorf("it remembers %d requests, want at most %d", len(c.coming), most)
			}
		}
	}
}
