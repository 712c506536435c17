package eviction

import (
	"math"

	"github.com/perennial-go/perennial/entry"
)

// windowed is what LIRS and TinyLFU share. Keys come into a window. What leaves
// it enters the main part only where that has room or where it is admitted in
// place of the main part's own next victim. Of a key that goes it is remembered
// when it was used last: if it comes back sooner than that victim has been idle,
// it is the better one to keep, and enters the main part at once.
//
// The window is as large as pays. It grows with each key that comes back so soon
// that it would still have been there had the window been a little larger, and
// shrinks as entries are read that the main part would lose to it.
//
// Time passes as keys come in. All rows are in the order in which entries were
// looked at last; at the end of one an entry that was read since starts again.
type windowed[K comparable] struct {
	marking[K]
	window    row
	probation row // of the main part; its next victim is here
	protected row // of the main part: what was read while on probation
	gone      history
	time      ticks
	share     float64 // of the capacity that is the window's
	extra     float64 // is the window's besides; at 1 nothing enters the main part
	protects  float64 // of the main part that may be protected
	frequency bool    // lets a candidate be admitted
}

const (
	inWindow = iota
	onProbation
	isProtected
)

const (
	windowedTicks = 256
	remembered    = 3     // capacities is what is remembered of what is gone
	firstShare    = 0.01  // of the capacity: the window at first,
	mostShare     = 0.8   // at most,
	mostStep      = 0.002 // by how much it changes at once,
	margin        = 0.05  // and what "a little larger" is
	mostProtected = 0.8   // of the main part, where any of it is
)

// A mark is the time of the last read and, in the low bits, how many reads there
// were since the entry was looked at.
const (
	mostReadsMarked = 3
	readsMarked     = mostReadsMarked + 1
	mostTime        = math.MaxUint32 / readsMarked // after which it starts again
)

func (s *windowed[K]) init(name string, capacity int, p policy) {
	s.marking.init(name, capacity, p)
	s.share, s.time.most = firstShare, 1
}

func (s *windowed[K]) Mark(e *entry.Meta) {
	mark := e.Mark()
	was := mark.Load()
	if is := s.time.now.Load()*readsMarked + min(was%readsMarked+1, s.time.most); is != was {
		mark.Store(is)
	}
}

func (s *windowed[K]) windowMax() int {
	share := s.share + s.extra
	if share >= 1 {
		return max(1, s.capacity)
	}
	return max(1, int(share*float64(s.capacity)))
}

// isAll tells whether everything belongs into the window: what the main part still
// has goes first, or moves there when it is read.
func (s *windowed[K]) isAll() bool { return s.extra >= 1 }

func (s *windowed[K]) protectedMax() int {
	return int(s.protects * float64(max(0, s.capacity-s.windowMax())))
}

func (s *windowed[K]) rowOf(place uint32) *row {
	switch s.note(place).in {
	case inWindow:
		return &s.window
	case onProbation:
		return &s.probation
	}
	return &s.protected
}

func (s *windowed[K]) drop(place uint32) { s.keys.unlink(s.rowOf(place), place) }

// put puts a place that is in no row at the end of one.
func (s *windowed[K]) put(place uint32, in uint8) {
	s.note(place).in = in
	s.keys.append(s.rowOf(place), place)
}

// move puts a place at the end of a row.
func (s *windowed[K]) move(place uint32, in uint8) {
	s.drop(place)
	s.put(place, in)
}

func (s *windowed[K]) add(place uint32, e *entry.Meta) {
	s.looks = 0
	n := s.enter(place, e)
	s.time.pass(s.keys.weightOf(place), s.capacity, windowedTicks)
	n.used = s.time.now.Load()
	away, count, known := s.gone.recall(s.hash(place), n.used)
	n.count = min(mostCount, count+1)
	if known && !s.isAll() && s.cameBack(away) {
		s.put(place, onProbation)
		return
	}
	s.put(place, inWindow)
	s.settle()
}

// cameBack tells whether a key that was not used for so many ticks has its place
// in the main part, and lets the window grow if it would have kept the key.
func (s *windowed[K]) cameBack(away uint32) bool {
	if s.keys.weight <= s.capacity {
		return true
	}
	tick := step(s.capacity, windowedTicks)
	if int(away) > remembered*(s.capacity/tick) {
		return false
	}
	victim := s.victim()
	if victim == 0 || away >= s.idle(victim) {
		return false
	}
	if float64(away)*float64(tick) <= (s.share+margin)*float64(s.capacity) {
		s.widen(1)
	}
	return true
}

// idle is for how many ticks a place was not used, as far as is known.
func (s *windowed[K]) idle(place uint32) uint32 {
	return (s.time.now.Load() - s.note(place).used) & mostTime
}

// widen gives the window room for so many entries more, in a small cache for
// less.
func (s *windowed[K]) widen(by float64) {
	one := float64(s.keys.weight) / float64(s.keys.count) / float64(s.capacity)
	s.share = min(mostShare, max(0, s.share+by*min(mostStep, one)))
}

// settle lets what is too much in the window go into the main part while that has
// room.
func (s *windowed[K]) settle() {
	for s.window.weight > s.windowMax() && s.roomFor(s.window.first) {
		if place := s.window.first; s.wasRead(place) {
			s.keys.toEnd(&s.window, place)
		} else {
			s.move(place, onProbation)
		}
	}
}

func (s *windowed[K]) roomFor(place uint32) bool {
	return s.probation.weight+s.protected.weight+s.keys.weightOf(place) <= s.capacity-s.windowMax()
}

func (s *windowed[K]) next() uint32 {
	s.looks = 0
	for s.window.weight > s.windowMax() {
		candidate := s.window.first
		if s.wasRead(candidate) {
			s.keys.toEnd(&s.window, candidate)
			continue
		}
		victim := s.victim()
		if victim == 0 || !s.admits(candidate, victim) {
			return s.evict(candidate)
		}
		s.move(candidate, onProbation)
		return s.evict(victim)
	}
	if victim := s.victim(); victim != 0 {
		return s.evict(victim)
	}
	return s.evict(s.window.first)
}

// wasRead tells whether an entry that it spares was read since it was looked at
// last, and notes when and how often.
func (s *windowed[K]) wasRead(place uint32) bool {
	n := s.note(place)
	mark := s.takeMark(n)
	if mark == 0 {
		return false
	}
	n.used = mark / readsMarked
	n.count = min(mostCount, n.count+uint8(mark%readsMarked))
	return true
}

// victim is what the main part would release next, 0 if it is empty.
func (s *windowed[K]) victim() uint32 {
	for {
		place := s.probation.first
		if place == 0 {
			place = s.protected.first
		}
		if place == 0 || !s.wasRead(place) {
			return place
		}
		if s.isAll() {
			s.move(place, inWindow)
			continue
		}
		// Of the reads in this row, as many as the margin is a part of it are of
		// entries that a window larger by the margin would cost; half of them,
		// for those are the ones that are read least.
		s.widen(-margin / 2 * float64(s.capacity) / float64(s.rowOf(place).weight))
		s.move(place, isProtected)
		s.demote()
	}
}

// demote puts back on probation what is too much to be protected.
func (s *windowed[K]) demote() {
	for s.protected.weight > s.protectedMax() {
		if place := s.protected.first; s.wasRead(place) {
			s.keys.toEnd(&s.protected, place)
		} else {
			s.move(place, onProbation)
		}
	}
}

// admits tells whether a candidate is worth more than a victim. A lead of one
// says nothing: in a loop it means that the candidate's turn has come already,
// and the victim's has not.
func (s *windowed[K]) admits(candidate, victim uint32) bool {
	c, v := s.note(candidate), s.note(victim)
	switch {
	case s.expired(v.entry):
		return true
	case s.expired(c.entry):
		return false
	}
	return s.frequency && c.count > v.count+1
}

// evict takes a place out of its row and remembers its key.
func (s *windowed[K]) evict(place uint32) uint32 {
	s.drop(place)
	n := s.note(place)
	s.gone.fit(remembered * s.keys.count)
	s.gone.remember(s.hash(place), n.used, s.time.now.Load(), n.count)
	return place
}

func (s *windowed[K]) clear() {
	s.window, s.probation, s.protected, s.gone = row{}, row{}, row{}, history{}
	s.share = firstShare
}
