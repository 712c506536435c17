// Package coarse is the time of this process: exactly, and as one reading for all,
// kept by a ticker that runs only while somebody reads.
//
// To read the clock is most of the cost of a cache hit. A reading that is a few
// milliseconds old is as good wherever nothing is decided within Slack of it.
package coarse

import (
	"sync"
	"sync/atomic"
	"time"
)

const (
	// Slack is how near to a boundary the coarse reading must not be used. It
	// is ten ticks, so that a ticker that is held up for nine does no harm.
	Slack = 100 * time.Millisecond

	tick = 10 * time.Millisecond
	idle = 100 // ticks without a reader until the ticker stops
)

// reading is 0 while the ticker does not run. It is written once a tick, used
// at most once between ticks: both are shared by all readers.
var (
	_       [64]byte
	reading atomic.Int64
	used    atomic.Bool
	_       [64]byte
)

// Now is the reading, at most a few ticks old, or 0 where there is none yet;
// then the caller reads the exact clock, and the ticker is started for those
// who come after.
func Now() int64 {
	now := reading.Load()
	if now == 0 || !used.Load() { // the first since the last tick
		first(now)
	}
	return now
}

func first(now int64) {
	if now == 0 {
		start()
		return
	}
	used.Store(true)
}

var (
	mu    sync.Mutex
	timer *time.Timer
	quiet int // ticks since the last reader
)

func start() {
	mu.Lock()
	defer mu.Unlock()
	if reading.Load() != 0 || Bubble() {
		return
	}
	quiet = 0
	reading.Store(Exact())
	if timer == nil {
		timer = time.AfterFunc(tick, fire)
		return
	}
	timer.Reset(tick)
}

func fire() {
	mu.Lock()
	defer mu.Unlock()
	if used.Swap(false) {
		quiet = 0
	} else if quiet++; quiet >= idle {
		reading.Store(0)
		return
	}
	reading.Store(Exact())
	timer.Reset(tick)
}
