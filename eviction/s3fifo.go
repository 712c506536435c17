package eviction

import "github.com/perennial-go/perennial/entry"

// S3FIFO is S3-FIFO (Yang and others, SOSP 2023). Keys come into a small row, a
// tenth of the capacity; those that were read twice there go on into the main
// one, the others go, and are remembered for a while: one that comes back
// meanwhile enters the main row at once. At the end of the main row an entry that
// was read starts again, at most three times without being read. It holds out
// against scans and keeps up with change. A key costs its own size and 30 bytes.
//
// An entry that is heavier than a tenth of the capacity is kept only once it has
// come back.
func S3FIFO[K comparable](capacity int) Strategy[K] {
	s := new(s3fifo[K])
	s.init("S3FIFO", capacity, s)
	return s
}

type s3fifo[K comparable] struct {
	marking[K]
	small, main row // the first in first
	gone        history
	time        ticks // that passes as keys go from the small row
}

const (
	inSmall = iota
	inMain

	s3fifoTicks = 256
	s3fifoReads = 3 // what is counted
)

func (s *s3fifo[K]) Mark(e *entry.Meta) { markCount(e, s3fifoReads) }

func (s *s3fifo[K]) smallest() int { return max(1, s.capacity/10) }

func (s *s3fifo[K]) rowOf(place uint32) *row {
	if s.note(place).in == inSmall {
		return &s.small
	}
	return &s.main
}

func (s *s3fifo[K]) add(place uint32, e *entry.Meta) {
	n := s.enter(place, e)
	age, _, known := s.gone.recall(s.hash(place), s.time.now.Load())
	if known && int(age) <= (s.capacity-s.smallest())/step(s.capacity, s3fifoTicks) {
		n.in = inMain
	}
	s.keys.append(s.rowOf(place), place)
}

func (s *s3fifo[K]) drop(place uint32) { s.keys.unlink(s.rowOf(place), place) }

func (s *s3fifo[K]) next() uint32 {
	s.looks = 0
	for s.small.weight > s.smallest() || s.main.first == 0 {
		place := s.small.first
		n := s.note(place)
		s.keys.unlink(&s.small, place)
		if n.entry.Mark().Load() < 2 || s.takeMark(n) == 0 {
			s.remember(place)
			return place
		}
		n.in = inMain
		s.keys.append(&s.main, place)
	}
	for s.startsAgain(s.note(s.main.first)) {
		s.keys.toEnd(&s.main, s.main.first)
	}
	place := s.main.first
	s.keys.unlink(&s.main, place)
	return place
}

// startsAgain takes one read off an entry's mark, if it spares it.
func (s *s3fifo[K]) startsAgain(n *note) bool {
	mark := n.entry.Mark()
	reads := min(mark.Load(), s3fifoReads)
	if reads == 0 || !s.spares(n) {
		return false
	}
	mark.Store(reads - 1)
	return true
}

func (s *s3fifo[K]) remember(place uint32) {
	s.time.pass(s.keys.weightOf(place), s.capacity, s3fifoTicks)
	s.gone.fit(s.keys.count)
	now := s.time.now.Load()
	s.gone.remember(s.hash(place), now, now, 0)
}

func (s *s3fifo[K]) clear() { s.small, s.main, s.gone = row{}, row{}, history{} }
