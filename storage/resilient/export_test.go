package resilient

import "time"

// Random sets the source of the jitter, so that a schedule can be replayed.
func Random(random func(below time.Duration) time.Duration) Option {
	return Option{func(c *config) { c.random = random }}
}

// Waits reports whether something of the key waits besides a rewrite.
func (s *Store) Waits(key string) bool {
	s.lock()
	defer s.unlock()
	p := s.outbox.get(key)
	return p != nil && (p.rewrite() == nil || len(p.parts) > 1)
}

// InFlight returns how many changes are in flight.
func (s *Store) InFlight() int {
	s.lock()
	defer s.unlock()
	return len(s.mirror.inFlight)
}

// LogTo is the function behind Logger.
var LogTo = logTo
