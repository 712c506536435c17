package eviction

import (
	"hash/maphash"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/perennial-go/perennial/entry"
)

// looksOf is how many entries a policy has spared for its last victim.
func looksOf(s Strategy[int]) int {
	switch s := s.(type) {
	case *sieve[int]:
		return s.looks
	case *leastRecentlyUsed[int]:
		return s.looks
	case *leastFrequentlyUsed[int]:
		return s.looks
	case *s3fifo[int]:
		return s.looks
	case *twoQueue[int]:
		return s.looks
	case *lirs[int]:
		return s.looks
	case *tinyLFU[int]:
		return s.looks
	}
	return 0
}

// One write does not wait until every entry has been looked at, even if every
// one was read.
func TestLooksAreBounded(t *testing.T) {
	const capacity = 5 * mostLooks
	for _, pair := range pairs {
		s := pair.strategy(capacity)
		marker, ok := s.(Marker)
		if !ok {
			continue
		}
		t.Run(pair.name, func(t *testing.T) {
			held := map[int]*entry.Meta{}
			most := 0
			write := func(key int) (victim int, ok bool) {
				e := new(entry.Meta)
				s.MarkWritten(key, e, held[key])
				held[key] = e
				victim, ok = s.NextToRelease()
				delete(held, victim)
				most = max(most, looksOf(s))
				return victim, ok
			}
			for key := 1; key < 4*capacity; key++ {
				if victim, ok := write(key); ok && key%2 == 0 {
					write(victim) // what comes back is what policies keep
				}
				for range 3 * ((key + 1) % capacity / (capacity - 1)) { // all of them, once in a while
					for _, e := range held {
						marker.Mark(e)
					}
				}
			}
			if most < mostLooks/2 || most > mostLooks {
				t.Errorf("it looks at %d entries for one victim, want at most %d, and about that many here", most, mostLooks)
			}
		})
	}
}

// What is gone is not held on to.
func TestNothingIsLeftOfWhatIsGone(t *testing.T) {
	s := TinyLFU[string](3).(*tinyLFU[string])
	held := map[string]*entry.Meta{}
	for _, key := range []string{"a", "b", "c", "d", "e", "f", "d", "g"} {
		e := new(entry.Meta)
		s.MarkWritten(key, e, held[key])
		held[key] = e
		if victim, ok := s.NextToRelease(); ok {
			s.MarkReleased(victim, held[victim])
			delete(held, victim)
		}
	}
	for key, e := range held {
		s.MarkReleased(key, e)
	}
	for place := uint32(1); place <= s.keys.used; place++ {
		if c := s.keys.at(place); c.key != "" || c.note != (note{}) {
			t.Errorf("of %q there is still %+v", c.key, c.note)
		}
	}
	if s.keys.count != 0 || s.keys.weight != 0 || s.window != (row{}) || s.probation != (row{}) || s.protected != (row{}) {
		t.Errorf("%d keys of weight %d are left; the rows are %v, %v and %v", s.keys.count, s.keys.weight, s.window, s.probation, s.protected)
	}
}

// Reads count up to 15 between two looks and up to 100 in all: that long it takes
// until a key goes that is not read any more.
func TestCountsEnd(t *testing.T) {
	for i, pair := range pairs {
		t.Run(pair.name, func(t *testing.T) {
			p := play(t, i, 3)
			for _, reads := range []int{1, 2000} {
				p.write(0, 1, 1_000_000)
				for key := range reads + 1000 {
					for range 20 {
						if key < reads {
							p.read(0)
						}
					}
					p.write(1+key, 1, 1_000_000)
				}
			}
		})
	}
}

// Weights whose sum is no int do not make room.
func TestWeightsDoNotOverflow(t *testing.T) {
	for _, pair := range pairs {
		s := pair.strategy(math.MaxInt)
		live := map[int]bool{}
		for key := range 5 {
			s.(Weigher[int]).MarkWeighed(key, new(entry.Meta), nil, math.MaxInt/2)
			live[key] = true
		}
		for _, victim := range s.(Over[int]).Victims(10) {
			delete(live, victim)
		}
		if len(live) > 2 {
			t.Errorf("%s: %d entries live where there is room for two", pair.name, len(live))
		}
	}
}

// Time goes on where keys come in and are released; those that stay are the
// oldest, however long ago that was.
func TestModelsAgreeWhileKeysComeAndAreReleased(t *testing.T) {
	for i, pair := range pairs {
		t.Run(pair.name, func(t *testing.T) {
			p := play(t, i, 8)
			for key := range 5 {
				p.write(key, 1, 1_000_000)
			}
			for key := range 2000 {
				p.write(10+key, 1, 1_000_000)
				p.read(key % 8)
				p.release(10 + key)
			}
			for key := range 20 {
				p.write(10_000+key, 1, 1_000_000)
			}
		})
	}
}

// timeOf is the time of a strategy that has one.
func timeOf(s Strategy[int]) *ticks {
	switch s := s.(type) {
	case *leastRecentlyUsed[int]:
		return &s.time
	case *s3fifo[int]:
		return &s.time
	case *twoQueue[int]:
		return &s.time
	case *lirs[int]:
		return &s.time
	case *tinyLFU[int]:
		return &s.time
	}
	return nil
}

// seedOf is the seed of a strategy that has one.
func seedOf(s Strategy[int]) *maphash.Seed {
	switch s := s.(type) {
	case *s3fifo[int]:
		return &s.seed
	case *twoQueue[int]:
		return &s.seed
	case *lirs[int]:
		return &s.seed
	case *tinyLFU[int]:
		return &s.seed
	}
	return new(maphash.Seed)
}

// It makes no difference where times begin, so none if they start again.
func TestTimesMayWrap(t *testing.T) {
	const capacity = 40
	for _, pair := range pairs {
		for _, start := range []uint32{1, mostWhen - 300, mostTime - 300, math.MaxUint32 - 300} {
			one, other := pair.strategy(capacity), pair.strategy(capacity)
			if timeOf(one) == nil {
				continue
			}
			*seedOf(other) = *seedOf(one)
			timeOf(one).now.Store(1)
			timeOf(other).now.Store(start)
			if lru, ok := other.(*leastRecentlyUsed[int]); ok {
				lru.times.low = start
			}
			seed := rand.Uint64()
			random := rand.New(rand.NewPCG(seed, 1))
			popular := rand.NewZipf(random, 1.1, 2, 400)
			held, otherHeld := map[int]*entry.Meta{}, map[int]*entry.Meta{}
			for range 4000 {
				key := int(popular.Uint64())
				if held[key] != nil {
					one.(Marker).Mark(held[key])
					other.(Marker).Mark(otherHeld[key])
					continue
				}
				held[key], otherHeld[key] = new(entry.Meta), new(entry.Meta)
				one.MarkWritten(key, held[key], nil)
				other.MarkWritten(key, otherHeld[key], nil)
				victim, ok := one.NextToRelease()
				if got, also := other.NextToRelease(); got != victim || also != ok {
					t.Fatalf("%s, seed %d: from %d it names %d, %v, and from 1 %d, %v", pair.name, seed, start, got, also, victim, ok)
				}
				if pair.name == "LeastRecentlyUsed" && timeOf(other).now.Load() == 0 {
					t.Fatalf("its time is 0, which means that an entry was not read")
				}
				delete(held, victim)
			}
		}
	}
}

// A capacity that becomes much smaller does not make much time pass at once.
func TestTimeHasNoLeaps(t *testing.T) {
	for _, pair := range pairs {
		s := pair.strategy(math.MaxInt)
		held := map[int]*entry.Meta{}
		weight := math.MaxInt / 307
		for key := range 300 {
			if key == 150 {
				s.(Resizer).SetCapacity(100)
				weight = 50
			}
			held[key] = new(entry.Meta)
			s.(Weigher[int]).MarkWeighed(key, held[key], nil, weight)
			for _, victim := range s.(Over[int]).Victims(1000) {
				delete(held, victim)
			}
		}
		if time := timeOf(s); time != nil && time.now.Load() > 300*256 {
			t.Errorf("%s: %d ticks have passed", pair.name, time.now.Load())
		}
		if len(held) != 2 {
			t.Errorf("%s: %d entries of weight 50 are held where there is room for 2", pair.name, len(held))
		}
	}
}

// An expired entry that comes up goes, read or not.
func TestExpiredEntriesAreNotSpared(t *testing.T) {
	for i, pair := range pairs {
		p := play(t, i, 4)
		if _, ok := p.s.(Marker); !ok {
			continue
		}
		t.Run(pair.name, func(t *testing.T) {
			p.t = t
			for key := range 4 {
				life := entry.Instant(1000)
				if key == 0 {
					life = 5
				}
				p.write(key, 1, life)
			}
			p.now = 10
			for key := range 4 {
				for range 3 {
					p.read(key)
				}
			}
			p.write(9, 1, 1000)
			if p.held[0] != nil || len(p.held) != 4 {
				t.Errorf("the expired entry is held, and %d in all", len(p.held))
			}
		})
	}
}
