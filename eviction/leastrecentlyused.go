package eviction

import "github.com/perennial-go/perennial/entry"

// LeastRecentlyUsed releases the entry that was read or written longest ago. How
// long ago is known to a 64th of what it takes to replace all entries, which
// comes within a few hundredths of a percent of the exact order's hit ratio; so a
// read only has to leave the time with the entry, and leaves it once in that
// while. A key costs its own size and 24 bytes.
func LeastRecentlyUsed[K comparable](capacity int) Strategy[K] {
	s := new(leastRecentlyUsed[K])
	s.init("LeastRecentlyUsed", capacity, s)
	s.times.keys = &s.keys
	s.time.now.Store(1)
	return s
}

type leastRecentlyUsed[K comparable] struct {
	marking[K]
	times calendar[K] // by when they were last known to be used
	time  ticks       // that passes as keys come in; never 0, which is no mark
}

const leastRecentlyUsedTicks = days / 2

func (s *leastRecentlyUsed[K]) Mark(e *entry.Meta) {
	now := s.time.now.Load()
	if mark := e.Mark(); mark.Load() != now {
		mark.Store(now)
	}
}

func (s *leastRecentlyUsed[K]) add(place uint32, e *entry.Meta) {
	s.enter(place, e)
	s.time.pass(s.keys.weightOf(place), s.capacity, leastRecentlyUsedTicks)
	if s.time.now.Load() == 0 {
		s.time.now.Store(1)
	}
	s.times.add(place, s.time.now.Load())
}

func (s *leastRecentlyUsed[K]) renew(place uint32, e *entry.Meta) {
	s.marking.renew(place, e)
	s.times.drop(place)
	s.times.add(place, s.time.now.Load())
}

func (s *leastRecentlyUsed[K]) next() uint32 {
	s.looks = 0
	for {
		place := s.times.first()
		n := s.note(place)
		s.times.drop(place)
		read := n.entry.Mark().Load()
		if read == 0 || !before(n.used, read) || !s.spares(n) {
			return place
		}
		if now := s.time.now.Load(); before(now, read) { // another strategy's mark
			read = now
		}
		s.times.add(place, read)
	}
}

func (s *leastRecentlyUsed[K]) rowOf(place uint32) *row { return s.times.rowOf(place) }
func (s *leastRecentlyUsed[K]) drop(place uint32)       { s.times.drop(place) }
func (s *leastRecentlyUsed[K]) clear()                  { s.times.clear() }
