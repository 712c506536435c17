package resilient

import "time"

// State is that of the breaker.
type State uint8

// The states.
const (
	StateClosed   State = iota // everything is sent
	StateOpen                  // nothing is sent
	StateHalfOpen              // one call is sent, to see whether the store is back
)

// String is the state in lower case.
func (s State) String() string {
	switch s {
	case StateClosed:
		return "closed"
	case StateOpen:
		return "open"
	case StateHalfOpen:
		return "half-open"
	}
	return "unknown"
}

// breaker says whether the store is to be asked. It is used with the Store's lock
// held.
type breaker struct {
	state  State
	era    uint64        // how often it has closed: a call of an era before says nothing of this one
	failed int           // probes in succession
	back   chan struct{} // is closed when the breaker closes; nil while it is
	closed time.Time     // when it closed last
	err    error         // why it opened
	key    string        // a look at it is the probe where nothing waits
}

// patience is how many callers in succession may leave at their own deadlines,
// which are shorter than the timeout, until the store counts as away.
const patience = 3

// open opens the breaker, and tells how often it has failed. A store that goes again soon
// after it came is given as long as if it had never come.
func (b *breaker) open(err error, now time.Time) (failed int) {
	switch {
	case b.state == StateClosed && now.Sub(b.closed) > LongestBackoff:
		b.failed = 0
	default:
		b.failed++
	}
	if b.back == nil {
		b.back = make(chan struct{})
	}
	b.state, b.err = StateOpen, err
	return b.failed
}

func (b *breaker) close(now time.Time) {
	b.state, b.err, b.closed = StateClosed, nil, now
	b.era++
	close(b.back)
	b.back = nil
}

// backoff is a time between FirstBackoff and LongestBackoff that doubles with
// what failed; the jitter, up to half as much again, keeps processes from coming
// back all at once.
func (s *Store) backoff(failed int) time.Duration {
	least := LongestBackoff * 2 / 3
	if failed < 8 {
		least = min(least, FirstBackoff<<failed)
	}
	return least + s.random(least/2+1)
}
