package resilient

import (
	"context"
	"slices"
	"sync"
)

// keyLocks is a lock for each key. Those who wait for a key get it in the order in
// which they came, so what one process does with a key happens in one order everywhere.
type keyLocks struct {
	mu   sync.Mutex
	keys map[string][]chan struct{} // the keys that are locked, with those who wait
}

// lock waits for the key until the context ends.
func (l *keyLocks) lock(ctx context.Context, key string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	l.mu.Lock()
	waiting, locked := l.keys[key]
	if !locked {
		if l.keys == nil {
			l.keys = map[string][]chan struct{}{}
		}
		l.keys[key] = nil
		l.mu.Unlock()
		return nil
	}
	mine := make(chan struct{})
	l.keys[key] = append(waiting, mine)
	l.mu.Unlock()
	select {
	case <-mine:
		return nil
	case <-ctx.Done():
		l.leave(key, mine)
		return ctx.Err()
	}
}

func (l *keyLocks) unlock(key string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.next(key)
}

// next hands the key to the first who waits. It is called with mu held.
func (l *keyLocks) next(key string) {
	waiting := l.keys[key]
	if len(waiting) == 0 {
		delete(l.keys, key)
		return
	}
	close(waiting[0])
	l.keys[key] = waiting[1:]
}

// leave gives up waiting. The key may have been handed over meanwhile.
func (l *keyLocks) leave(key string, mine chan struct{}) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if i := slices.Index(l.keys[key], mine); i >= 0 {
		l.keys[key] = slices.Delete(l.keys[key], i, i+1)
		return
	}
	l.next(key)
}
