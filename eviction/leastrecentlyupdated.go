package eviction

import (
	"fmt"
	"sync"

	"github.com/perennial-go/perennial/entry"
	"github.com/perennial-go/perennial/internal/bind"
)

// LeastRecentlyUpdated keeps the given number of entries and releases the one
// whose last write lies furthest back; reads make no difference, and cost
// nothing. Capacity 0 releases every entry right after it is written, which
// collapses concurrent loads and keeps nothing; a negative one counts as 0.
//
// It is py-memoize's LeastRecentlyUpdatedEvictionStrategy.
func LeastRecentlyUpdated[K comparable](capacity int) Strategy[K] {
	return &leastRecentlyUpdated[K]{capacity: max(0, capacity)}
}

type leastRecentlyUpdated[K comparable] struct {
	bind.Once
	mu       sync.Mutex
	written  order[K] // the longest unwritten first
	capacity int
}

func (s *leastRecentlyUpdated[K]) MarkRead(K) {}

func (s *leastRecentlyUpdated[K]) MarkWritten(key K, e, old *entry.Meta) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if place := s.placeOf(key, old); place != 0 {
		s.written.toEnd(place)
		e.SetPlace(place)
		return
	}
	e.SetPlace(s.written.add(key))
}

func (s *leastRecentlyUpdated[K]) MarkReleased(key K, old *entry.Meta) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if place := s.placeOf(key, old); place != 0 {
		s.written.remove(place)
	}
}

// placeOf is the place of the key whose entry is given, or 0.
func (s *leastRecentlyUpdated[K]) placeOf(key K, e *entry.Meta) uint32 {
	if e == nil || !s.written.holds(e.Place(), key) {
		return 0
	}
	return e.Place()
}

func (s *leastRecentlyUpdated[K]) NextToRelease() (key K, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.written.length <= s.capacity {
		return key, false
	}
	return s.written.takeFirst(), true
}

func (s *leastRecentlyUpdated[K]) Reset() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.written = order[K]{}
}

func (s *leastRecentlyUpdated[K]) IgnoresReads() {}
func (s *leastRecentlyUpdated[K]) Capacity() int { return s.capacity }
func (s *leastRecentlyUpdated[K]) String() string {
	return fmt.Sprintf("LeastRecentlyUpdated[capacity %d]", s.capacity)
}
