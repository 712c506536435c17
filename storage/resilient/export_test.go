package resilient

import "time"

// Random is what the jitter is taken from, so that a schedule can be replayed.
func Random(random func(below time.Duration) time.Duration) Option {
	return Option{func(s *Store) { s.random = random }}
}

// Waits tells whether something of the key waits that does not give way.
func (s *Store) Waits(key string) bool {
	s.mu.Lock()
	defer s.unlock()
	p := s.queue.get(key)
	return p != nil && (p.again() == nil || len(p.parts) > 1)
}

// Flights is how many changes are on their way.
func (s *Store) Flights() int {
	s.mu.Lock()
	defer s.unlock()
	return len(s.flights)
}

// LogTo is what Logger has events written by.
var LogTo = logTo
