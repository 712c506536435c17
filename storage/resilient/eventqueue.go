package resilient

import (
	"sync"
	"sync/atomic"
)

// eventQueue holds events until they are logged and the observers are called. It has a
// lock of its own, which is taken with or without core.mu held; the log and the
// observers are called with neither held.
type eventQueue struct {
	*config
	mu         sync.Mutex
	waiting    []Event
	bytes      int // of their keys and values
	delivering bool
	dropped    atomic.Uint64
}

// How many events wait for a slow observer, and how many bytes of keys and values.
const (
	maxEvents     = 10_000
	maxEventBytes = DefaultQueueSize
)

func (e *Event) size() int { return len(e.Key) + len(e.Value) }

// add puts an event into the queue. core.unlock delivers it.
func (q *eventQueue) add(e Event) {
	e.Time = q.clock.Now()
	q.mu.Lock()
	defer q.mu.Unlock()
	q.waiting, q.bytes = append(q.waiting, e), q.bytes+e.size()
	for len(q.waiting) > maxEvents || q.bytes > maxEventBytes && len(q.waiting) > 1 {
		q.bytes -= q.waiting[0].size()
		q.waiting[0] = Event{} // frees its value
		q.waiting = q.waiting[1:]
		q.dropped.Add(1)
	}
}

// deliver delivers the events that wait. One goroutine does it at a time, so that
// observers see the events in their order.
func (q *eventQueue) deliver() {
	q.mu.Lock()
	defer q.mu.Unlock()
	for len(q.waiting) > 0 && !q.delivering {
		events := q.waiting
		q.waiting, q.bytes, q.delivering = nil, 0, true
		q.mu.Unlock()
		for _, e := range events {
			q.call(e)
		}
		q.mu.Lock()
		q.delivering = false
	}
}

// call logs an event and calls the observers. It swallows their panics.
func (q *eventQueue) call(e Event) {
	call := func(observe func(e Event)) {
		defer func() { _ = recover() }()
		observe(e)
	}
	if q.log != nil {
		call(q.log)
	}
	for _, observe := range q.observers {
		call(observe)
	}
}
