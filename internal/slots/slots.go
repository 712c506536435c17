// Package slots is a limit of how much runs at once, with a queue in front of it.
//
// A run that waits for another one while it holds a slot can lock everybody out: the
// other may need that slot. So a run parks its slot while it waits in a nested call,
// and takes one again afterwards, ahead of those who have not begun:
//
//	limit 1   f runs ─ calls g, parks ─ ─ ─ ─ ─ ─ takes a slot ahead of h ─ ends
//	          g           waits in the queue ─ runs ─ ends
//	          h           waits in the queue ─ ─ ─ ─ ─ ─ ─ ─ ─ ─ ─ ─ ─ ─ ─ ─ runs
//
// A run with several nested calls takes its slot again after the last of them: after
// the first it would lock out the second.
package slots

import (
	"context"
	"errors"
	"math"
	"sync"
	"time"

	"github.com/benbjohnson/clock"

	"github.com/perennial-go/perennial/entry"
)

var (
	// ErrGone is returned to a run that waits for a slot when the slot is given back
	// meanwhile: nobody wants the run any more.
	ErrGone = errors.New("slots: the run was given up")
	// ErrRefused is returned to a run that waits for a slot when Refuse is called.
	ErrRefused = errors.New("slots: nobody is let in")
	// ErrTooLong is returned to a run that has waited for as long as it may.
	ErrTooLong = errors.New("slots: it takes too long")
)

// Limit is a number of slots. The zero value has none until Resize. Its methods, and
// those of its slots, may be called concurrently.
type Limit struct {
	// Now is the time in which slots say for how long they were parked, nil if nobody
	// wants to know. It is set before any slot is made.
	Now func() entry.Instant

	mu    sync.Mutex
	size  int
	held  int
	late  int  // slots of runs that were given up and go on, among those held
	queue list // runs that have not begun, first come first served
	ahead list // runs that go on after a nested call
}

// Slot is what one run has of a Limit: Limit.Slot makes one. A nil one, and the zero
// value, is that of a run without a limit: it can be parked, resumed and returned.
type Slot struct {
	limit *Limit

	// Guarded by the limit's lock.
	holds   bool
	late    bool          // the run was given up, and holds it nevertheless
	over    bool          // it was given back for good
	taken   bool          // it was taken once
	refused bool          // by Refuse
	nested  int16         // calls that the run waits in
	waits   *waiter       // what it waits with in either list
	since   entry.Instant // when it was parked
	parked  time.Duration // for how long it was
}

// waiter is a place in a list.
type waiter struct {
	slot       *Slot
	in         *list
	ready      chan struct{} // closed when it need not wait any more
	prev, next *waiter
}

// Resize changes how many slots there are. With fewer, what runs keeps its slot.
func (l *Limit) Resize(size int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.size = size
	l.grant()
}

// Refuse frees all who wait to begin: their Take returns ErrRefused.
func (l *Limit) Refuse() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for w := l.queue.first; w != nil; w = l.queue.first {
		w.slot.refused = true
		w.leave()
	}
}

// Counts is how many slots are held, those of runs that were given up among them, how
// many of these there are, and how many runs wait to begin.
func (l *Limit) Counts() (held, late, waiting int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.held, l.late, l.queue.length
}

// Slot is that of a run that has not begun. It holds nothing until it is taken.
func (l *Limit) Slot() Slot { return Slot{limit: l} }

// TryTake takes a slot if there is one and nobody waits for it.
func (s *Slot) TryTake() bool {
	_, ok := s.TryTakeOf(1)
	return ok
}

// TryTakeOf takes a slot if less than a share of them all is held, which is one at least,
// and nobody waits for one. It says how many are held then.
func (s *Slot) TryTakeOf(share float64) (held int, ok bool) {
	l := s.limit
	l.mu.Lock()
	defer l.mu.Unlock()
	if s.over || l.queue.first != nil || l.ahead.first != nil || !l.room(share) {
		return l.held, false
	}
	l.take(s)
	return l.held, true
}

// Room tells whether TryTakeOf may succeed.
func (l *Limit) Room(share float64) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.queue.first == nil && l.ahead.first == nil && l.room(share)
}

// TakeOver takes a slot whether there is one or not. It says how many are held then.
func (s *Slot) TakeOver() (held int) {
	l := s.limit
	l.mu.Lock()
	defer l.mu.Unlock()
	if !s.over && !s.holds {
		l.take(s)
	}
	return l.held
}

// Take waits for a slot. The error is the context's, ErrGone or ErrRefused.
func (s *Slot) Take(ctx context.Context) error { return s.TakeWithin(ctx, nil, nil) }

// TakeWithin is Take for as long as left says, which is asked again whenever that is
// over: with zero or less the error is ErrTooLong.
func (s *Slot) TakeWithin(ctx context.Context, c clock.Clock, left func() time.Duration) error {
	l := s.limit
	l.mu.Lock()
	if s.over {
		l.mu.Unlock()
		return ErrGone
	}
	s.refused = false
	w := l.queue.add(s)
	l.grant()
	l.mu.Unlock()
	err := w.wait(ctx, c, left)
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case s.holds:
		return nil
	case s.over:
		return ErrGone
	case s.refused:
		return ErrRefused
	}
	w.leave()
	return err
}

// Late says that the run was given up and goes on. It keeps its slot, for the source
// still works, but one slot is always for a run that was not given up.
// The results are those of Return.
func (s *Slot) Late() (held int, parked time.Duration) {
	l := s.limit
	l.mu.Lock()
	defer l.mu.Unlock()
	if s.late || s.over {
		return l.held, 0
	}
	s.late = true
	if s.holds {
		l.late++
		l.grant()
	} else if w := s.waits; w != nil { // after a nested call
		l.take(s)
		w.leave()
	}
	return l.held, s.parkedUpTo(l)
}

// parkedUpTo is for how long the slot was parked, up to now. The lock is held.
func (s *Slot) parkedUpTo(l *Limit) time.Duration {
	if s.nested > 0 && l.Now != nil {
		return s.parked + l.Now().Sub(s.since)
	}
	return s.parked
}

// wait waits until the waiter is woken, and may return an error if it is not.
func (w *waiter) wait(ctx context.Context, c clock.Clock, left func() time.Duration) error {
	if left == nil {
		select {
		case <-w.ready:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	for {
		d := left()
		if d <= 0 {
			return ErrTooLong
		}
		timer := c.Timer(d)
		select {
		case <-w.ready:
			timer.Stop()
			return nil
		case <-ctx.Done():
			timer.Stop()
			return ctx.Err()
		case <-timer.C:
		}
	}
}

// Return gives the slot back for good, and frees the run from waiting for it. It says how
// many are held then, and for how long this one was parked.
func (s *Slot) Return() (held int, parked time.Duration) {
	l := s.limit
	if l == nil {
		return 0, 0
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	s.over = true
	s.waits.leave()
	l.release(s)
	return l.held, s.parkedUpTo(l)
}

// Park is called before the run waits in a nested call: others may have its slot
// meanwhile.
func (s *Slot) Park() {
	if s == nil || s.limit == nil {
		return
	}
	l := s.limit
	l.mu.Lock()
	defer l.mu.Unlock()
	if s.nested++; s.nested == 1 {
		if l.Now != nil {
			s.since = l.Now()
		}
		s.waits.leave() // after another nested call: it goes on without a slot
		l.release(s)
	}
}

// Resume is called after that wait. It waits for a slot, ahead of runs that have not
// begun, if the run waits in no other call. With a context that ends it does not: the
// run goes on, over the limit if need be, for its caller has a deadline.
func (s *Slot) Resume(ctx context.Context) {
	if s == nil || s.limit == nil {
		return
	}
	l := s.limit
	l.mu.Lock()
	s.nested--
	if s.nested > 0 || s.over || !s.taken {
		l.mu.Unlock()
		return
	}
	if s.late {
		l.take(s)
		l.mu.Unlock()
		return
	}
	w := l.ahead.add(s)
	l.grant()
	l.mu.Unlock()
	select {
	case <-w.ready:
	case <-ctx.Done():
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.Now != nil && s.nested == 0 {
		s.parked += l.Now().Sub(s.since)
	}
	if s.waits == w {
		w.leave()
		l.take(s)
	}
}

// room tells whether less than a share of the slots is held. One is always for a run that
// was not given up. The lock is held.
func (l *Limit) room(share float64) bool {
	most := l.size
	if share < 1 {
		most = min(most, max(1, int(math.Ceil(share*float64(l.size)))))
	}
	return l.held < most || l.size > 0 && l.held == l.late
}

// take counts a slot as held. The lock is held.
func (l *Limit) take(s *Slot) {
	s.holds, s.taken = true, true
	l.held++
	if s.late {
		l.late++
	}
}

// release frees what the slot holds. The lock is held.
func (l *Limit) release(s *Slot) {
	if s.holds {
		if s.late {
			l.late--
		}
		s.holds = false
		l.held--
		l.grant()
	}
}

// grant gives free slots to those who wait. The lock is held.
func (l *Limit) grant() {
	for l.room(1) {
		w := l.ahead.first
		if w == nil {
			w = l.queue.first
		}
		if w == nil {
			return
		}
		l.take(w.slot)
		w.leave()
	}
}

// list is a queue of waiters. It is guarded by the limit's lock.
type list struct {
	first, last *waiter
	length      int
}

func (q *list) add(s *Slot) *waiter {
	w := &waiter{slot: s, in: q, ready: make(chan struct{}), prev: q.last}
	if w.prev != nil {
		w.prev.next = w
	} else {
		q.first = w
	}
	q.last, s.waits = w, w
	q.length++
	return w
}

// leave takes a waiter, if any, out of its list and wakes it.
func (w *waiter) leave() {
	if w == nil || w.slot.waits != w {
		return
	}
	q := w.in
	if w.prev != nil {
		w.prev.next = w.next
	} else {
		q.first = w.next
	}
	if w.next != nil {
		w.next.prev = w.prev
	} else {
		q.last = w.prev
	}
	w.prev, w.next, w.slot.waits = nil, nil, nil
	q.length--
	close(w.ready)
}
