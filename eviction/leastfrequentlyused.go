package eviction

import "github.com/perennial-go/perennial/entry"

// LeastFrequentlyUsed releases the entry that was read least often, among equals
// the one that came to be so first. It ages (LFU with dynamic aging, Arlitt and
// others, 2000): a count starts from that of the last entry that went, so what
// was popular once goes in time. Up to 15 reads count between two looks at an
// entry and up to 100 in all. A key costs its own size and 24 bytes.
func LeastFrequentlyUsed[K comparable](capacity int) Strategy[K] {
	s := new(leastFrequentlyUsed[K])
	s.init("LeastFrequentlyUsed", capacity, s)
	s.worth.keys = &s.keys
	return s
}

type leastFrequentlyUsed[K comparable] struct {
	marking[K]
	worth calendar[K] // by age when looked at, plus reads
}

const (
	mostReads      = 100 // within the days of the calendar
	mostReadsAtOne = 15
)

func (s *leastFrequentlyUsed[K]) Mark(e *entry.Meta) { markCount(e, mostReadsAtOne) }

func (s *leastFrequentlyUsed[K]) add(place uint32, e *entry.Meta) {
	s.enter(place, e).count = 1
	s.worth.add(place, s.worth.low+1)
}

func (s *leastFrequentlyUsed[K]) next() uint32 {
	s.looks = 0
	for {
		place := s.worth.first()
		n := s.note(place)
		s.worth.drop(place)
		reads := s.takeMark(n)
		if reads == 0 {
			return place
		}
		n.count = uint8(min(mostReads, uint32(n.count)+reads))
		s.worth.add(place, s.worth.low+uint32(n.count))
	}
}

func (s *leastFrequentlyUsed[K]) rowOf(place uint32) *row { return s.worth.rowOf(place) }
func (s *leastFrequentlyUsed[K]) drop(place uint32)       { s.worth.drop(place) }
func (s *leastFrequentlyUsed[K]) clear()                  { s.worth.clear() }
