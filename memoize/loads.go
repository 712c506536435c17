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
	late       atomic.Int64  // loads that were given up and still run

	mu      sync.Mutex
	running map[running]bool // whether it was given up
	changed chan struct{}    // closed at the next end, nil while nobody waits
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
		l.running = map[running]bool{}
	}
	l.running[r] = false
}

// giveUp counts a load as late, if it still runs.
func (l *loads) giveUp(r running) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if late, runs := l.running[r]; runs && !late {
		l.running[r] = true
		l.late.Add(1)
		l.signal()
	}
}

func (l *loads) remove(r running) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.running[r] {
		l.late.Add(-1)
	}
	delete(l.running, r)
	l.signal()
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
	for r, late := range l.running {
		if late {
			continue
		}
		inTime++
		if r.refresh() {
			refreshes++
		}
	}
	return inTime, refreshes
}

// now is the loads that run, but for those that are left out.
func (l *loads) now(without map[running]bool) []running {
	l.mu.Lock()
	defer l.mu.Unlock()
	var now []running
	for r := range l.running {
		if !without[r] {
			now = append(now, r)
		}
	}
	return now
}

// wait waits until the loads are over, or given up where that is enough.
func (l *loads) wait(ctx context.Context, these []running, lateToo bool) error {
	for {
		l.mu.Lock()
		waits := false
		for _, r := range these {
			late, runs := l.running[r]
			waits = waits || runs && (lateToo || !late)
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
