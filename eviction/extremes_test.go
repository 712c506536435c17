package eviction_test

import (
	"fmt"
	"math"
	"math/bits"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/perennial-go/perennial/entry"
	"github.com/perennial-go/perennial/eviction"
)

// Whatever keys weigh and whatever the capacity is, what is held weighs no more, a
// key that has room is kept, and there are always some.
func TestExtremeWeightsAndCapacities(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	weights := []int{math.MaxInt, math.MaxInt - 1, math.MaxInt/2 + 1, math.MaxInt / 2, 1000, 2, 1, 0, -1, math.MinInt}
	for name, strategy := range map[string]func(int) eviction.Strategy[int]{
		"LeastRecentlyUpdated": eviction.LeastRecentlyUpdated[int], "LeastRecentlyUsed": eviction.LeastRecentlyUsed[int],
		"LeastFrequentlyUsed": eviction.LeastFrequentlyUsed[int], "FirstInFirstOut": eviction.FirstInFirstOut[int],
		"Sieve": eviction.Sieve[int], "S3FIFO": eviction.S3FIFO[int], "TwoQueue": eviction.TwoQueue[int], "LIRS": eviction.LIRS[int],
		"TinyLFU": eviction.TinyLFU[int], "Adaptive": eviction.Adaptive[int], "CostAware": eviction.CostAware[int],
	} {
		for _, capacity := range []int{math.MaxInt, math.MaxInt - 1, math.MaxInt / 2, 1000, 1, 0, -1, math.MinInt} {
			t.Run(fmt.Sprintf("%s/%d", name, capacity), func(t *testing.T) {
				random := rand.New(rand.NewPCG(seed, 0))
				s := strategy(1)
				s.(eviction.Resizer).SetCapacity(capacity)
				if got := s.(eviction.Bounded).Capacity(); got != max(0, capacity) {
					t.Errorf("Capacity() = %d", got)
				}
				held, metas := map[int]int{}, map[int]*entry.Meta{}
				write := func(key, weight int) {
					meta := &entry.New(1, 0, entry.Life{ExpireAfter: time.Hour}).Meta
					s.(eviction.Weigher[int]).MarkWeighed(key, meta, metas[key], weight)
					held[key], metas[key] = max(1, weight), meta
					for n := 0; ; n++ {
						victim, ok := s.NextToRelease()
						if !ok {
							break
						}
						if delete(metas, victim); held[victim] == 0 || n > 100 {
							t.Fatalf("%d is named, which is not held", victim)
						}
						delete(held, victim)
					}
				}
				for range 2 { // the second takes the place of the first
					write(1, math.MaxInt)
					if _, kept := held[1]; kept != (capacity == math.MaxInt) {
						t.Fatalf("the heaviest key there is: kept is %v", kept)
					}
				}
				for range 500 {
					write(random.IntN(20), weights[random.IntN(len(weights))])
					var sum, more uint64
					for _, weight := range held {
						var carry uint64
						sum, carry = bits.Add64(sum, uint64(weight), 0)
						more += carry
					}
					if more > 0 || sum > uint64(max(0, capacity)) {
						t.Fatalf("%v are held", held)
					}
					if capacity > 0 {
						write(30, 1)
						if len(held) == 0 {
							t.Fatal("nothing is held")
						}
					}
				}
			})
		}
	}
}
