package eviction

import "github.com/perennial-go/perennial/entry"

// LeastRecentlyUpdated keeps the given number of entries and releases the one
// whose last write lies furthest back; reads make no difference, and cost
// nothing. Capacity 0 releases every entry right after it is written, which
// collapses concurrent loads and keeps nothing; a negative one counts as 0. A
// key costs its own size and 8 bytes.
//
// It is py-memoize's LeastRecentlyUpdatedEvictionStrategy.
func LeastRecentlyUpdated[K comparable](capacity int) Strategy[K] {
	s := new(leastRecentlyUpdated[K])
	s.init("LeastRecentlyUpdated", capacity, s)
	return s
}

type leastRecentlyUpdated[K comparable] struct {
	bounded[K, struct{}]
	written row // the longest unwritten first
}

func (s *leastRecentlyUpdated[K]) add(place uint32, _ *entry.Meta) {
	s.keys.append(&s.written, place)
}
func (s *leastRecentlyUpdated[K]) renew(place uint32, _ *entry.Meta) {
	s.keys.toEnd(&s.written, place)
}
func (s *leastRecentlyUpdated[K]) rowOf(uint32) *row { return &s.written }
func (s *leastRecentlyUpdated[K]) drop(place uint32) { s.keys.unlink(&s.written, place) }
func (s *leastRecentlyUpdated[K]) clear()            { s.written = row{} }
func (s *leastRecentlyUpdated[K]) IgnoresReads()     {}

func (s *leastRecentlyUpdated[K]) next() uint32 {
	place := s.written.first
	s.keys.unlink(&s.written, place)
	return place
}
