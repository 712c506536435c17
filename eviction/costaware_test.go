package eviction_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/perennial-go/perennial/entry"
	"github.com/perennial-go/perennial/eviction"
	"github.com/perennial-go/perennial/eviction/evictiontest"
	"github.com/perennial-go/perennial/internal/checks"
)

func TestCostAwareConforms(t *testing.T) {
	for _, capacity := range []int{-1, 0, 1, 3, 7} {
		t.Run(fmt.Sprintf("capacity %d", capacity), func(t *testing.T) {
			evictiontest.Run(t, func() eviction.Strategy[string] { return eviction.CostAware[string](capacity) }, keys)
		})
	}
}

// load is what one load of a key takes, and what the key weighs.
type load struct {
	took   time.Duration
	weight int
}

// waits is how long callers wait for loads under a strategy, which is told what
// they take and weigh if it wants to know.
func waits(s eviction.Strategy[int], requests []int, of func(key int) load) (all time.Duration) {
	held := make(map[int]*entry.Meta)
	marker, _ := s.(eviction.Marker)
	for _, key := range requests {
		if e := held[key]; e != nil {
			if marker != nil {
				marker.Mark(e)
			}
			continue
		}
		e, l := new(entry.Meta), of(key)
		held[key] = e
		all += l.took
		if c, ok := s.(eviction.Coster[int]); ok {
			c.MarkLoaded(key, e, nil, l.weight, l.took)
		} else {
			s.(eviction.Weigher[int]).MarkWeighed(key, e, nil, l.weight)
		}
		for _, victim := range s.(eviction.Over[int]).Victims(len(held)) {
			s.MarkReleased(victim, held[victim])
			delete(held, victim)
		}
	}
	return all
}

// logNormal draws a number for each key.
func logNormal(seed uint64, sigma float64) func(key int) float64 {
	return func(key int) float64 {
		return math.Exp(sigma * rand.New(rand.NewPCG(seed, uint64(key))).NormFloat64())
	}
}

// Callers wait less where loads differ in what they take or weigh, and hardly
// longer where they do not. What they wait is compared with what they wait under
// LeastRecentlyUsed, which no other policy's progress moves; the bounds leave about a tenth for the
// draw of workload and costs.
func TestCostAwareSavesWaiting(t *testing.T) {
	if checks.Race {
		t.Skip("one goroutine, and much to compute")
	}
	seed := rand.Uint64()
	t.Log("seed", seed)
	costs, sizes, random := logNormal(seed, 1.5), logNormal(seed+1, 1.5), rand.New(rand.NewPCG(seed, 3))
	costly := func(key int) load { return load{time.Duration(costs(key) * float64(time.Millisecond)), 1} }
	w := workloads(seed)
	for _, c := range []struct {
		name     string
		of       func(key int) load
		capacity int
		most     map[string]float64 // of what callers wait under LeastRecentlyUsed
	}{
		{"equal", func(int) load { return load{time.Millisecond, 1} }, 1000, map[string]float64{
			"loop": 0.38, "popular": 0.88, "scanned": 0.95, "changing": 1.08, "recent": 1.22, "repeated scans": 0.84}},
		{"costly", costly, 1000, map[string]float64{
			"loop": 0.08, "popular": 0.76, "scanned": 0.97, "changing": 0.92, "recent": 1.15, "repeated scans": 0.59}},
		{"noisy", func(key int) load {
			l := costly(key)
			l.took = time.Duration(float64(l.took) * math.Exp(0.5*random.NormFloat64()))
			return l
		}, 1000, map[string]float64{
			"loop": 0.08, "popular": 0.78, "scanned": 0.99, "changing": 0.94, "recent": 1.17, "repeated scans": 0.61}},
		{"heavy", func(key int) load { return load{time.Millisecond, 1 + int(100*sizes(key))} }, 200_000, map[string]float64{
			"loop": 0.16, "popular": 0.76, "scanned": 0.96, "changing": 0.86, "recent": 1.11, "repeated scans": 0.65}},
	} {
		for workload, requests := range w {
			most := c.most[workload]
			t.Run(c.name+" "+workload, func(t *testing.T) {
				requests := requests[:len(requests)/2]
				got := waits(eviction.CostAware[int](c.capacity), requests, c.of)
				lru := waits(eviction.LeastRecentlyUsed[int](c.capacity), requests, c.of)
				share := float64(got) / float64(lru)
				t.Logf("callers wait %.3f as long", share)
				if share > most {
					t.Errorf("%s %s: callers wait %v, and %v under LRU: %.3f as long, want %v or less", c.name, workload, got, lru, share, most)
				}
			})
		}
	}
}

// survivors is which of the keys 0 to n-1 are held in the end, each of which is
// loaded once in turn and then read together with what is held.
func survivors(capacity, rounds int, of func(key int) load) map[int]bool {
	s := eviction.CostAware[int](capacity)
	held := map[int]*entry.Meta{}
	for i := range rounds {
		key := i % (3 * capacity)
		if e := held[key]; e != nil {
			s.(eviction.Marker).Mark(e)
			continue
		}
		e, l := new(entry.Meta), of(key)
		held[key] = e
		s.(eviction.Coster[int]).MarkLoaded(key, e, nil, l.weight, l.took)
		for _, victim := range s.(eviction.Over[int]).Victims(len(held)) {
			s.MarkReleased(victim, held[victim])
			delete(held, victim)
		}
	}
	live := map[int]bool{}
	for key := range held {
		live[key] = true
	}
	return live
}

// Of keys that are asked for equally often those stay whose loads are slow, or
// that are small.
func TestCostAwareKeepsWhatIsSlowOrSmall(t *testing.T) {
	const capacity = 300
	for name, of := range map[string]func(good bool) load{
		"slow": func(good bool) load {
			if good {
				return load{100 * time.Millisecond, 1}
			}
			return load{5 * time.Millisecond, 1}
		},
		"small": func(good bool) load {
			if good {
				return load{time.Millisecond, 1}
			}
			return load{time.Millisecond, 20}
		},
	} {
		good := func(key int) bool { return key%5 == 0 } // 180 of the 900
		live := survivors(capacity, 30*capacity, func(key int) load { return of(good(key)) })
		kept := 0
		for key := range live {
			if good(key) {
				kept++
			}
		}
		if kept < 170 {
			t.Errorf("%s: of 180 keys that are better than the other 720 %d are held", name, kept)
		}
	}
}
