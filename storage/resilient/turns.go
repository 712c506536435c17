package resilient

import (
	"context"
	"slices"
	"sync"
)

// turns lets one at a time change a key, in the order in which they come. So what
// one process does with a key happens in one order everywhere.
type turns struct {
	mu   sync.Mutex
	keys map[string][]chan struct{} // of which somebody has the turn, with those who wait
}

// take waits for the key's turn. Who got it gives it back.
func (t *turns) take(ctx context.Context, key string) error {
	t.mu.Lock()
	waiting, taken := t.keys[key]
	if !taken {
		if t.keys == nil {
			t.keys = map[string][]chan struct{}{}
		}
		t.keys[key] = nil
		t.mu.Unlock()
		return nil
	}
	mine := make(chan struct{})
	t.keys[key] = append(waiting, mine)
	t.mu.Unlock()
	select {
	case <-mine:
		return nil
	case <-ctx.Done():
		t.leave(key, mine)
		return ctx.Err()
	}
}

func (t *turns) give(key string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.next(key)
}

func (t *turns) next(key string) {
	waiting := t.keys[key]
	if len(waiting) == 0 {
		delete(t.keys, key)
		return
	}
	close(waiting[0])
	t.keys[key] = waiting[1:]
}

// leave is for who does not wait any longer; the turn may have come meanwhile.
func (t *turns) leave(key string, mine chan struct{}) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if i := slices.Index(t.keys[key], mine); i >= 0 {
		t.keys[key] = slices.Delete(t.keys[key], i, i+1)
		return
	}
	t.next(key)
}
