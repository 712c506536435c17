package resilient_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/perennial-go/perennial/config"
	"github.com/perennial-go/perennial/memoize"
	"github.com/perennial-go/perennial/observe"
	"github.com/perennial-go/perennial/storage"
	"github.com/perennial-go/perennial/storage/resilient"
)

// cached runs a test over a server and a cache on it.
func cached(t *testing.T, f func(t *testing.T, at *server, c *resilient.BulkCache, seen *events), opts ...resilient.Option) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		at, seen := newServer(), &events{}
		c, err := resilient.NewBulkCache(at, append([]resilient.Option{resilient.Observe(seen.add)}, opts...)...)
		if err != nil {
			t.Fatal(err)
		}
		f(t, at, c, seen)
		at.start()
		at.set(func(s *server) { s.hangs, s.fault, s.unheard, s.unsaid = false, nil, 0, 0 })
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Minute)
		defer cancel()
		if err := c.Close(ctx); err != nil {
			t.Errorf("Close at the end: %v", err)
		}
		synctest.Wait()
		_ = at.memory.Close()
	})
}

func claim(t *testing.T, c storage.FencedBytes, key string) storage.Claimed {
	t.Helper()
	claims, err := c.Claim(t.Context(), time.Minute, key)
	if err != nil || len(claims) != 1 {
		t.Fatalf("Claim of %q: %v, %v", key, claims, err)
	}
	return claims[0]
}

func fill(t *testing.T, c storage.FencedBytes, key, value string, by storage.Claimed, want bool) {
	t.Helper()
	stored, err := c.Fill(t.Context(), storage.Filling{Item: storage.Item{Key: key, Value: []byte(value), Keep: time.Hour}, Token: by.Token})
	if err != nil || stored[0] != want {
		t.Fatalf("Fill of %q with %q: %v, %v; want %v", key, value, stored, err, want)
	}
}

// While the store is away, values that are loaded are kept here, and are not stored when
// it is back.
func TestCacheAway(t *testing.T) {
	cached(t, func(t *testing.T, at *server, c *resilient.BulkCache, _ *events) {
		fill(t, c, "seen", "1", claim(t, c, "seen"), true)
		holds(t, at.memory, "seen", "1")
		online := claim(t, c, "online")
		at.stop()
		holds(t, c, "seen", "1")
		lacks(t, c, "new")
		fill(t, c, "new", "2", claim(t, c, "new"), true)
		fill(t, c, "online", "3", online, true)
		holds(t, c, "new", "2")
		holds(t, c, "online", "3")
		if found, err := c.GetMany(t.Context(), []string{"seen", "new", "none"}); err != nil || !found[0].Found || !found[1].Found || found[2].Found {
			t.Errorf("GetMany: %v, %v", found, err)
		}
		over := claim(t, c, "over")
		at.start()
		later(time.Minute)
		fill(t, c, "over", "4", over, false)
		lacks(t, at.memory, "new")
		lacks(t, c, "new")
		lacks(t, at.memory, "over")
	})
}

// A record that is deleted while the store is away is gone at once, keeps out values that
// were loaded before, and is deleted in the store whatever is there.
func TestCacheDeletesWhenTheStoreIsBack(t *testing.T) {
	cached(t, func(t *testing.T, at *server, c *resilient.BulkCache, seen *events) {
		fill(t, c, "a", "1", claim(t, c, "a"), true)
		at.stop()
		before := claim(t, c, "a")
		if _, err := c.Delete(t.Context(), "a"); !errors.Is(err, storage.ErrQueued) {
			t.Errorf("Delete: %v", err)
		}
		lacks(t, c, "a")
		fill(t, c, "a", "old", before, false)
		lacks(t, c, "a")
		fill(t, c, "a", "new", claim(t, c, "a"), true)
		holds(t, c, "a", "new")
		if err := at.memory.Set(t.Context(), "a", []byte("theirs, perhaps older"), storage.Forever); err != nil {
			t.Fatal(err)
		}
		theirs := claim(t, at.memory, "b")
		if existed, err := c.DeleteMany(t.Context(), []string{"b", "c"}); !errors.Is(err, storage.ErrQueued) || existed[0] {
			t.Errorf("DeleteMany: %v, %v", existed, err)
		}
		at.start()
		later(10 * time.Second)
		lacks(t, at.memory, "a")
		lacks(t, c, "a")
		fill(t, at.memory, "b", "loaded before the deletion", theirs, false)
		if stats := c.Stats(); stats.Delivered != 3 || stats.Conflicts+stats.Dropped != 0 || len(seen.of(resilient.Conflict)) != 0 {
			t.Errorf("stats: %+v", stats)
		}
	})
}

// A deletion whose answer was lost is sent again, however long that takes.
func TestCacheDeletesAgain(t *testing.T) {
	for _, away := range []time.Duration{time.Second, time.Hour} {
		cached(t, func(t *testing.T, at *server, c *resilient.BulkCache, _ *events) {
			fill(t, c, "a", "1", claim(t, c, "a"), true)
			at.set(func(s *server) { s.unsaid = 1 })
			if _, err := c.Delete(t.Context(), "a"); !errors.Is(err, storage.ErrQueued) {
				t.Errorf("Delete: %v", err)
			}
			at.stop()
			later(away)
			theirs := claim(t, at.memory, "a")
			at.start()
			later(40 * time.Second)
			lacks(t, at.memory, "a")
			fill(t, at.memory, "a", "2", theirs, false)
		})
	}
}

// A Set while the store is away is stored unless somebody else has changed the record.
func TestCacheSetsWhenTheStoreIsBack(t *testing.T) {
	cached(t, func(t *testing.T, at *server, c *resilient.BulkCache, seen *events) {
		fill(t, c, "a", "1", claim(t, c, "a"), true)
		fill(t, c, "b", "1", claim(t, c, "b"), true)
		at.stop()
		items := []storage.Item{{Key: "a", Value: []byte("2"), Keep: time.Hour}, {Key: "b", Value: []byte("2"), Keep: time.Hour}}
		if err := c.SetMany(t.Context(), items); !errors.Is(err, storage.ErrQueued) {
			t.Errorf("SetMany: %v", err)
		}
		holds(t, c, "a", "2")
		if err := at.memory.Set(t.Context(), "b", []byte("theirs"), storage.Forever); err != nil {
			t.Fatal(err)
		}
		at.start()
		later(time.Minute)
		holds(t, at.memory, "a", "2")
		holds(t, at.memory, "b", "theirs")
		if n := len(seen.of(resilient.Conflict)); n != 1 {
			t.Errorf("%d conflicts", n)
		}
	})
}

func TestCacheClears(t *testing.T) {
	cached(t, func(t *testing.T, at *server, c *resilient.BulkCache, _ *events) {
		fill(t, c, "a", "1", claim(t, c, "a"), true)
		at.stop()
		lacks(t, c, "b")
		if err := c.Clear(t.Context(), ""); !errors.Is(err, resilient.ErrAway) || !errors.Is(err, errRefusedConnection) {
			t.Errorf("Clear while away: %v", err)
		}
		holds(t, c, "a", "1")
		at.start()
		later(time.Minute)
		if err := c.Clear(t.Context(), ""); err != nil {
			t.Errorf("Clear: %v", err)
		}
		at.stop()
		lacks(t, c, "a")
	})
}

// A memoized function works while its store is away: it serves what it has seen, loads
// the rest once, and an invalidation is seen here at once and by others when the store is
// back.
func TestFunctionOutlivesItsStore(t *testing.T) {
	cached(t, func(t *testing.T, at *server, c *resilient.BulkCache, _ *events) {
		store, err := storage.Share(c)
		if err != nil {
			t.Fatal(err)
		}
		loads := 0
		f, err := memoize.New(func(_ context.Context, id int) (int, error) {
			loads++
			return loads, nil
		}, config.Store(store), config.Name("f"), config.Observe(observe.Discard))
		if err != nil {
			t.Fatal(err)
		}
		call := func(id, want int) {
			t.Helper()
			if got, err := f.Call(t.Context(), id); err != nil || got != want {
				t.Fatalf("f(%d): %d, %v; want %d", id, got, err, want)
			}
		}
		call(1, 1)
		at.stop()
		call(1, 1)
		call(2, 2)
		call(2, 2)
		if err := f.Invalidate(t.Context(), 1); !errors.Is(err, memoize.ErrUnavailable) {
			t.Errorf("Invalidate while away: %v", err)
		}
		call(1, 3)
		at.start()
		later(time.Minute)
		if n := at.memory.Len(); n != 0 {
			t.Errorf("the store has %d entries, want none", n)
		}
		call(1, 4)
		call(1, 4)
		if err := f.Close(t.Context()); err != nil {
			t.Error(err)
		}
	})
}
