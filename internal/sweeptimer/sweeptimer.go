// Package sweeptimer decides when expired entries are swept.
package sweeptimer

import (
	"math"
	"sync"
	"sync/atomic"
	"time"

	"github.com/benbjohnson/clock"

	"github.com/perennial-go/perennial/entry"
	"github.com/perennial-go/perennial/internal/timeline"
)

// share is how many times as long as a sweep has spent on entries that stay the next
// one waits at least: that costs no more than one part in a hundred of a core. What it
// has spent on those that went is work done once, and what it has spent on those that
// go soon was near enough.
const share = 100

// Timer is the one timer by which expired entries go without anyone reading them. It
// is armed for the nearest end, and not at all while nothing is held. A sweep looks at
// every entry; if that takes long, it comes less often.
type Timer struct {
	time  *timeline.Timeline
	sweep func()

	at       atomic.Int64 // what it is armed for, or is to be after the sweep that runs; Never if for nothing
	mu       sync.Mutex
	timer    *clock.Timer
	earliest entry.Instant // no sweep before this
	sweeping bool          // a sweep runs: no other one begins
	stopped  bool
}

// Init makes a timer that calls sweep on a goroutine of its own. It is called before
// any other method.
func (s *Timer) Init(t *timeline.Timeline, sweep func()) {
	s.time, s.sweep = t, sweep
	s.at.Store(int64(entry.Never))
}

// Arm makes sure that a sweep comes at the end given, or as soon after it as sweeping
// is cheap.
func (s *Timer) Arm(end entry.Instant) {
	if int64(end) < s.at.Load() {
		s.arm(end)
	}
}

func (s *Timer) arm(end entry.Instant) {
	s.mu.Lock()
	defer s.mu.Unlock()
	end = max(end, s.earliest)
	if s.stopped || int64(end) >= s.at.Load() {
		return
	}
	if s.time.Elsewhere() {
		return // what is stored there is over as soon as it is looked at outside
	}
	s.at.Store(int64(end))
	if s.sweeping {
		return // End looks at it
	}
	if s.timer != nil {
		s.timer.Stop()
	}
	s.timer = s.time.Clock.AfterFunc(max(0, end.Sub(s.time.Now())), s.sweep)
}

// Begin is called when a sweep begins: writes arm for the next one from now on, which
// begins after End.
func (s *Timer) Begin() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sweeping = true
	s.at.Store(int64(entry.Never))
}

// End is called when a sweep has ended: how long it took, what share of all entries
// stays for long, and the nearest end of those that stay.
func (s *Timer) End(took time.Duration, idle float64, nearest entry.Instant) {
	wait := max(took, time.Duration(min(share*idle*float64(took), math.MaxInt64/2)))
	s.mu.Lock()
	s.earliest = s.time.Now().Add(wait)
	s.sweeping = false
	nearest = min(nearest, entry.Instant(s.at.Load())) // of what was written meanwhile
	s.at.Store(int64(entry.Never))
	s.mu.Unlock()
	s.Arm(nearest)
}

// Stop lets no sweep come any more.
func (s *Timer) Stop() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stopped = true
	if s.timer != nil {
		s.timer.Stop()
	}
}

// Earliest is the instant before which no sweep comes.
func (s *Timer) Earliest() entry.Instant {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.earliest
}
