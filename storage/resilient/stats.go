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
	stats := o.total
	stats.State, stats.Err, stats.Trips = s.breaker.state, s.breaker.err, s.breaker.trips
	stats.Keys, stats.Changes, stats.Bytes = len(o.byKey), o.changes, o.bytes
	stats.Copies, stats.CopyBytes, stats.Forgotten = len(copies.byKey), copies.bytes, copies.forgotten
	stats.Unobserved = s.events.dropped.Load()
	for e := o.order.Front(); e != nil; e = e.Next() {
		if waited := s.clock.Since(e.Value.(*pending).since); waited > stats.Lag {
			stats.Lag = waited
		}
	}
	return stats
}
