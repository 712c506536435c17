package lock

import (
	"errors"
	"sync"
	"testing"
)

// What ends works on a server whose memory is full.
func TestReleaseOnAFullServer(t *testing.T) {
	t.Parallel()
	s, locks := onServer(t)
	l, nested := acquire(t, locks, "a"), acquire(t, locks, "b/c/d")
	s.Command("CONFIG", "SET", "maxmemory", "1")
	release(t, l)
	release(t, nested)
	for _, path := range []string{"a", "b"} {
		if held, err := locks.Held(t.Context(), path); held || err != nil {
			t.Errorf("%s is held: %v, %v", path, held, err)
		}
	}
}

// Of those who release a lock at once one has, and the others are told.
func TestReleasesAtOnce(t *testing.T) {
	t.Parallel()
	_, locks := onServer(t)
	l := acquire(t, locks, "a")
	var all sync.WaitGroup
	said := make([]error, 20)
	for i := range said {
		all.Go(func() { said[i] = l.Release(t.Context()) })
	}
	all.Wait()
	released := 0
	for _, err := range said {
		if err == nil {
			released++
		} else if !errors.Is(err, ErrNotHeld) {
			t.Error(err)
		}
	}
	if released != 1 {
		t.Errorf("%d of 20 releases have released it", released)
	}
}
