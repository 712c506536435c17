package eviction

import "github.com/perennial-go/perennial/entry"

// TwoQueue is 2Q (Johnson and Shasha, VLDB 1994). Keys come into a row of a
// quarter of the capacity, go from it in the order in which they came, and are
// remembered for a while; one that comes back meanwhile enters the main row,
// which is in the order of use: an entry that was read since it was looked at
// last starts again. It holds out against scans and against keys that are read a
// few times shortly after one another. A key costs its own size and 27 bytes.
//
// It stands here in ARC's place (Megiddo and Modha, FAST 2003), which does no
// better on most traces and remembers more.
func TwoQueue[K comparable](capacity int) Strategy[K] {
	s := new(twoQueue[K])
	s.init("TwoQueue", capacity, s)
	return s
}

type twoQueue[K comparable] struct {
	marking[K]
	come, main row // the first in first
	gone       history
	time       ticks // that passes as keys go from the first row
}

const (
	inCome = iota
	inUse

	twoQueueTicks = 256
)

func (s *twoQueue[K]) Mark(e *entry.Meta) { markOnce(e) }

func (s *twoQueue[K]) rowOf(place uint32) *row {
	if s.note(place).in == inCome {
		return &s.come
	}
	return &s.main
}

func (s *twoQueue[K]) add(place uint32, e *entry.Meta) {
	n := s.enter(place, e)
	age, _, known := s.gone.recall(s.hash(place), s.time.now.Load())
	if known && int(age) <= s.capacity/2/step(s.capacity, twoQueueTicks) {
		n.in = inUse
	}
	s.keys.append(s.rowOf(place), place)
}

func (s *twoQueue[K]) drop(place uint32) { s.keys.unlink(s.rowOf(place), place) }

func (s *twoQueue[K]) next() uint32 {
	s.looks = 0
	if s.come.weight > max(1, s.capacity/4) || s.main.first == 0 {
		place := s.come.first
		s.keys.unlink(&s.come, place)
		s.time.pass(s.keys.weightOf(place), s.capacity, twoQueueTicks)
		s.gone.fit(s.keys.count / 2)
		now := s.time.now.Load()
		s.gone.remember(s.hash(place), now, now, 0)
		return place
	}
	for s.takeMark(s.note(s.main.first)) != 0 {
		s.keys.toEnd(&s.main, s.main.first)
	}
	place := s.main.first
	s.keys.unlink(&s.main, place)
	return place
}

func (s *twoQueue[K]) clear() { s.come, s.main, s.gone = row{}, row{}, history{} }
