package main

import (
	"testing"

	"github.com/perennial-go/perennial/benchmarks/internal/trace"
)

// watched fails where a cache has what it was never given.
type watched struct {
	cache
	t     *testing.T
	given map[uint64]bool
}

func (w *watched) get(r trace.Request) bool {
	hit := w.cache.get(r)
	if hit && !w.given[r.Key] {
		w.t.Fatalf("it has %d, which it was never given", r.Key)
	}
	w.given[r.Key] = true
	return hit
}

// Nobody holds more than is allowed, or has what it was not given, and everybody
// has something.
func TestEveryPolicyKeepsToTheTerms(t *testing.T) {
	tr := drawn(t, mixedSpec)
	const capacity = 100
	for _, p := range policies() {
		t.Run(p.name, func(t *testing.T) {
			c := p.open(terms{capacity: capacity, entries: capacity, next: tr.Next()})
			defer c.close()
			o := replay(tr, &watched{c, t, map[uint64]bool{}}, salt(1, 0))
			if o.held > capacity && p.name != unbounded {
				t.Errorf("it holds %d of %d", o.held, capacity)
			}
			if o.hits < tr.Len()/20 {
				t.Errorf("it has %d hits in %d requests", o.hits, tr.Len())
			}
			if o.requests != tr.Len() || int(o.wait) != tr.Len()-o.hits {
				t.Errorf("of %d requests %d were counted, and %v loads for %d hits", tr.Len(), o.requests, o.wait, o.hits)
			}
		})
	}
}

// The same where sizes count, of those that can count them.
func TestPoliciesThatWeighKeepToTheTerms(t *testing.T) {
	tr := withSizes(t, drawn(t, mixedSpec))
	const capacity = 2500
	for _, p := range policies() {
		if !p.weighs {
			continue
		}
		t.Run(p.name, func(t *testing.T) {
			c := p.open(terms{capacity: capacity, entries: 100, bytes: true, next: tr.Next()})
			defer c.close()
			o := replay(tr, &watched{c, t, map[uint64]bool{}}, salt(1, 0))
			if o.held > capacity && p.name != unbounded || o.held < capacity/2 {
				t.Errorf("it holds %d bytes of %d", o.held, capacity)
			}
			if o.hits < tr.Len()/20 || o.bytes < o.requested/20 || o.bytes > o.requested {
				t.Errorf("it has %d hits in %d requests, %d bytes of %d", o.hits, tr.Len(), o.bytes, o.requested)
			}
		})
	}
}

// A policy of which no chance is said comes to the same with other keys.
func TestPoliciesWithoutChanceRepeat(t *testing.T) {
	tr := drawn(t, mixedSpec)
	for _, p := range policies() {
		if p.chance {
			continue
		}
		var hits []int
		for run := range 3 {
			c := p.open(terms{capacity: 60, entries: 60, next: tr.Next()})
			hits = append(hits, replay(tr, c, salt(1, run)).hits)
			c.close()
		}
		if hits[0] != hits[1] || hits[0] != hits[2] {
			t.Errorf("%s: %v hits: say in its table that it has chance", p.name, hits)
		}
	}
}

// golang-lru's LRU is somebody else's exact LRU.
func TestTwoLRUsAgree(t *testing.T) {
	tr := drawn(t, mixedSpec)
	for _, capacity := range []int{1, 7, 100, 1000} {
		t1 := terms{capacity: int64(capacity), entries: capacity}
		if a, b := replay(tr, openLRU(t1), 0).hits, replay(tr, openGolangLRU(t1), 0).hits; a != b {
			t.Errorf("capacity %d: %d hits, and golang-lru has %d", capacity, a, b)
		}
	}
}

// What a bare strategy is told is what the engine tells it.
func TestEngineAgreesWithBareStrategies(t *testing.T) {
	tr := drawn(t, mixedSpec)
	for _, o := range own {
		for _, capacity := range []int64{1, 30, 200} {
			alone, within := bothWays(tr, o, capacity, salt(1, 0))
			t.Logf("%s at %d: %d hits alone, %d in the engine", o.name, capacity, alone, within)
			if alone != within && !o.chance {
				t.Errorf("%s at %d: %d hits alone, %d in the engine", o.name, capacity, alone, within)
			}
		}
	}
}
