package eviction

import "github.com/perennial-go/perennial/entry"

// Sieve is SIEVE (Zhang and others, NSDI 2024): keys in the order in which they
// came in, and a hand that goes from the oldest to the youngest and round again.
// An entry that was read since the hand last passed it stays where it is; the
// first that was not goes. It does well where a few keys are popular for long,
// as on the web, and badly where keys come back once, later than others are
// read. A key costs its own size and 24 bytes.
func Sieve[K comparable](capacity int) Strategy[K] {
	s := new(sieve[K])
	s.init("Sieve", capacity, s)
	return s
}

type sieve[K comparable] struct {
	marking[K]
	row  row    // the oldest first
	hand uint32 // where to look next, 0 for the oldest
}

func (s *sieve[K]) Mark(e *entry.Meta) { markOnce(e) }

func (s *sieve[K]) add(place uint32, e *entry.Meta) {
	s.enter(place, e)
	s.keys.append(&s.row, place)
}

func (s *sieve[K]) rowOf(uint32) *row { return &s.row }

func (s *sieve[K]) drop(place uint32) {
	if s.hand == place {
		s.hand = s.keys.at(place).next
	}
	s.keys.unlink(&s.row, place)
}

func (s *sieve[K]) next() uint32 {
	s.looks = 0
	place := s.hand
	for {
		if place == 0 || place == s.row.last { // the last one has just come in
			place = s.row.first
		}
		if s.takeMark(s.note(place)) == 0 {
			break
		}
		place = s.keys.at(place).next
	}
	s.hand = place
	s.drop(place)
	if s.hand == s.row.last { // whose turn comes last, as if it came in only now
		s.hand = 0
	}
	return place
}

func (s *sieve[K]) clear() { s.row, s.hand = row{}, 0 }
