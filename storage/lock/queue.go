package lock

import (
	"container/list"
	"context"
	"sync"
)

// queues has a queue for each lock that somebody in this process wants. The first of a
// queue asks the server, the others cost it nothing.
type queues struct {
	mu sync.Mutex
	of map[place]*list.List // of chan struct{}, closed when their turn comes; the first has had its own
}

// enter waits for the caller's turn, or returns the error of a context that ends before.
// A caller that has had its turn calls leave.
func (q *queues) enter(ctx context.Context, p place) (waited bool, err error) {
	q.mu.Lock()
	if q.of == nil {
		q.of = map[place]*list.List{}
	}
	queue := q.of[p]
	if queue == nil {
		queue = list.New()
		q.of[p] = queue
	}
	turn := make(chan struct{})
	me := queue.PushBack(turn)
	if queue.Front() == me {
		close(turn)
	}
	q.mu.Unlock()

	select {
	case <-turn:
		return false, nil
	default:
	}
	select {
	case <-turn:
		return true, nil
	case <-ctx.Done():
		q.drop(p, me)
		return true, ctx.Err()
	}
}

// leave gives the next caller its turn.
func (q *queues) leave(p place) { q.drop(p, nil) }

// drop takes one out of a queue, the first if it is nil.
func (q *queues) drop(p place, e *list.Element) {
	q.mu.Lock()
	defer q.mu.Unlock()
	queue := q.of[p]
	first := queue.Front()
	if e == nil {
		e = first
	}
	queue.Remove(e)
	switch next := queue.Front(); {
	case next == nil:
		delete(q.of, p)
	case e == first:
		close(next.Value.(chan struct{}))
	}
}
