package memcachedstore

import (
	"context"
	"testing"
	"time"

	"github.com/benbjohnson/clock"
	"github.com/bradfitz/gomemcache/memcache"
	"github.com/perennial-go/perennial/storage"
	"go.uber.org/goleak"
)

// TestMain fails if a goroutine outlives the tests.
func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// mock is a clock that stands still at the present.
func mock() *clock.Mock {
	m := clock.NewMock()
	m.Set(time.Now())
	return m
}

func closed(t testing.TB, s *Store) *Store {
	t.Helper()
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	})
	return s
}

// at opens a store on servers.
func at(t testing.TB, addrs ...string) *Store {
	t.Helper()
	var nodes []*node
	for _, addr := range addrs {
		nodes = append(nodes, newNode(serverOf(addr), 2*time.Second, 8))
	}
	return closed(t, newStore(nodes, nil))
}

// raw is a client without this package.
func raw(t testing.TB, addr string) *memcache.Client {
	t.Helper()
	c := memcache.New(addr)
	c.Timeout = 2 * time.Second
	t.Cleanup(func() { _ = c.Close() })
	return c
}

func set(t testing.TB, s *Store, key, value string, keep time.Duration) {
	t.Helper()
	if err := s.Set(context.Background(), key, []byte(value), keep); err != nil {
		t.Fatalf("Set of %q: %v", key, err)
	}
}

func get(t testing.TB, s *Store, key string) storage.Record {
	t.Helper()
	r, err := s.Get(context.Background(), key)
	if err != nil {
		t.Fatalf("Get of %q: %v", key, err)
	}
	return r
}
