package resilient

import "time"

// State is the state of the breaker.
type State uint8

// The states.
const (
	StateClosed   State = iota // all calls are sent
	StateOpen                  // no call is sent
	StateHalfOpen              // one call is sent, to see whether the store is back
)

var stateNames = [...]string{"closed", "open", "half-open"}

// String returns the state in lower case.
func (s State) String() string {
	if int(s) < len(stateNames) {
		return stateNames[s]
	}
	return "unknown"
}

// breaker says whether the backend is called. Guarded by core.mu.
type breaker struct {
	state      State
	generation uint64        // how often it has closed: a call that began in an earlier one says nothing of this one
	failed     int           // probes in succession
	back       chan struct{} // closed when the breaker closes; nil while it is closed
	closedAt   time.Time     // when it closed last
	err        error         // why it opened
	key        string        // the key that is looked at as a probe if nothing waits
	trips      uint64
}

// away reports whether nothing is to be sent.
func (b *breaker) away() bool { return b.state != StateClosed }

// open opens the breaker and returns how often it has failed. A store that goes away
// soon after it came back is treated as if it had never come back.
func (b *breaker) open(err error, now time.Time) (failed int) {
	b.failed++
	if b.state == StateClosed {
		b.trips++
		b.back = make(chan struct{})
		if now.Sub(b.closedAt) > LongestBackoff {
			b.failed = 0
		}
	}
	b.state, b.err = StateOpen, err
	return b.failed
}

func (b *breaker) close(now time.Time) {
	b.state, b.err, b.closedAt = StateClosed, nil, now
	b.generation++
	close(b.back)
	b.back = nil
}

// backoff returns a time between FirstBackoff and LongestBackoff that doubles with each
// failure. The jitter, up to half as much again, keeps processes from coming back all
// at once.
func (c *config) backoff(failed int) time.Duration {
	least := LongestBackoff * 2 / 3
	if failed < 8 {
		least = min(least, FirstBackoff<<failed)
	}
	return least + c.random(least/2+1)
}
