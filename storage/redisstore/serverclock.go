package redisstore

import (
	"sync"
	"time"
)

// serverClock is what is known of the clock of a server: what it says now at least.
// An answer that tells the server's time was given before it came; since then as
// much time has gone by there as here, but for what the two clocks drift apart.
type serverClock struct {
	mu   sync.Mutex
	seen time.Time // when an answer had come, by the monotonic clock; zero before the first
	at   float64   // what the server's clock said then at least, in ms
}

// drift is how much faster our clock may run than the server's: as both are steered
// by NTP, by at most 500 ppm each.
const drift = 1e-3

// latest is an instant of a server's clock that none says, in ms.
const latest = 1 << 62

// least is what the server's clock says at an instant at least.
func (c *serverClock) least(t time.Time) float64 {
	since := float64(t.Sub(c.seen)) / float64(time.Millisecond)
	return c.at + since*(1-drift)
}

// tells puts down what an answer has told that has just come to what was sent at an
// instant. One that was long under way tells less than what is known already; one
// that contradicts it says that the clock was set back, or is another server's.
func (c *serverClock) tells(sent time.Time, ms int64) {
	now := time.Now()
	c.mu.Lock()
	defer c.mu.Unlock()
	if told := float64(ms); c.seen.IsZero() || told < c.least(sent) || told > c.least(now) {
		c.seen, c.at = now, told
	}
}

// by is an instant of the server's clock that it says at the deadline or before. ok
// is false where none is known, or it may be past already.
func (c *serverClock) by(deadline time.Time) (ms int64, ok bool) {
	now := time.Now()
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.seen.IsZero() {
		return 0, false
	}
	// Our reading may be behind by the time that an answer takes, so what has less than
	// that left would be refused.
	return int64(min(max(c.least(deadline), -latest), latest)), deadline.After(now)
}
