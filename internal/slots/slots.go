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
	"sync"
)

// ErrGone is returned to a run that waits for a slot when the slot is given back
// meanwhile: nobody wants the run any more.
var ErrGone = errors.New("slots: the run was given up")

// Limit is a number of slots. The zero value has none until Resize. Its methods, and
// those of its slots, may be called concurrently.
type Limit struct {
	mu    sync.Mutex
	size  int
	held  int
	queue list // runs that have not begun, first come first served
	ahead list // runs that go on after a nested call
}

// Slot is what one run has of a Limit: Limit.Slot makes one. A nil one, and the zero
// value, is that of a run without a limit: it can be parked, resumed and returned.
type Slot struct {
	limit *Limit

	// Guarded by the limit's lock.
	holds  bool
	over   bool    // it was given back for good
	nested int32   // calls that the run waits in
	waits  *waiter // what it waits with in either list
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

// Slot is that of a run that has not begun. It holds nothing until it is taken.
func (l *Limit) Slot() Slot { return Slot{limit: l} }

// TryTake takes a slot if there is one and nobody waits for it.
func (s *Slot) TryTake() bool {
	l := s.limit
	l.mu.Lock()
	defer l.mu.Unlock()
	if s.over || l.held >= l.size || l.queue.first != nil || l.ahead.first != nil {
		return false
	}
	l.take(s)
	return true
}

// Take waits for a slot. The error is the context's, or ErrGone.
func (s *Slot) Take(ctx context.Context) error {
	l := s.limit
	l.mu.Lock()
	if s.over {
		l.mu.Unlock()
		return ErrGone
	}
	w := l.queue.add(s)
	l.grant()
	l.mu.Unlock()
	var err error
	select {
	case <-w.ready:
	case <-ctx.Done():
		err = ctx.Err()
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case s.holds:
		return nil
	case s.over:
		return ErrGone
	}
	w.leave()
	return err
}

// Return gives the slot back for good, and frees the run from waiting for it.
func (s *Slot) Return() {
	l := s.limit
	if l == nil {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	s.over = true
	s.waits.leave()
	l.release(s)
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
	if s.nested > 0 || s.over {
		l.mu.Unlock()
		return
	}
	w := l.ahead.add(s)
	l.grant()
	l.mu.Unlock()
	select {
	case <-w.ready:
		return
	case <-ctx.Done():
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if s.waits == w {
		w.leave()
		l.take(s)
	}
}

// take counts a slot as held. The lock is held.
func (l *Limit) take(s *Slot) {
	s.holds = true
	l.held++
}

// release frees what the slot holds. The lock is held.
func (l *Limit) release(s *Slot) {
	if s.holds {
		s.holds = false
		l.held--
		l.grant()
	}
}

// grant gives free slots to those who wait. The lock is held.
func (l *Limit) grant() {
	for l.held < l.size {
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
type list struct{ first, last *waiter }

func (q *list) add(s *Slot) *waiter {
	w := &waiter{slot: s, in: q, ready: make(chan struct{}), prev: q.last}
	if w.prev != nil {
		w.prev.next = w
	} else {
		q.first = w
	}
	q.last, s.waits = w, w
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
	close(w.ready)
}
