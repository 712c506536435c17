// Package problems decides when a problem that goes on is reported.
package problems

import (
	"cmp"
	"sync/atomic"
	"time"

	"github.com/perennial-go/perennial/entry"
	"github.com/perennial-go/perennial/observe"
)

// Interval is how often a problem that goes on is reported again, and how long it
// must be away until it is over. So a problem that comes and goes with every call is
// two lines a minute at most, and what fails now is reported within a minute of what
// failed before.
const Interval = time.Minute

// Problems are those that a function has, by the kind of their event. The zero value
// has none. Its methods may be called concurrently.
type Problems struct {
	any    atomic.Bool // spares a look at each while there is none
	states [observe.Kinds]problem
}

type problem struct {
	told  atomic.Int64 // when it was last reported, 0 while there is none
	last  atomic.Int64 // when it was last met
	count atomic.Int64 // how often since it was reported
}

// Any tells whether there has been one.
func (t *Problems) Any() bool { return t.any.Load() }

// Meet counts a problem. Unless count is 0, the problem is to be reported: it has been
// met so many times since it last was.
func (t *Problems) Meet(k observe.Kind, now entry.Instant) (count int) {
	s := &t.states[k]
	s.last.Store(int64(now))
	s.count.Add(1)
	told := s.told.Load()
	if told != 0 && now.Sub(entry.Instant(told)) < Interval || !s.told.CompareAndSwap(told, cmp.Or(int64(now), 1)) {
		return 0
	}
	t.any.Store(true)
	return int(s.count.Swap(0))
}

// Over is called when something works, and tells whether the problem with it is over.
func (t *Problems) Over(k observe.Kind, now func() entry.Instant) bool {
	if !t.any.Load() {
		return false
	}
	s := &t.states[k]
	told := s.told.Load()
	if told == 0 || now().Sub(entry.Instant(s.last.Load())) < Interval {
		return false
	}
	return s.told.CompareAndSwap(told, 0)
}

// End ends a problem at once.
func (t *Problems) End(k observe.Kind) { t.states[k].told.Store(0) }
