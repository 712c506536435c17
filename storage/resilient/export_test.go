package resilient

import "time"

// Random is what the jitter is taken from, so that a schedule can be replayed.
func Random(random func(below time.Duration) time.Duration) Option {
	return Option{func(s *Store) { s.random = random }}
}

// Waits tells whether something of the key waits.
func (s *Store) Waits(key string) bool {
	s.mu.Lock()
	defer s.unlock()
	return s.queue.get(key) != nil
}
