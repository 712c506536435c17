package memoize

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/benbjohnson/clock"

	"github.com/perennial-go/perennial/entry"
	"github.com/perennial-go/perennial/internal/slots"
)

// flight is one run of the source that goes on, whatever the types of its function.
// What is below ctx is guarded by the lock of loads. Whoever keeps its context keeps
// its memory, so it lets go of everything once it is over: see clear.
type flight struct {
	owner owner
	ctx   loadContext
	slot  slots.Slot // of MaxLoads

	deadline   entry.Instant // when it is given up, in steady time
	queues     bool          // it waits for its slot until then
	expired    bool          // the deadline has passed
	late       bool          // it was
	over       bool          // it has come back
	expiring   int32         // how often its owner is being told of a deadline
	own        *time.Timer   // in a bubble that the function was not made in
	prev, next *flight
	fresh      *flight // the next of those that have no goroutine yet
}

// owner is what runs the source, on a goroutine of its own.
type owner interface {
	run()
	timeout() // at the deadline, on another goroutine
	refresh() bool
	clear() // of what the memory holds that it shares with its context; called once, when it is over
}

// loads knows the runs of a function's source that go on. One timer, armed for
// the nearest deadline, serves them all. It is not stopped when there are none
// for a moment: it is armed for later than most loads take, and where it finds
// nothing to do it is not armed again.
type loads struct {
	time   *timeline
	fire   func()
	worker func() // work, made once

	ended      atomic.Uint64 // updates that have ended
	background atomic.Int64  // refreshes that run or are about to
	late       atomic.Int64  // loads that were given up and still run

	mu      sync.Mutex
	closed  bool
	first   *flight
	fresh   *flight // begun, and not taken by a goroutine yet
	timer   *clock.Timer
	armed   entry.Instant // what the timer is armed for, Never while it is not
	changed chan struct{} // closed at the next end, nil while nobody waits
}

func (l *loads) init(t *timeline, fire func()) {
	l.time, l.fire, l.worker, l.armed = t, fire, l.work, entry.Never
}

// reserve takes a place among the background refreshes.
func (l *loads) reserve(limit int) bool {
	if l.background.Load() >= int64(limit) { // spares the write while shedding
		return false
	}
	if l.background.Add(1) > int64(limit) {
		l.background.Add(-1)
		return false
	}
	return true
}

func (l *loads) unreserve() { l.background.Add(-1) }

// add lists a run. The lock is held.
func (l *loads) add(r *flight, now, deadline entry.Instant) {
	if r.next = l.first; r.next != nil {
		r.next.prev = r
	}
	l.first = r
	r.fresh, l.fresh = l.fresh, r
	l.due(r, now, deadline)
}

// work is the goroutine of a run. There is one for each that was added, which
// takes any: so the runs need no closures that say which.
func (l *loads) work() {
	l.mu.Lock()
	r := l.fresh
	l.fresh, r.fresh = r.fresh, nil
	l.mu.Unlock()
	r.owner.run()
}

// due sets a run's deadline. The lock is held.
func (l *loads) due(r *flight, now, deadline entry.Instant) {
	r.deadline = deadline
	switch {
	case !l.time.elsewhereAt(now):
		l.arm(now, deadline)
	case deadline < entry.Never:
		if r.own != nil {
			r.own.Stop()
		}
		r.own = time.AfterFunc(deadline.Sub(now), l.expire)
	}
}

// arm makes sure that the timer comes at the instant given. The lock is held.
func (l *loads) arm(now, at entry.Instant) {
	if at >= l.armed {
		return
	}
	if l.timer != nil {
		l.timer.Stop()
	}
	l.armed = at
	l.timer = l.time.clock.AfterFunc(max(0, at.Sub(now)), l.fire)
}

// expire gives up the runs whose time is over. It is what the timer does.
func (l *loads) expire() {
	now := l.time.steady()
	elsewhere := l.time.elsewhereAt(now)
	var late []*flight
	l.mu.Lock()
	nearest := entry.Never
	for r := l.first; r != nil; r = r.next {
		if elsewhere != (r.own != nil) {
			continue // its time is another
		}
		if r.deadline <= now {
			late = append(late, r)
			r.deadline, r.expired = entry.Never, true
			r.expiring++
		}
		nearest = min(nearest, r.deadline)
	}
	if !elsewhere {
		l.armed = entry.Never
		l.arm(now, nearest)
	}
	l.mu.Unlock()
	for i, r := range late {
		if i < len(late)-1 { // nobody waits for the user code of another
			go l.timeout(r)
		} else {
			l.timeout(r)
		}
	}
}

// isQueued tells whether a run waits for its slot.
func (l *loads) isQueued(r *flight) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return r.queues
}

// timeout tells the owner of a run that its time is over. The run may come back
// meanwhile: then it is cleared after that.
func (l *loads) timeout(r *flight) {
	defer func() { // user code may end the goroutine
		l.mu.Lock()
		defer l.mu.Unlock()
		if r.expiring--; r.over && r.expiring == 0 {
			r.clear()
		}
	}()
	r.owner.timeout()
}

// clear lets go of the owner, so that who keeps the context does not keep what was
// loaded. The lock is held.
func (r *flight) clear() {
	r.owner.clear()
	r.owner = nil
}

// abandon counts a run as late, if it still goes on.
func (l *loads) abandon(r *flight) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !r.over && !r.late {
		r.late = true
		l.late.Add(1)
		l.signal()
	}
}

// remove takes a run that is over off the list. The lock is held.
func (l *loads) remove(r *flight) {
	r.over = true
	if r.late {
		l.late.Add(-1)
	}
	if r.prev != nil {
		r.prev.next = r.next
	} else {
		l.first = r.next
	}
	if r.next != nil {
		r.next.prev = r.prev
	}
	r.prev, r.next = nil, nil
	if r.own != nil {
		r.own.Stop()
	}
	if r.expiring == 0 {
		r.clear()
	}
	l.signal()
	l.rest()
}

// close lets nothing be added any more.
func (l *loads) close() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.closed = true
	l.rest()
}

// rest stops the timer when nothing will ever need it. The lock is held.
func (l *loads) rest() {
	if l.closed && l.first == nil && l.timer != nil {
		l.timer.Stop()
	}
}

func (l *loads) signal() {
	if l.changed != nil {
		close(l.changed)
		l.changed = nil
	}
}

// counts is how many loads run in their time, and how many of them are
// refreshes.
func (l *loads) counts() (inTime, refreshes int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for r := l.first; r != nil; r = r.next {
		if r.late {
			continue
		}
		inTime++
		if r.owner.refresh() {
			refreshes++
		}
	}
	return inTime, refreshes
}

// now is the runs that go on, but for those that are left out.
func (l *loads) now(without map[*flight]bool) []*flight {
	l.mu.Lock()
	defer l.mu.Unlock()
	var now []*flight
	for r := l.first; r != nil; r = r.next {
		if !without[r] {
			now = append(now, r)
		}
	}
	return now
}

// wait waits until the runs are over, or given up where that is enough.
func (l *loads) wait(ctx context.Context, these []*flight, lateToo bool) error {
	for {
		l.mu.Lock()
		waits := false
		for _, r := range these {
			waits = waits || !r.over && (lateToo || !r.late)
		}
		if !waits {
			l.mu.Unlock()
			return nil
		}
		if l.changed == nil {
			l.changed = make(chan struct{})
		}
		changed := l.changed
		l.mu.Unlock()
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}
