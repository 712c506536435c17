package lock

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/perennial-go/perennial/internal/servers"
)

const shortHold = time.Second

// brisk is a client that gives a server up soon.
func brisk(o *redis.Options) {
	o.ReadTimeout, o.WriteTimeout, o.DialTimeout, o.MaxRetries = shortHold/5, shortHold/5, shortHold/5, 1
}

// lost waits until a lock has ended because it was lost.
func lost(t *testing.T, l *Lock) {
	t.Helper()
	over := time.NewTimer(patient)
	defer over.Stop()
	select {
	case <-l.Context().Done():
	case <-over.C:
		t.Fatal("it does not end")
	}
	cause := context.Cause(l.Context())
	if !errors.Is(cause, ErrNotHeld) {
		t.Errorf("the cause is %v, want ErrNotHeld", cause)
	}
}

// A server that hangs, or is gone, ends what it has given, by the clock of its
// holder; once it is back, the lock is to be had again, with a greater token.
func TestServerGoes(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		args     []string
		goes     func(s *servers.Server)
		comeBack func(s *servers.Server)
	}{
		"hangs":     {goes: (*servers.Server).Stop, comeBack: (*servers.Server).Cont},
		"forgets":   {goes: (*servers.Server).Kill, comeBack: (*servers.Server).Restart},
		"remembers": {args: servers.Durable, goes: (*servers.Server).Kill, comeBack: (*servers.Server).Restart},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := servers.Redis(t, c.args...)
			locks := newTestLocks(t, newClient(t, s.Addr(), brisk), Hold(shortHold))
			other := newTestLocks(t, newClient(t, s.Addr(), brisk))
			l := acquire(t, locks, "a")
			got := make(chan *Lock)
			go func() { got <- acquire(t, other, "a/b") }()
			waiting(t, s, "a")
			c.goes(s)
			lost(t, l)
			c.comeBack(s)
			next := <-got
			if next.Token() <= l.Token() {
				t.Errorf("token %d comes after %d", next.Token(), l.Token())
			}
			if err := l.Release(t.Context()); !errors.Is(err, ErrNotHeld) {
				t.Errorf("a late Release says %v, want ErrNotHeld", err)
			}
			if next.Context().Err() != nil {
				t.Errorf("another's Release has ended it: %v", context.Cause(next.Context()))
			}
			release(t, next)
		})
	}
}

// A server that restarts empty has its holder know so with the next renewal; one
// that has its data goes on as if nothing had happened.
func TestServerRestarts(t *testing.T) {
	t.Parallel()
	for name, args := range map[string][]string{"forgets": nil, "remembers": servers.Durable} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := servers.Redis(t, args...)
			locks := newTestLocks(t, newClient(t, s.Addr()))
			l := acquire(t, locks, "a/b")
			s.Restart()
			l.renew() // as when a third of the hold is over
			if gone := errors.Is(context.Cause(l.Context()), errGone); gone != (args == nil) {
				t.Errorf("after a restart its context ends for %v", context.Cause(l.Context()))
			}
			above, err := locks.TryAcquire(t.Context(), "a")
			if held := errors.Is(err, ErrHeld); held != (args != nil) {
				t.Errorf("TryAcquire of what is above it says %v", err)
			}
			if err == nil {
				l = above
			}
			release(t, l)
		})
	}
}

// Tokens grow across restarts that lose everything, and those that lose the last
// moments.
func TestTokensGrow(t *testing.T) {
	t.Parallel()
	s, locks := onServer(t)
	var last int64
	for i := range 10 {
		for range 20 {
			l := acquire(t, locks, "a")
			if l.Token() <= last {
				t.Fatalf("token %d comes after %d", l.Token(), last)
			}
			last = l.Token()
			release(t, l)
		}
		if i%5 == 4 {
			s.Restart()
		} else {
			s.Command("DEL", "lock:tree:{a}")
		}
	}
	// The server's clock is behind what has been given: as after it was set back.
	ahead := last + int64(time.Hour/time.Microsecond)
	s.Command("HSET", "lock:tree:{a}", "token", fmt.Sprint(ahead))
	l := acquire(t, locks, "a")
	if l.Token() != ahead+1 {
		t.Errorf("token %d comes after %d, want the next", l.Token(), ahead)
	}
	release(t, l)
}

// A connection that breaks is no matter of the holder's, nor of who waits.
func TestConnectionsBreak(t *testing.T) {
	t.Parallel()
	s, locks := onServer(t)
	other := newTestLocks(t, newClient(t, s.Addr()))
	cut := func() { s.Command("CLIENT", "KILL", "TYPE", "normal"); s.Command("CLIENT", "KILL", "TYPE", "pubsub") }
	for range 3 {
		l := acquire(t, locks, "a")
		got := make(chan *Lock)
		go func() { got <- acquire(t, other, "a") }()
		waiting(t, s, "a")
		cut()
		waiting(t, s, "a") // again
		l.renew()
		cut()
		if l.Context().Err() != nil {
			t.Error(context.Cause(l.Context()))
		}
		release(t, l)
		release(t, <-got)
	}
}
