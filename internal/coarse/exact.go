package coarse

import (
	"math"
	"sync/atomic"
	"time"
)

// The time of this process is the monotonic clock plus an offset that only
// grows: as soon as the wall clock is seen ahead of the sum, the offset makes up
// for it. So time is the later of the two clocks. The monotonic one stands still
// while the machine sleeps, and the wall clock may be set back.
//
// To read both clocks costs twice as much as to read the monotonic one. So the
// wall clock is looked at where a millisecond has passed since it was, by the
// monotonic clock.
var (
	base = time.Now()

	_      [64]byte
	offset atomic.Int64 // from the monotonic time since base
	looked atomic.Int64 // when the wall clock was looked at, in the same time
	_      [64]byte

	stepped atomic.Int64 // by which tests have set the wall clock
)

const lookEvery = time.Millisecond

func init() { offset.Store(base.UnixNano()) }

// Exact is the time, in nanoseconds since the Unix epoch. It never goes back. In a
// bubble of testing/synctest it is the bubble's.
func Exact() int64 {
	now := Monotonic()
	if uint64(now-looked.Load()) < uint64(lookEvery) {
		return now + offset.Load()
	}
	return look()
}

// Monotonic is the monotonic clock alone, in nanoseconds since the process began.
// What must not be cut short because the wall clock was set is measured by it.
func Monotonic() int64 { return int64(time.Since(base)) }

// Bubble tells whether the caller is in a bubble of testing/synctest, whose
// clock has nothing to do with this process's: there the time since the
// process began appears to be decades.
func Bubble() bool {
	return BubbleAt(Monotonic())
}

// BubbleAt is Bubble for who has read Monotonic just now.
func BubbleAt(monotonic int64) bool {
	const decade = 10 * 365 * 24 * time.Hour
	return monotonic > int64(decade) || monotonic < 0
}

// Elsewhere tells whether something was made outside of bubbles and is used in one, or
// the other way round: inside says where it was made. What it then makes, as a timer or
// a channel, it must not keep: the runtime ends a program that uses those of a bubble
// outside of it.
func Elsewhere(inside bool) bool { return Bubble() != inside }

// look is Exact by both clocks.
func look() int64 {
	now := time.Now()
	if Bubble() { // its clocks are one, and no business of the process's
		return now.UnixNano()
	}
	monotonic := int64(now.Sub(base))
	ahead := now.UnixNano() + stepped.Load() - monotonic
	for known := offset.Load(); ahead > known && !offset.CompareAndSwap(known, ahead); {
		known = offset.Load()
	}
	looked.Store(monotonic) // after the offset: who finds it may use that
	return monotonic + offset.Load()
}

// Step sets the wall clock forth, or with less than nothing back, as far as this
// package can tell, for tests. What follows within a millisecond or a tick, has
// when it returns. Undo takes it back, and the time with it.
func Step(by time.Duration) (undo func()) {
	before := offset.Load()
	stepped.Add(int64(by))
	follow()
	return func() {
		stepped.Add(-int64(by))
		offset.Store(before)
		follow()
	}
}

func follow() {
	looked.Store(math.MinInt64)
	now := Exact()
	mu.Lock()
	defer mu.Unlock()
	if reading.Load() != 0 {
		reading.Store(now)
	}
}
