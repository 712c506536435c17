package entry

import (
	"math"
	"time"
)

// Instant is a point in time: nanoseconds since the Unix epoch on the clock of
// the function that the entry belongs to. The real clock is the later of the
// monotonic one and that of the wall: it goes on while the machine sleeps, jumps
// forward where the wall clock does, and never back. Every value is a legal instant, zero too (a mock clock starts there): no value means "none".
type Instant int64

// Never is the last instant there is.
const Never Instant = math.MaxInt64

// At is the instant of t.
func At(t time.Time) Instant { return Instant(t.UnixNano()) }

// Time is the instant as a time.Time in UTC.
func (i Instant) Time() time.Time { return time.Unix(0, int64(i)).UTC() }

// Add is the instant d later, or Never where that is past the end of time.
func (i Instant) Add(d time.Duration) Instant {
	sum := i + Instant(d)
	if d > 0 && sum < i {
		return Never
	}
	return sum
}

// Sub is the duration from other to i, or the longest there is, of its sign,
// where that is longer.
func (i Instant) Sub(other Instant) time.Duration {
	d := time.Duration(i - other)
	switch {
	case i >= other && d < 0:
		return math.MaxInt64
	case i < other && d > 0:
		return math.MinInt64
	}
	return d
}
