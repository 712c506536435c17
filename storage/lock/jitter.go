package lock

import "time"

// jitter returns a random number from 0 to 1.
type jitter func() float64

// of returns a time between a half of d and d.
func (j jitter) of(d time.Duration) time.Duration {
	return d/2 + time.Duration(j()*float64(d/2))
}

// backOff returns how long to wait after a number of failures: 50 ms, doubling to
// 800 ms, and up to a half less at random.
func (j jitter) backOff(failed int) time.Duration {
	return j.of(50 * time.Millisecond << min(failed, 4))
}
