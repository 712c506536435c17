package resilient

// news is the events that are to be told of. It is used with the Store's lock
// held.
type news struct {
	waiting []Event
	telling bool
}

// newsMost is how many events wait for an observer that is slow.
const newsMost = 10_000

// tell has the observer told of an event once the lock is given back.
func (s *Store) tell(e Event) {
	e.Time = s.clock.Now()
	if len(s.news.waiting) == newsMost {
		s.news.waiting = s.news.waiting[1:]
		s.counts.unobserved++
	}
	s.news.waiting = append(s.news.waiting, e)
}

// unlock gives the lock back and tells the observer what happened: one goroutine
// does, so that the order is that of the events.
func (s *Store) unlock() {
	for len(s.news.waiting) > 0 && !s.news.telling {
		events := s.news.waiting
		s.news.waiting, s.news.telling = nil, true
		s.mu.Unlock()
		for _, e := range events {
			s.told(e)
		}
		s.mu.Lock()
		s.news.telling = false
	}
	s.mu.Unlock()
}

// told calls the observer, whose panic is nobody's.
func (s *Store) told(e Event) {
	defer func() { _ = recover() }()
	if s.observe != nil {
		s.observe(e)
	}
}

// counts is what Stats counts.
type counts struct {
	trips, queued, delivered, superseded, conflicts, dropped, refused, unobserved uint64
}
