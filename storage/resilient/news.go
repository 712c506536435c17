package resilient

// news is the events that are to be told of. It is used with the Store's lock
// held.
type news struct {
	waiting []Event
	bytes   int // of their keys and values
	telling bool
}

// How many events wait for an observer that is slow, and how many bytes of keys and
// values.
const (
	newsMost      = 10_000
	newsMostBytes = DefaultQueueSize
)

func (e *Event) size() int { return len(e.Key) + len(e.Value) }

// tell has the observer told of an event once the lock is given back.
func (s *Store) tell(e Event) {
	e.Time = s.clock.Now()
	n := &s.news
	n.waiting, n.bytes = append(n.waiting, e), n.bytes+e.size()
	for len(n.waiting) > newsMost || n.bytes > newsMostBytes && len(n.waiting) > 1 {
		n.bytes -= n.waiting[0].size()
		n.waiting[0] = Event{} // so that its value is free
		n.waiting = n.waiting[1:]
		s.counts.unobserved++
	}
}

// unlock gives the lock back and tells the observer what happened: one goroutine
// does, so that the order is that of the events.
func (s *Store) unlock() {
	for len(s.news.waiting) > 0 && !s.news.telling {
		events := s.news.waiting
		s.news = news{telling: true}
		s.mu.Unlock()
		for _, e := range events {
			s.told(e)
		}
		s.mu.Lock()
		s.news.telling = false
	}
	s.mu.Unlock()
}

// told writes the log and calls the observers, whose panics are nobody's.
func (s *Store) told(e Event) {
	tell := func(observe func(e Event)) {
		defer func() { _ = recover() }()
		observe(e)
	}
	if s.log != nil {
		tell(s.log)
	}
	for _, observe := range s.observers {
		tell(observe)
	}
}

// counts is what Stats counts.
type counts struct {
	trips, queued, delivered, superseded, conflicts, dropped, refused, unobserved, forgotten uint64
}
