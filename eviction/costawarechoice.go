package eviction

// This is how CostAware chooses.

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
	s.shelf.firsts(func(place uint32) {
		if worth := s.price(place) / (float64(s.idle(place)) + 1); worst == 0 || worth < least {
			worst, least = place, worth
		}
	})
	return worst
}

// prefers tells whether a key is back sooner, at its price, than the victim was idle
// for at its own.
func (s *costAware[K]) prefers(place, away, victim uint32) bool {
	return float64(away)*s.price(victim) < float64(s.idle(victim))*s.price(place)
}

func (s *costAware[K]) outweighs(candidate, victim uint32) bool {
	c, v := s.note(candidate), s.note(victim)
	return float64(c.count)*s.price(candidate) > float64(v.count+1)*s.price(victim)
}
