package evictiontest

import (
	"math"
	"sync"
	"sync/atomic"
	"time"

	"github.com/perennial-go/perennial/entry"
	"github.com/perennial-go/perennial/eviction"
	"github.com/perennial-go/perennial/internal/checks"
)

// What strategies may implement besides.

// marksWhileWritten is for the race detector: readers mark entries that are
// written, replaced, named and released meanwhile.
func marksWhileWritten[K comparable](t checks.TB, s subject[K]) {
	strategy := tell(s.new())
	marker, ok := strategy.Strategy.(eviction.Marker)
	if !ok {
		return
	}
	entries := make([]atomic.Pointer[entry.Meta], len(s.keys))
	for i, key := range s.keys {
		entries[i].Store(strategy.write(key))
	}
	done := make(chan struct{})
	var readers sync.WaitGroup
	for range 2 {
		readers.Go(func() {
			for {
				select {
				case <-done:
					return
				default:
				}
				for i := range entries {
					marker.Mark(entries[i].Load())
				}
			}
		})
	}
	var writers sync.WaitGroup
	for i, key := range s.keys { // marks of one key come in order
		writers.Go(func() {
			for round := range 200 {
				e := meta()
				entries[i].Store(e) // readers may find it before the strategy is told
				strategy.MarkWritten(key, e, strategy.swap(key, e))
				strategy.NextToRelease()
				if round%5 == 0 {
					strategy.release(key)
				}
			}
		})
	}
	writers.Wait()
	close(done)
	readers.Wait()
	for _, key := range s.keys {
		strategy.release(key)
	}
	if named := drain(t, strategy.Strategy, len(s.keys)); len(named) > 0 {
		t.Errorf("it names %v, all of which were released", named)
	}
}

// boundedWhileManyWrite writes every key once, all at the same time. Asked once
// after each write, the strategy has to have named what is too much.
func boundedWhileManyWrite[K comparable](t checks.TB, s subject[K]) {
	strategy := tell(s.new())
	bounded, ok := strategy.Strategy.(eviction.Bounded)
	if !ok {
		return
	}
	var mu sync.Mutex
	named := map[K]int{}
	var wg sync.WaitGroup
	for _, key := range s.keys {
		wg.Go(func() {
			strategy.write(key)
			if victim, ok := strategy.NextToRelease(); ok {
				mu.Lock()
				defer mu.Unlock()
				named[victim]++
			}
		})
	}
	wg.Wait()
	for key, times := range named {
		if times > 1 {
			t.Errorf("it names %v %d times, which was written once", key, times)
		}
	}
	if want := len(s.keys) - bounded.Capacity(); len(named) != want {
		t.Errorf("of %d keys it names %d, and lets %d live", len(s.keys), len(named), bounded.Capacity())
	}
}

// ask takes what a strategy names until it names nothing, and notes that it is
// gone. over is nil where the strategy is no Over.
func ask[K comparable](t checks.TB, s told[K], over eviction.Over[K], live map[K]int) {
	t.Helper()
	gone := func(key K) {
		if _, ok := live[key]; !ok {
			t.Fatalf("it names %v, which does not live", key)
		}
		delete(live, key)
		s.release(key)
	}
	if key, ok := s.NextToRelease(); ok {
		gone(key)
	}
	if over == nil {
		return
	}
	const most = 2
	for {
		victims := over.Victims(most)
		if len(victims) > most {
			t.Fatalf("it names %d keys where %d are asked for", len(victims), most)
		}
		for _, key := range victims {
			gone(key)
		}
		if len(victims) == 0 {
			return
		}
	}
}

func sum[K comparable](weights map[K]int) (total int) {
	for _, w := range weights {
		total += w
	}
	return total
}

func overNames[K comparable](t checks.TB, s subject[K]) {
	strategy := tell(s.new())
	over, ok := strategy.Strategy.(eviction.Over[K])
	if !ok {
		return
	}
	bounded, ok := strategy.Strategy.(eviction.Bounded)
	if !ok {
		t.Fatalf("it is Over a capacity and not Bounded: nobody can tell which")
	}
	if victims := over.Victims(len(s.keys)); len(victims) > 0 {
		t.Fatalf("it names %v before anything is written", victims)
	}
	live := map[K]int{}
	for _, key := range s.keys { // nobody asks meanwhile
		strategy.write(key)
		live[key] = 1
	}
	if victims := over.Victims(0); len(victims) > 0 {
		t.Errorf("it names %v where no key is asked for", victims)
	}
	ask(t, strategy, over, live)
	if len(live) != bounded.Capacity() {
		t.Errorf("%d keys live, and it lets %d live", len(live), bounded.Capacity())
	}
}

func resizerKeeps[K comparable](t checks.TB, s subject[K]) {
	strategy := tell(s.new())
	resizer, ok := strategy.Strategy.(eviction.Resizer)
	if !ok {
		return
	}
	bounded, isBounded := strategy.Strategy.(eviction.Bounded)
	over, isOver := strategy.Strategy.(eviction.Over[K])
	if !isBounded || !isOver {
		t.Fatalf("it is a Resizer and not Bounded or not Over: what goes when it becomes smaller?")
	}
	live := map[K]int{}
	for _, capacity := range []int{2, 0, len(s.keys), 1, 3, -1, 2} {
		resizer.SetCapacity(capacity)
		capacity = max(0, capacity)
		if got := bounded.Capacity(); got != capacity {
			t.Fatalf("its capacity is %d after it was set to %d", got, capacity)
		}
		before := len(live)
		ask(t, strategy, over, live)
		if want := min(before, capacity); len(live) != want {
			t.Fatalf("of %d keys %d live after the capacity was set to %d", before, len(live), capacity)
		}
		for _, key := range s.keys {
			strategy.write(key)
			live[key] = 1
			ask(t, strategy, nil, live)
			if len(live) > capacity {
				t.Fatalf("%d keys live, and it lets %d live since it was told so", len(live), capacity)
			}
		}
		if len(live) != capacity {
			t.Fatalf("%d keys live of %d that were written, and it lets %d live", len(live), len(s.keys), capacity)
		}
	}
}

func weigherOf[K comparable](t checks.TB, s told[K]) (w eviction.Weigher[K], over eviction.Over[K], capacity int, ok bool) {
	w, ok = s.Strategy.(eviction.Weigher[K])
	if !ok {
		return nil, nil, 0, false
	}
	bounded, isBounded := s.Strategy.(eviction.Bounded)
	over, isOver := s.Strategy.(eviction.Over[K])
	if !isBounded || !isOver {
		t.Fatalf("it is a Weigher and not Bounded or not Over: one write may need several keys to go")
	}
	return w, over, bounded.Capacity(), true
}

func weigherKeeps[K comparable](t checks.TB, s subject[K]) {
	strategy := tell(s.new())
	weigher, over, capacity, ok := weigherOf(t, strategy)
	if !ok {
		return
	}
	live := map[K]int{}
	weights := []int{1, capacity, 2, 1, 0, capacity - 1, -3, 1, capacity/2 + 1, 1, 3}
	for i := range 5 * len(weights) * len(s.keys) {
		key, weight := s.keys[i*i%len(s.keys)], weights[i%len(weights)]
		e := meta()
		weigher.MarkWeighed(key, e, strategy.swap(key, e), weight)
		live[key] = max(1, weight)
		before := sum(live)
		heaviest := 0
		for _, w := range live {
			heaviest = max(heaviest, w)
		}
		ask(t, strategy, over, live)
		after := sum(live)
		if after > capacity {
			t.Fatalf("after the write of %v the keys weigh %d, and may weigh %d", key, after, capacity)
		}
		if before <= capacity && after < before {
			t.Fatalf("it names keys that weigh %d, where %d of %d were taken", before-after, before, capacity)
		}
		if before > capacity && after <= capacity-heaviest {
			t.Fatalf("it goes down from %d to %d, where %d are allowed and nothing weighs more than %d", before, after, capacity, heaviest)
		}
	}
}

func weigherRefuses[K comparable](t checks.TB, s subject[K]) {
	strategy := tell(s.new())
	weigher, over, capacity, ok := weigherOf(t, strategy)
	if !ok {
		return
	}
	live := map[K]int{}
	for _, key := range s.keys[:max(0, min(capacity, len(s.keys))-1)] {
		strategy.write(key)
		live[key] = 1
	}
	rest := len(live)
	heavy := s.keys[len(s.keys)-1]
	for _, weight := range []int{capacity + 1, math.MaxInt, math.MaxInt} {
		for range 2 { // the second time in place of one that was not named yet
			e := meta()
			weigher.MarkWeighed(heavy, e, strategy.swap(heavy, e), weight)
			live[heavy] = weight
		}
		ask(t, strategy, over, live)
		if _, lives := live[heavy]; lives || len(live) != rest {
			t.Fatalf("%v of weight %d lives: %v; of %d others %d live", heavy, weight, lives, rest, len(live))
		}
	}
	e := meta()
	weigher.MarkWeighed(heavy, e, strategy.swap(heavy, e), capacity+1)
	if capacity > rest { // what is not too heavy any more has not to go
		strategy.write(heavy)
		if victims := over.Victims(len(s.keys)); len(victims) > 0 {
			t.Errorf("it names %v, though what was too heavy is not any more", victims)
		}
	}
	strategy.release(heavy) // before it is named
	if victims := over.Victims(len(s.keys)); len(victims) > 0 {
		t.Errorf("it names %v, though the only key that was too heavy was released", victims)
	}
	if rest == 0 {
		return
	}
	e = meta() // an entry that is there becomes too heavy
	weigher.MarkWeighed(s.keys[0], e, strategy.swap(s.keys[0], e), capacity+1)
	ask(t, strategy, over, live)
	if _, lives := live[s.keys[0]]; lives || len(live) != rest-1 {
		t.Errorf("%v lives: %v, with a weight above the capacity; of %d others %d live", s.keys[0], lives, rest-1, len(live))
	}
}

func clockedKeeps[K comparable](t checks.TB, s subject[K]) {
	strategy := tell(s.new())
	clocked, ok := strategy.Strategy.(eviction.Clocked)
	if !ok {
		return
	}
	late := entry.At(time.Now().Add(24 * time.Hour))
	clocked.SetClock(func() entry.Instant { return late })
	boundedKeeps(t, subject[K]{func() eviction.Strategy[K] { return strategy.Strategy }, s.keys})
}
