package entry

import (
	"math"
	"time"
)

// Instant is a point in time: nanoseconds since the Unix epoch on the clock of
// the function that the entry belongs to. The real clock is the later of the
// monotonic one and that of the wall: it goes on while the machine sleeps, jumps
// forward where the wall clock does, and never back. Every value is a legal instant,
// zero too (a mock clock starts there): no value means "none".
type Instant int64

// Never is the last instant there is.
const Never Instant = math.MaxInt64

// At is the instant of t, or the first or last there is where t is not between
// them: they lie in the years 1677 and 2262.
func At(t time.Time) Instant {
	switch {
	case t.Before(first):
		return math.MinInt64
	case t.After(last):
		return Never
	}
	return Instant(t.UnixNano())
}

var first, last = time.Unix(0, math.MinInt64), time.Unix(0, math.MaxInt64)

// Time is the instant as a time.Time in UTC.
func (i Instant) Time() time.Time { return time.Unix(0, int64(i)).UTC() }

// Add is the instant d later, or Never where that is past the end of time, and the
// first instant there is where it is before its beginning.
func (i Instant) Add(d time.Duration) Instant {
	sum := i + Instant(d)
	switch {
	case d > 0 && sum < i:
		return Never
	case d < 0 && sum > i:
		return math.MinInt64
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
