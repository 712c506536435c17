package lock

import (
	"context"
	"os"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"go.uber.org/goleak"

	"github.com/perennial-go/perennial/internal/servers"
	_ "github.com/perennial-go/perennial/internal/servers/quiet"
)

// TestMain fails if a goroutine outlives the tests. Started again by a test, the
// binary is a worker of TestRedicts18.
func TestMain(m *testing.M) {
	if addr := os.Getenv(workerOf); addr != "" {
		os.Exit(work(addr))
	}
	goleak.VerifyTestMain(m)
}

// patient is how long a test waits for what takes a moment.
const patient = 20 * time.Second

// newClient is a client as users have it, which tries a server again where a
// connection breaks.
func newClient(t testing.TB, addr string, change ...func(*redis.Options)) *redis.Client {
	t.Helper()
	o := &redis.Options{Addr: addr, ContextTimeoutEnabled: true, ReadTimeout: time.Second, WriteTimeout: time.Second, DialTimeout: time.Second}
	for _, c := range change {
		c(o)
	}
	rdb := redis.NewClient(o)
	t.Cleanup(func() {
		if err := rdb.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return rdb
}

func newTestLocks(t testing.TB, rdb redis.UniversalClient, opts ...Option) *Locks {
	t.Helper()
	l, err := New(rdb, opts...)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// onServer is locks of one process on a server of their own.
func onServer(t testing.TB, opts ...Option) (*servers.Server, *Locks) {
	t.Helper()
	s := servers.Redis(t)
	return s, newTestLocks(t, newClient(t, s.Addr()), opts...)
}

func acquire(t testing.TB, l *Locks, path string) *Lock {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patient)
	defer cancel()
	lock, err := l.Acquire(ctx, path)
	if err != nil {
		t.Fatal(err)
	}
	return lock
}

func release(t testing.TB, lock *Lock) {
	t.Helper()
	if err := lock.Release(t.Context()); err != nil {
		t.Error(err)
	}
}

// die ends a lock as the death of its process does: nobody renews or releases it.
func (l *Lock) die() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.stop()
	l.released = true
	l.cancel(nil)
}
