package eviction

import (
	"math"
	"math/rand/v2"
	"testing"
)

// A calendar yields what a list sorted by number does, wherever numbers begin.
func TestCalendarIsInOrder(t *testing.T) {
	seed := rand.Uint64()
	for _, start := range []uint32{0, 1000, math.MaxUint32 - 300} {
		random := rand.New(rand.NewPCG(seed, uint64(start)))
		var keys arena[int, note]
		c := calendar[int]{keys: &keys, low: start}
		m := ranked{ranks: map[int]int{}}
		places := map[int]uint32{}
		newest := 0
		for i := range 5000 {
			switch random.IntN(5) {
			case 0, 1, 2: // enter, or move
				newest = max(newest, m.low) + random.IntN(3)*random.IntN(40)
				number := newest - random.IntN(150)
				if random.IntN(2) == 0 && len(m.keys) > 0 {
					key := m.keys[random.IntN(len(m.keys))]
					c.drop(places[key])
					c.add(places[key], start+uint32(number))
					m.rank(key, number)
					continue
				}
				places[i] = keys.add(i, 1+random.IntN(3))
				c.add(places[i], start+uint32(number))
				m.rank(i, number)
			case 3: // leave
				if len(m.keys) == 0 {
					continue
				}
				key := m.keys[random.IntN(len(m.keys))]
				c.drop(places[key])
				keys.remove(places[key])
				m.drop(key)
			case 4:
				if len(m.keys) == 0 {
					continue
				}
				if got, want := keys.at(c.first()).key, m.lowest(); got != want {
					t.Fatalf("seed %d, from %d: %d is first, want %d of rank %d", seed, start, got, want, m.ranks[want])
				}
			}
			total := 0
			for _, r := range c.rows {
				total += r.weight
			}
			if total != keys.weight {
				t.Fatalf("seed %d, from %d: the rows weigh %d, and what is in them %d", seed, start, total, keys.weight)
			}
		}
	}
}
