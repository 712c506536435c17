package eviction

// This is how CostAware chooses.

func (s *costAware[K]) windowMax() int {
	return max(1, int(s.share*float64(s.capacity)))
}

// widen gives the window room for so many entries more, in a small cache for
// less.
func (s *costAware[K]) widen(by float64) {
	one := float64(s.keys.weight) / float64(s.keys.count) / float64(s.capacity)
	s.share = min(mostShare, max(0, s.share+by*min(mostStep, one)))
}

// idle is for how many ticks a place was not used, as far as is known.
func (s *costAware[K]) idle(place uint32) uint32 {
	return (s.time.now.Load() - s.note(place).used) & mostTime
}

// cameBack tells whether a key that was not used for so many ticks has its place
// in the main part, and lets the window grow if it would have kept the key.
func (s *costAware[K]) cameBack(place, away uint32) bool {
	if s.keys.weight <= s.capacity {
		return true
	}
	tick := step(s.capacity, windowedTicks)
	if int(away) > remembered*(s.capacity/tick) {
		return false
	}
	victim := s.victim()
	if victim == 0 || float64(away)*s.price(victim) >= float64(s.idle(victim))*s.price(place) {
		return false
	}
	if float64(away)*float64(tick) <= (s.share+margin)*float64(s.capacity) {
		s.widen(1)
	}
	return true
}

// settle lets what is too much in the window go into the main part while that has
// room.
func (s *costAware[K]) settle() {
	for s.window.weight > s.windowMax() && s.roomFor(s.window.first) {
		if place := s.window.first; s.wasRead(place) {
			s.keys.toEnd(&s.window, place)
		} else {
			s.toMain(place)
		}
	}
}

// mainWeight is what is in the main part.
func (s *costAware[K]) mainWeight() int { return s.keys.weight - s.window.weight }

func (s *costAware[K]) roomFor(place uint32) bool {
	return s.mainWeight()+s.keys.weightOf(place) <= s.capacity-s.windowMax()
}

func (s *costAware[K]) next() uint32 {
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
		s.toMain(candidate)
		return s.evict(victim)
	}
	if victim := s.victim(); victim != 0 {
		return s.evict(victim)
	}
	return s.evict(s.window.first)
}

// wasRead tells whether an entry that it spares was read since it was looked at
// last, and notes when and how often.
func (s *costAware[K]) wasRead(place uint32) bool {
	n := s.note(place)
	mark := s.takeMark(n)
	if mark == 0 {
		return false
	}
	n.used = mark / readsMarked
	n.count = min(mostCount, n.count+uint8(mark%readsMarked))
	return true
}

// victim is what the main part would release next, 0 if it is empty. What was
// read goes to the end of its row, and counts against the window as in LIRS.
func (s *costAware[K]) victim() uint32 {
	for {
		place := s.leastWorth()
		if place == 0 || !s.wasRead(place) {
			return place
		}
		s.widen(-margin / 2 * float64(s.capacity) / float64(s.mainWeight()))
		s.keys.toEnd(s.rowOf(place), place)
	}
}

// leastWorth is the one of the main part that is worth least, of equal price the
// one that was looked at longest ago.
func (s *costAware[K]) leastWorth() (worst uint32) {
	var least float64
	s.main.firsts(func(place uint32) {
		if worth := s.price(place) / (float64(s.idle(place)) + 1); worst == 0 || worth < least {
			worst, least = place, worth
		}
	})
	return worst
}

// admits tells whether a candidate is worth more than a victim. At the same price
// a lead of one says nothing: in a loop it means that the candidate's turn has
// come already, and the victim's has not.
func (s *costAware[K]) admits(candidate, victim uint32) bool {
	c, v := s.note(candidate), s.note(victim)
	switch {
	case s.expired(v.entry):
		return true
	case s.expired(c.entry):
		return false
	}
	return float64(c.count)*s.price(candidate) > float64(v.count+1)*s.price(victim)
}

// evict takes a place out of its row and remembers its key, unless it was idle for
// so long that the history's time would have come around.
func (s *costAware[K]) evict(place uint32) uint32 {
	s.drop(place)
	n := s.note(place)
	s.gone.fit(remembered * s.keys.count)
	if s.idle(place) <= mostWhen/2 {
		s.gone.remember(s.hash(place), n.used, s.time.now.Load(), n.count)
	}
	return place
}
