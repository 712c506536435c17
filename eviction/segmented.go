package eviction

import "github.com/perennial-go/perennial/entry"

// segmented is what LIRS and TinyLFU share: their main part. All its rows are in the
// order in which entries were looked at last; at the end of one an entry that was
// read since starts again.
type segmented[K comparable] struct {
	windowFront[K]
	probation row     // of the main part; its next victim is here
	protected row     // of the main part: what was read while on probation
	protects  float64 // of the main part that may be protected
	frequency bool    // lets a candidate be admitted
}

const (
	inWindow = iota
	onProbation
	isProtected
)

const mostProtected = 0.8 // of the main part, where any of it is

func (s *segmented[K]) init(name string, capacity int, p policy) {
	s.windowFront.init(name, capacity, p, s)
	s.time.most = 1
}

// isAll tells whether everything belongs into the window: what the main part still
// has goes first, or moves there when it is read.
func (s *segmented[K]) isAll() bool { return s.extra >= 1 }

func (s *segmented[K]) protectedMax() int {
	return int(s.protects * float64(max(0, s.capacity-s.windowMax())))
}

func (s *segmented[K]) rowOf(place uint32) *row {
	switch s.note(place).in {
	case inWindow:
		return &s.window
	case onProbation:
		return &s.probation
	}
	return &s.protected
}

func (s *segmented[K]) drop(place uint32) { s.keys.unlink(s.rowOf(place), place) }

// put puts a place that is in no row at the end of one.
func (s *segmented[K]) put(place uint32, in uint8) {
	s.note(place).in = in
	s.keys.append(s.rowOf(place), place)
}

// move puts a place at the end of a row.
func (s *segmented[K]) move(place uint32, in uint8) {
	s.drop(place)
	s.put(place, in)
}

func (s *segmented[K]) add(place uint32, e *entry.Meta) {
	s.looks = 0
	n := s.enter(place, e)
	s.time.pass(s.keys.weightOf(place), s.capacity, windowedTicks)
	n.used = s.time.now.Load()
	away, count, known := s.gone.recall(s.hash(place), n.used)
	n.count = min(mostCount, count+1)
	if known && !s.isAll() && s.cameBack(place, away) {
		s.enterMain(place)
		return
	}
	n.in = inWindow
	s.enterWindow(place)
	s.settle()
}

// victim is what the main part would release next, 0 if it is empty.
func (s *segmented[K]) victim() uint32 {
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
func (s *segmented[K]) demote() {
	for s.protected.weight > s.protectedMax() {
		if place := s.protected.first; s.wasRead(place) {
			s.keys.toEnd(&s.protected, place)
		} else {
			s.move(place, onProbation)
		}
	}
}

// prefers tells whether the victim was idle for more than one and a half times as
// long as the key was away. A key that is back only a little sooner says nothing:
// where everything comes back after about the same time, say in long scans that are
// repeated, the entry that has been idle longest is also the one that is due next.
//
// What is protected stays until it was idle for three times as long; then it is the
// next victim.
func (s *segmented[K]) prefers(_, away, victim uint32) bool {
	if 2*s.idle(victim) > 3*away {
		return true
	}
	for s.protected.first != 0 && s.wasRead(s.protected.first) {
		s.keys.toEnd(&s.protected, s.protected.first)
	}
	place := s.protected.first
	if place == 0 || s.idle(place) <= 3*away {
		return false
	}
	s.keys.unlink(&s.protected, place)
	s.note(place).in = onProbation
	s.keys.prepend(&s.probation, place)
	return true
}

func (s *segmented[K]) outweighs(candidate, victim uint32) bool {
	return s.frequency && s.note(candidate).count > s.note(victim).count+1
}

func (s *segmented[K]) promote(place uint32) {
	s.drop(place)
	s.enterMain(place)
}

// enterMain puts a place that is in no row on probation. One that weighs more than
// everything there would be its own victim: others lose their protection for it.
func (s *segmented[K]) enterMain(place uint32) {
	if s.keys.weight > s.capacity && s.isHeavy(place) && s.keys.weightOf(place) > s.probation.weight {
		s.put(place, isProtected)
		s.demote()
		return
	}
	s.put(place, onProbation)
}

func (s *segmented[K]) clear() {
	s.windowFront.clear()
	s.probation, s.protected = row{}, row{}
}
