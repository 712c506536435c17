package eviction

import "github.com/perennial-go/perennial/entry"

// FirstInFirstOut releases the entry of the key that came in first; neither reads
// nor further writes make a difference, and reads cost nothing. It is the one to
// compare others with. A key costs its own size and 8 bytes.
func FirstInFirstOut[K comparable](capacity int) Strategy[K] {
	s := new(firstInFirstOut[K])
	s.init("FirstInFirstOut", capacity, s)
	return s
}

type firstInFirstOut[K comparable] struct {
	bounded[K, struct{}]
	row row // the first in first
}

func (s *firstInFirstOut[K]) add(place uint32, _ *entry.Meta) { s.keys.append(&s.row, place) }
func (s *firstInFirstOut[K]) renew(uint32, *entry.Meta)       {}
func (s *firstInFirstOut[K]) rowOf(uint32) *row               { return &s.row }
func (s *firstInFirstOut[K]) drop(place uint32)               { s.keys.unlink(&s.row, place) }
func (s *firstInFirstOut[K]) clear()                          { s.row = row{} }
func (s *firstInFirstOut[K]) IgnoresReads()                   {}

func (s *firstInFirstOut[K]) next() uint32 {
	place := s.row.first
	s.keys.unlink(&s.row, place)
	return place
}
