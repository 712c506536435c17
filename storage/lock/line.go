package lock

import (
	"container/list"
	"context"
	"sync"
)

// lines are those who want locks in this process, a line for each lock: the
// first of a line asks the server, the others cost it nothing.
type lines struct {
	mu sync.Mutex
	of map[place]*list.List // of chan struct{}, closed when their turn comes; the first has had its own
}

// enter waits for its turn, if it has to, and tells why the context ended if it
// did before. Who has had it leaves.
func (l *lines) enter(ctx context.Context, p place) (waited bool, err error) {
	l.mu.Lock()
	if l.of == nil {
		l.of = map[place]*list.List{}
	}
	line := l.of[p]
	if line == nil {
		line = list.New()
		l.of[p] = line
	}
	turn := make(chan struct{})
	me := line.PushBack(turn)
	if line.Front() == me {
		close(turn)
	}
	l.mu.Unlock()

	select {
	case <-turn:
		return false, nil
	default:
	}
	select {
	case <-turn:
		return true, nil
	case <-ctx.Done():
		l.drop(p, me)
		return true, ctx.Err()
	}
}

// leave lets the next have its turn.
func (l *lines) leave(p place) { l.drop(p, nil) }

// drop takes one out of a line, the first if it is nil.
func (l *lines) drop(p place, e *list.Element) {
	l.mu.Lock()
	defer l.mu.Unlock()
	line := l.of[p]
	first := line.Front()
	if e == nil {
		e = first
	}
	line.Remove(e)
	switch next := line.Front(); {
	case next == nil:
		delete(l.of, p)
	case e == first:
		close(next.Value.(chan struct{}))
	}
}
