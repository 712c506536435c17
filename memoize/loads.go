package memoize

import (
	"context"
	"sync"
	"sync/atomic"
)

// loads knows the loads of a function that run.
type loads struct {
	ended      atomic.Uint64 // updates that have ended
	background atomic.Int64  // refreshes that run or are about to

	mu      sync.Mutex
	running map[running]struct{}
	late    int           // loads that were given up and still run, not in running
	changed chan struct{} // closed at the next end, nil while nobody waits
}

// running is a load, whatever the types of its function.
type running interface {
	cancel()
	refresh() bool
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

func (l *loads) add(r running) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.running == nil {
		l.running = map[running]struct{}{}
	}
	l.running[r] = struct{}{}
}

// giveUp counts a load as late.
func (l *loads) giveUp(r running) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if _, ok := l.running[r]; ok {
		delete(l.running, r)
		l.late++
		l.signal()
	}
}

func (l *loads) remove(r running) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if _, ok := l.running[r]; ok {
		delete(l.running, r)
	} else {
		l.late--
	}
	l.signal()
}

func (l *loads) signal() {
	if l.changed != nil {
		close(l.changed)
		l.changed = nil
	}
}

// counts is how many loads run in their time, and how many past it.
func (l *loads) counts() (inTime, refreshes, late int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for r := range l.running {
		if r.refresh() {
			refreshes++
		}
	}
	return len(l.running), refreshes, l.late
}

// wait waits until those of the loads that run now are over or late, except
// the one that is asked from.
func (l *loads) wait(ctx context.Context, now map[running]struct{}) error {
	for {
		l.mu.Lock()
		left := 0
		for r := range now {
			if _, ok := l.running[r]; ok {
				left++
			}
		}
		if left == 0 {
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

// snapshot is the loads that run now.
func (l *loads) snapshot() map[running]struct{} {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := make(map[running]struct{}, len(l.running))
	for r := range l.running {
		now[r] = struct{}{}
	}
	return now
}

// cancelAll ends the contexts of all loads in their time, and is how many they
// are. Late ones have been cancelled.
func (l *loads) cancelAll() int {
	now := l.snapshot()
	for r := range now {
		r.cancel()
	}
	return len(now)
}
