package runs

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/benbjohnson/clock"

	"github.com/perennial-go/perennial/entry"
	"github.com/perennial-go/perennial/internal/timeline"
)

// Runs are the runs of a function's source. One timer, armed for the nearest deadline,
// serves them all. It is not stopped when there are none for a moment: it is armed for
// later than most loads take, and if it finds nothing to do it is not armed again.
// Methods may be called concurrently; no code of a Runner runs under the lock but
// Refresh and Clear.
type Runs struct {
	time *timeline.Timeline
	fire func()
	work func() // made once

	background atomic.Int64 // refreshes that run or are about to
	late       atomic.Int64 // runs that were given up and go on

	mu      sync.Mutex
	closed  bool
	first   *Run
	fresh   *Run // begun, and not taken by a goroutine yet
	timer   *clock.Timer
	armed   entry.Instant // what the timer is armed for, Never while it is not
	changed chan struct{} // closed at the next end, nil while nobody waits
}

// Init is called before any other method. fire is called by the timer, and calls
// Expire.
func (l *Runs) Init(t *timeline.Timeline, fire func()) {
	l.time, l.fire, l.work, l.armed = t, fire, l.runFresh, entry.Never
}

// Late is how many runs were given up and go on.
func (l *Runs) Late() int { return int(l.late.Load()) }

// Reserve takes a place among at most limit background refreshes.
func (l *Runs) Reserve(limit int) bool {
	if l.background.Load() >= int64(limit) { // spares the write while shedding
		return false
	}
	if l.background.Add(1) > int64(limit) {
		l.background.Add(-1)
		return false
	}
	return true
}

// ReserveOver takes a place over the limit.
func (l *Runs) ReserveOver() { l.background.Add(1) }

// Unreserve gives a place back.
func (l *Runs) Unreserve() { l.background.Add(-1) }

// Begin lists a run that lasts for a time at most, or until Limit says. work is to be
// called on a goroutine of its own, and is nil once Close was called. There is one work
// for all runs, which takes any, so that they need no closures that say which: the
// goroutine of another may take the run at once, and all that it is made of is in place
// before. A run in a bubble that the function was not made in has a work of its own, for
// no goroutine of another bubble may run it.
func (l *Runs) Begin(r *Run, most time.Duration, limited bool) (work func()) {
	r.Context.run, r.Context.deadline = r, timeline.Never
	now, deadline := l.time.Steady(), entry.Never
	if limited {
		deadline = now.Add(most)
		r.Context.deadline = l.time.Monotonic(deadline)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.list(r) {
		return nil
	}
	l.due(r, now, deadline)
	if l.time.ElsewhereAt(now) {
		return r.Runner.Run
	}
	r.fresh, l.fresh = l.fresh, r
	return l.work
}

// List lists a run that somebody else runs, without a deadline until Limit says. It is
// false once Close was called.
func (l *Runs) List(r *Run) bool {
	r.Context.run, r.Context.deadline, r.deadline = r, timeline.Never, entry.Never
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.list(r)
}

// list puts a run on the list. The lock is held.
func (l *Runs) list(r *Run) bool {
	if l.closed {
		return false
	}
	if r.next = l.first; r.next != nil {
		r.next.prev = r
	}
	l.first = r
	return true
}

// runFresh runs one of those that have no goroutine yet.
func (l *Runs) runFresh() {
	growStack(0)
	l.mu.Lock()
	r := l.fresh
	l.fresh, r.fresh = r.fresh, nil
	l.mu.Unlock()
	r.Runner.Run()
}

// Limit lets the time of a run begin. It is false if the run has waited too long for
// its slot.
func (l *Runs) Limit(r *Run, most time.Duration) bool {
	now := l.time.Steady()
	deadline := now.Add(most)
	r.Context.deadline = l.time.Monotonic(deadline)
	l.mu.Lock()
	defer l.mu.Unlock()
	if r.expired {
		return false
	}
	r.queues = false
	l.due(r, now, deadline)
	return true
}

// Queue bounds how long a run waits for its slot.
func (l *Runs) Queue(r *Run, most time.Duration) {
	now := l.time.Steady()
	l.mu.Lock()
	defer l.mu.Unlock()
	r.queues = true
	l.due(r, now, now.Add(most))
}

// Queues tells whether a run waits for its slot.
func (l *Runs) Queues(r *Run) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return r.queues
}

// due sets a run's deadline. The lock is held.
func (l *Runs) due(r *Run, now, deadline entry.Instant) {
	r.deadline = deadline
	switch {
	case !l.time.ElsewhereAt(now):
		l.arm(now, deadline)
	case deadline < entry.Never:
		if r.own != nil {
			r.own.Stop()
		}
		r.own = time.AfterFunc(deadline.Sub(now), func() { l.expireOwn(r) })
	}
}

// arm makes sure that the timer comes at the instant given. The lock is held.
func (l *Runs) arm(now, at entry.Instant) {
	if at >= l.armed {
		return
	}
	if l.timer != nil {
		l.timer.Stop()
	}
	l.armed = at
	l.timer = l.time.Clock.AfterFunc(max(0, at.Sub(now)), l.fire)
}

// Expire tells the runners whose deadline has passed. It is what the timer does.
func (l *Runs) Expire() {
	now := l.time.Steady()
	var late []*Run
	l.mu.Lock()
	nearest := entry.Never
	for r := l.first; r != nil; r = r.next {
		if r.own != nil {
			continue // its time is another
		}
		if r.deadline <= now {
			late = append(late, r)
			r.expire()
		}
		nearest = min(nearest, r.deadline)
	}
	l.armed = entry.Never
	l.arm(now, nearest)
	l.mu.Unlock()
	for i, r := range late {
		if i < len(late)-1 { // nobody waits for the user code of another
			go l.timeout(r)
		} else {
			l.timeout(r)
		}
	}
}

// expireOwn tells the runner of a run with a timer of its own. Runs of other bubbles
// have deadlines that mean nothing in this one.
func (l *Runs) expireOwn(r *Run) {
	now := l.time.Steady()
	l.mu.Lock()
	late := !r.over && r.deadline <= now
	if late {
		r.expire()
	}
	l.mu.Unlock()
	if late {
		l.timeout(r)
	}
}

// expire marks a run whose deadline has passed. The lock is held.
func (r *Run) expire() {
	r.deadline, r.expired = entry.Never, true
	r.expiring++
}

// timeout tells a run's runner that its time is over. The run may come back meanwhile:
// then it is cleared after that.
func (l *Runs) timeout(r *Run) {
	defer func() { // user code may end the goroutine
		l.mu.Lock()
		defer l.mu.Unlock()
		if r.expiring--; r.over && r.expiring == 0 {
			r.clear()
		}
	}()
	r.Runner.Timeout()
}

// Abandon counts a run as late, if it goes on.
func (l *Runs) Abandon(r *Run) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !r.over && !r.late {
		r.late = true
		l.late.Add(1)
		l.signal()
	}
}

// End takes a run that is over off the list.
func (l *Runs) End(r *Run) {
	l.mu.Lock()
	defer l.mu.Unlock()
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
	l.stopIfIdle()
}

// Close lets nothing begin any more.
func (l *Runs) Close() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.closed = true
	l.stopIfIdle()
}

// stopIfIdle stops the timer when nothing will ever need it. The lock is held.
func (l *Runs) stopIfIdle() {
	if l.closed && l.first == nil && l.timer != nil {
		l.timer.Stop()
	}
}

// signal wakes those who wait for runs. The lock is held.
func (l *Runs) signal() {
	if l.changed != nil {
		close(l.changed)
		l.changed = nil
	}
}

// Counts is how many runs are in their time, and how many of them are refreshes.
func (l *Runs) Counts() (inTime, refreshes int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for r := l.first; r != nil; r = r.next {
		if r.late {
			continue
		}
		inTime++
		if r.Runner.Refresh() {
			refreshes++
		}
	}
	return inTime, refreshes
}

// Others are the runs that go on, but for those that a context is used within.
func (l *Runs) Others(ctx context.Context) []*Run {
	outer := map[*Run]bool{}
	Outer(ctx).Chain(func(r *Run) bool {
		outer[r] = true
		return true
	})
	l.mu.Lock()
	defer l.mu.Unlock()
	var others []*Run
	for r := l.first; r != nil; r = r.next {
		if !outer[r] {
			others = append(others, r)
		}
	}
	return others
}

// Wait waits until the runs are over, or given up if that is enough.
func (l *Runs) Wait(ctx context.Context, these []*Run, lateToo bool) error {
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
