package memoize

import (
	"sync/atomic"
	"time"

	"github.com/perennial-go/perennial/entry"
	"github.com/perennial-go/perennial/observe"
)

// tellAgain is how often a trouble that goes on is told of again, and how long
// it must be away until it is over. So a trouble that comes and goes with every
// call is two lines a minute at most, and what fails now is told within a minute
// of what failed before.
const tellAgain = time.Minute

// troubles are the bad states that a function is in, by the kind of their event.
type troubles struct {
	any    atomic.Bool // spares a look at each while nothing is bad
	states [observe.Kinds]trouble
}

type trouble struct {
	told  atomic.Int64 // when it was last told of, 0 while all is well
	last  atomic.Int64 // when it was last met
	count atomic.Int64 // how often since it was told of
}

// meets is called when a trouble is met. Unless it is 0, the trouble is to be
// told of: it has been met so many times since it last was.
func (t *troubles) meets(k observe.Kind, now entry.Instant) (count int) {
	s := &t.states[k]
	s.last.Store(int64(now))
	s.count.Add(1)
	told := s.told.Load()
	if told != 0 && now.Sub(entry.Instant(told)) < tellAgain || !s.told.CompareAndSwap(told, max(1, int64(now))) {
		return 0
	}
	t.any.Store(true)
	return int(s.count.Swap(0))
}

// over is called when all is well, and is true once the trouble is over.
func (t *troubles) over(k observe.Kind, now func() entry.Instant) bool {
	if !t.any.Load() {
		return false
	}
	s := &t.states[k]
	told := s.told.Load()
	if told == 0 || now().Sub(entry.Instant(s.last.Load())) < tellAgain {
		return false
	}
	return s.told.CompareAndSwap(told, 0)
}

// ends ends a trouble at once.
func (t *troubles) ends(k observe.Kind) { t.states[k].told.Store(0) }
