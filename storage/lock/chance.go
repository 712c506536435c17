package lock

import "time"

// chance is a number from 0 to 1 that nobody knows before.
type chance func() float64

// of is a time between a half of d and d.
func (c chance) of(d time.Duration) time.Duration {
	return d/2 + time.Duration(c()*float64(d/2))
}

// backOff is how long to wait after a number of failures: 50 ms, doubling to
// 800 ms, by chance up to a half less.
func (c chance) backOff(failed int) time.Duration {
	return c.of(50 * time.Millisecond << min(failed, 4))
}
