package resilient

import "time"

// Stats is how a Store is at an instant, and what it has done since it was made.
type Stats struct {
	State State  // of the breaker
	Err   error  // why it is not closed
	Trips uint64 // how often it has opened while it was closed

	Keys    int           // that have something in the queue
	Changes int           // in the queue
	Bytes   int           // that the queue takes
	Lag     time.Duration // for how long the oldest key has waited

	Queued     uint64 // changes that were accepted into the queue
	Delivered  uint64 // of them, committed, or found to change nothing
	Superseded uint64 // of them, replaced by a later change of this process before they were sent
	Conflicts  uint64 // of them, dropped for what they were made on had changed
	Dropped    uint64 // of them, dropped for another reason
	Refused    uint64 // changes that were not accepted, for the queue was full

	Copies     int    // records of which there is a copy
	CopyBytes  int    // that the copies take
	Forgotten  uint64 // copies that had to be forgotten, for there was no room (see Copy)
	Unobserved uint64 // events that were not told of, for the observer was too slow
}

// Stats tells how the Store is.
func (s *Store) Stats() Stats {
	s.mu.Lock()
	defer s.unlock()
	c := s.counts
	stats := Stats{
		State: s.breaker.state, Err: s.breaker.err, Trips: c.trips,
		Keys: len(s.queue.byKey), Changes: s.queue.changes, Bytes: s.queue.bytes,
		Queued: c.queued, Delivered: c.delivered, Superseded: c.superseded,
		Conflicts: c.conflicts, Dropped: c.dropped, Refused: c.refused,
		Copies: len(s.copies.byKey), CopyBytes: s.copies.bytes, Forgotten: c.forgotten, Unobserved: c.unobserved,
	}
	for e := s.queue.order.Front(); e != nil; e = e.Next() {
		if waited := s.clock.Since(e.Value.(*pending).since); waited > stats.Lag {
			stats.Lag = waited
		}
	}
	return stats
}
