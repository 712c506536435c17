package resilient

import "time"

// Stats is the state of a Store, and what it has done since it was made.
type Stats struct {
	State State  // of the breaker
	Err   error  // why the breaker is not closed
	Trips uint64 // how often the breaker has opened while it was closed

	Keys    int           // keys with changes in the queue
	Changes int           // changes in the queue
	Bytes   int           // bytes that the queue takes
	Lag     time.Duration // how long the oldest key has waited

	Queued     uint64 // changes that were accepted into the queue
	Delivered  uint64 // queued changes that are committed, or have changed nothing
	Superseded uint64 // queued changes that a later one of this process has replaced before they were sent
	Conflicts  uint64 // queued changes that were dropped because the record had changed
	Dropped    uint64 // queued changes that were dropped for another reason
	Refused    uint64 // changes that were not accepted because the queue was full

	Copies     int    // records of which there is a copy
	CopyBytes  int    // bytes that the copies take
	Forgotten  uint64 // copies that were forgotten because there was no room (see Copy)
	Unobserved uint64 // events that were not delivered because the observer was too slow
}

// Stats returns the state of the Store.
func (s *Store) Stats() Stats {
	s.lock()
	defer s.unlock()
	o, copies := &s.outbox, &s.mirror.copies
	stats := Stats{
		State: s.breaker.state, Err: s.breaker.err, Trips: s.breaker.trips,
		Keys: len(o.byKey), Changes: o.changes, Bytes: o.bytes,
		Queued: o.queued, Delivered: o.delivered, Superseded: o.superseded,
		Conflicts: o.conflicts, Dropped: o.dropped, Refused: o.refused,
		Copies: len(copies.byKey), CopyBytes: copies.bytes, Forgotten: copies.forgotten, Unobserved: s.events.unobserved(),
	}
	for e := o.order.Front(); e != nil; e = e.Next() {
		if waited := s.clock.Since(e.Value.(*pending).since); waited > stats.Lag {
			stats.Lag = waited
		}
	}
	return stats
}
