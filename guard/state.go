package guard

import (
	"sync/atomic"
	"time"

	"github.com/perennial-go/perennial/internal/breaker"
)

// State is what there is to know of a guard at one moment. Its parts are read one after
// the other while loads go on.
type State struct {
	Name string
	Off  bool // everything passes

	Limit, Floor, Ceiling int  // of loads at once; they are equal if it is fixed
	InFlight              int  // loads that hold a place, those that were given up and go on among them
	Late                  int  // these
	Queued                int  // loads that wait for a place
	Down                  bool // the breaker is open: nothing is asked but probes
	Probing               bool // one is under way

	DownFor   time.Duration // since when it is open
	NextProbe time.Duration // when the next probe may begin, while it is open

	Typical time.Duration // what a load takes of late, 0 while that is not known
	Norm    time.Duration // what it takes while little is in flight, 0 while that is not known

	Stats
}

// Stats counts what a guard has done since it was made.
type Stats struct {
	Admitted  [Classes]uint64 // loads that were let in, by class
	Refused   [Classes]uint64 // loads that were not
	Succeeded uint64          // loads that the source has answered
	Failed    uint64          // loads that the source has failed
	TimedOut  uint64          // loads that were given up at their time limit
	Opened    uint64          // how often the breaker has opened
	Probes    uint64          // loads that were probes
	Panics    uint64          // panics of observers and of what Failures was given
}

type counters struct {
	admitted, refused                                   [Classes]atomic.Uint64
	succeeded, failed, timedOut, opened, probes, panics atomic.Uint64
}

// State is how the guard is. It changes nothing.
func (g *Guard) State() State { return g.gate.state() }

func (g *gate) state() State {
	s := g.settings.Load()
	st := State{Name: g.name, Off: s.off, Floor: s.floor, Ceiling: s.ceiling, Stats: g.counters.stats()}
	g.mu.Lock()
	st.Limit, st.Typical, st.Norm = g.limit.Places(), g.limit.Typical(), g.limit.Norm()
	g.mu.Unlock()
	st.InFlight, st.Late, st.Queued = g.places.Counts()
	how, opened, next := g.breaker.State()
	if how != breaker.Closed {
		now := g.time.Steady()
		st.Down, st.Probing, st.DownFor, st.NextProbe = true, how == breaker.HalfOpen, now.Sub(opened), max(0, next.Sub(now))
	}
	return st
}

// Stats counts what the guard has done.
func (g *Guard) Stats() Stats { return g.gate.counters.stats() }

func (c *counters) stats() Stats {
	s := Stats{
		Succeeded: c.succeeded.Load(), Failed: c.failed.Load(), TimedOut: c.timedOut.Load(),
		Opened: c.opened.Load(), Probes: c.probes.Load(), Panics: c.panics.Load(),
	}
	for i := range s.Admitted {
		s.Admitted[i], s.Refused[i] = c.admitted[i].Load(), c.refused[i].Load()
	}
	return s
}
