package storage

import (
	"time"
	"weak"

	"github.com/benbjohnson/clock"

	"github.com/perennial-go/perennial/internal/coarse"
)

// sweeper is the timer by which what is over goes without anybody asking for it.
// It is armed for the nearest end, and not at all while nothing ends.
type sweeper struct {
	timer    *clock.Timer
	at       int64 // what it is armed for, or never
	earliest int64 // no sweep comes before this
}

// sweepRest is the time between two sweeps at least. What ends meanwhile is not
// found any more; it only takes its memory so much longer.
const sweepRest = time.Second

// arm makes sure that a sweep comes at the nearest end, or soon after.
func (m *records) arm() {
	at := max(m.ends.nearest(), m.sweeper.earliest)
	if at >= m.sweeper.at || coarse.Elsewhere(m.bubble) {
		return
	}
	m.sweeper.at = at
	in := max(0, until(m.now(), at))
	if m.sweeper.timer != nil {
		m.sweeper.timer.Reset(in)
		return
	}
	here := weak.Make(m) // the timer keeps no store alive that nobody has any more
	m.sweeper.timer = m.clock.AfterFunc(in, func() {
		if m := here.Value(); m != nil {
			m.sweep()
		}
	})
}

// sweep drops what is over, a batch at a time, so that it holds nobody up.
func (m *records) sweep() {
	for more := true; more; {
		m.mu.Lock()
		now := m.now()
		m.expire(now, batch)
		if more = m.ends.nearest() <= now; !more {
			m.sweeper.at, m.sweeper.earliest = never, after(now, sweepRest)
			m.arm()
		}
		m.mu.Unlock()
	}
}

func (s *sweeper) stop() {
	if s.timer != nil {
		s.timer.Stop()
	}
	s.at = never
}
