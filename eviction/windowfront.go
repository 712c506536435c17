package eviction

import (
	"math"

	"github.com/perennial-go/perennial/entry"
)

// windowFront is what LIRS, TinyLFU and CostAware share. Keys come into a window. What
// leaves it enters the main part only where that has room or where it is admitted in
// place of the main part's own next victim. Of a key that goes it is remembered
// when it was used last: if it comes back while it is better to keep than that
// victim, say sooner than that has been idle, it enters the main part at once.
//
// The window is as large as pays. It grows with each key that comes back so soon
// that it would still have been there had the window been a little larger, and
// shrinks as entries are read that the main part would lose to it.
//
// Time passes as keys come in.
type windowFront[K comparable] struct {
	marking[K]
	main   mainPart
	window row
	gone   history
	time   ticks
	share  float64 // of the capacity that is the window's
	extra  float64 // is the window's besides; at 1 nothing enters the main part
	limit  uint32  // what was idle for more ticks is not remembered
}

// mainPart is what is behind the window.
type mainPart interface {
	// victim is what it would release next, 0 if it is empty.
	victim() uint32
	// prefers tells whether the key of a place that was not used for so many ticks
	// is better to keep than its victim.
	prefers(place, away, victim uint32) bool
	// outweighs tells whether what leaves the window is worth more than the victim.
	// A lead of one use says nothing: in a loop it means that the candidate's turn
	// has come already, and the victim's has not.
	outweighs(candidate, victim uint32) bool
	// promote takes a place in from the window.
	promote(place uint32)
}

const (
	windowedTicks = 256
	remembered    = 3     // capacities is what is remembered of what is gone
	firstShare    = 0.01  // of the capacity: the window at first,
	mostShare     = 0.8   // at most,
	mostStep      = 0.002 // by how much it changes at once,
	margin        = 0.05  // and what "a little larger" is
)

// A mark is the time of the last read and, in the low bits, how many reads there
// were since the entry was looked at.
const (
	mostReadsMarked = 3
	readsMarked     = mostReadsMarked + 1
	mostTime        = math.MaxUint32 / readsMarked // after which it starts again
)

func (s *windowFront[K]) init(name string, capacity int, p policy, main mainPart) {
	s.marking.init(name, capacity, p)
	s.main, s.share, s.limit = main, firstShare, mostTime
}

func (s *windowFront[K]) Mark(e *entry.Meta) {
	mark := e.Mark()
	was := mark.Load()
	if is := s.time.now.Load()*readsMarked + min(was%readsMarked+1, s.time.most); is != was {
		mark.Store(is)
	}
}

func (s *windowFront[K]) windowMax() int {
	share := s.share + s.extra
	if share >= 1 {
		return max(1, s.capacity)
	}
	return max(1, int(share*float64(s.capacity)))
}

// mainWeight is what is in the main part.
func (s *windowFront[K]) mainWeight() int { return s.keys.weight - s.window.weight }

func (s *windowFront[K]) roomFor(place uint32) bool {
	return s.mainWeight()+s.keys.weightOf(place) <= s.capacity-s.windowMax()
}

// cameBack tells whether a key that was not used for so many ticks has its place
// in the main part, and lets the window grow if it would have kept the key.
func (s *windowFront[K]) cameBack(place, away uint32) bool {
	if s.keys.weight <= s.capacity {
		return true
	}
	tick := step(s.capacity, windowedTicks)
	if int(away) > remembered*(s.capacity/tick) {
		return false
	}
	victim := s.main.victim()
	if victim == 0 || !s.main.prefers(place, away, victim) {
		return false
	}
	if float64(away)*float64(tick) <= (s.share+margin)*float64(s.capacity) {
		s.widen(1)
	}
	return true
}

// idle is for how many ticks a place was not used, as far as is known.
func (s *windowFront[K]) idle(place uint32) uint32 {
	return (s.time.now.Load() - s.note(place).used) & mostTime
}

// widen gives the window room for so many entries more, in a small cache for
// less.
func (s *windowFront[K]) widen(by float64) {
	one := float64(s.keys.weight) / float64(s.keys.count) / float64(s.capacity)
	s.share = min(mostShare, max(0, s.share+by*min(mostStep, one)))
}

// isHeavy tells whether a place weighs more than the window may.
func (s *windowFront[K]) isHeavy(place uint32) bool { return s.keys.weightOf(place) > s.windowMax() }

// enterWindow puts a place that is in no row into the window: at its end, or if it is
// too heavy for it at its front, where it is judged at once and pushes nothing else
// out of the window.
func (s *windowFront[K]) enterWindow(place uint32) {
	if s.isHeavy(place) {
		s.keys.prepend(&s.window, place)
	} else {
		s.keys.append(&s.window, place)
	}
}

// renew lets a place that has become too heavy for the window be judged next.
func (s *windowFront[K]) renew(place uint32, e *entry.Meta) {
	s.marking.renew(place, e)
	if s.note(place).in == inWindow && s.isHeavy(place) {
		s.keys.unlink(&s.window, place)
		s.keys.prepend(&s.window, place)
	}
}

// settle lets what is too much in the window go into the main part while that has
// room.
func (s *windowFront[K]) settle() {
	for s.window.weight > s.windowMax() && s.roomFor(s.window.first) {
		if place := s.window.first; s.wasRead(place) {
			s.keys.toEnd(&s.window, place)
		} else {
			s.main.promote(place)
		}
	}
}

func (s *windowFront[K]) next() uint32 {
	s.looks = 0
	for s.window.weight > s.windowMax() {
		candidate := s.window.first
		if s.wasRead(candidate) && !s.isHeavy(candidate) {
			s.keys.toEnd(&s.window, candidate)
			continue
		}
		victim := s.main.victim()
		if victim == 0 || !s.admits(candidate, victim) {
			return s.evict(candidate)
		}
		s.main.promote(candidate)
		return s.evict(victim)
	}
	if victim := s.main.victim(); victim != 0 {
		return s.evict(victim)
	}
	return s.evict(s.window.first)
}

// wasRead tells whether an entry that it spares was read since it was looked at
// last, and notes when and how often.
func (s *windowFront[K]) wasRead(place uint32) bool {
	n := s.note(place)
	mark := s.takeMark(n)
	if mark == 0 {
		return false
	}
	n.used = mark / readsMarked
	n.count = min(mostCount, n.count+uint8(mark%readsMarked))
	return true
}

// admits tells whether a candidate takes the place of a victim.
func (s *windowFront[K]) admits(candidate, victim uint32) bool {
	switch {
	case s.expired(s.note(victim).entry):
		return true
	case s.expired(s.note(candidate).entry):
		return false
	}
	return s.main.outweighs(candidate, victim)
}

// evict takes a place out of its row and remembers its key.
func (s *windowFront[K]) evict(place uint32) uint32 {
	s.policy.drop(place)
	n := s.note(place)
	s.gone.fit(remembered * s.keys.count)
	if s.idle(place) <= s.limit {
		s.gone.remember(s.hash(place), n.used, s.time.now.Load(), n.count)
	}
	return place
}

func (s *windowFront[K]) clear() {
	s.window, s.gone, s.share = row{}, history{}, firstShare
}
