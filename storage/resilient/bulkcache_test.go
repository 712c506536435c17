package resilient_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/perennial-go/perennial/storage"
	"github.com/perennial-go/perennial/storage/resilient"
)

// errReadOnly is the answer of a server that refuses all changes.
var errReadOnly = errors.New("READONLY You can't write against a read only replica")

// on returns a fault of some verbs.
func on(err error, verbs ...string) func(verb, key string) error {
	return func(verb, _ string) error {
		if slices.Contains(verbs, verb) {
			return err
		}
		return nil
	}
}

// keyed is a server that records the keys of each call for many, and whose answers may be
// changed.
type keyed struct {
	*server
	asked [][]string
	got   func(found []storage.Record, err error) ([]storage.Record, error)
	del   func(existed []bool, err error) ([]bool, error)
	claim func(claims []storage.Claimed, err error) ([]storage.Claimed, error)
}

func (k *keyed) GetMany(ctx context.Context, keys []string) ([]storage.Record, error) {
	k.asked = append(k.asked, slices.Clone(keys))
	found, err := k.server.GetMany(ctx, keys)
	if k.got != nil {
		return k.got(found, err)
	}
	return found, err
}

func (k *keyed) DeleteMany(ctx context.Context, keys []string) ([]bool, error) {
	existed, err := k.server.DeleteMany(ctx, keys)
	if k.del != nil {
		return k.del(existed, err)
	}
	return existed, err
}

func (k *keyed) Claim(ctx context.Context, hold time.Duration, keys ...string) ([]storage.Claimed, error) {
	k.asked = append(k.asked, slices.Clone(keys))
	claims, err := k.server.Claim(ctx, hold, keys...)
	if k.claim != nil {
		return k.claim(claims, err)
	}
	return claims, err
}

// overKeyed runs a test over a cache and a keyed server.
func overKeyed(t *testing.T, f func(t *testing.T, at *keyed, c *resilient.BulkCache), opts ...resilient.Option) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		at := &keyed{server: newServer()}
		c, err := resilient.NewBulkCache(at, append([]resilient.Option{resilient.Observe(nil)}, opts...)...)
		if err != nil {
			t.Fatal(err)
		}
		f(t, at, c)
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

// stores sets values in the server itself.
func stores(t *testing.T, at *server, pairs ...string) {
	t.Helper()
	for i := 0; i < len(pairs); i += 2 {
		if err := at.memory.Set(t.Context(), pairs[i], []byte(pairs[i+1]), storage.Forever); err != nil {
			t.Fatal(err)
		}
	}
}

// waits makes changes of the cache wait: the server answers and refuses them.
func waits(t *testing.T, at *server, change func()) {
	t.Helper()
	at.stop()
	change()
	at.set(func(s *server) { s.fault = on(errReadOnly, "claim", "fill", "set", "delete", "swap") })
	at.start()
	later(10 * time.Second)
}

func queues(t *testing.T, c storage.Bytes, key, value string) {
	t.Helper()
	if err := c.Set(t.Context(), key, []byte(value), storage.Forever); !errors.Is(err, storage.ErrQueued) {
		t.Fatalf("Set of %q: %v; it was to be queued", key, err)
	}
}

func texts(found []storage.Record) (all []string) {
	for _, r := range found {
		text := "-"
		if r.Found {
			text = string(r.Value)
		}
		all = append(all, text)
	}
	return all
}

// GetMany asks only for keys of which nothing waits, returns each answer at its place,
// and keeps copies.
func TestGetManyAsksForKeysWithoutChanges(t *testing.T) {
	overKeyed(t, func(t *testing.T, at *keyed, c *resilient.BulkCache) {
		waits(t, at.server, func() { queues(t, c, "b", "waits") })
		if state := c.Stats().State; state != resilient.StateClosed {
			t.Fatalf("the breaker is %v", state)
		}
		stores(t, at.server, "a", "1", "c", "3", "d", "4")
		at.asked = nil
		for range 2 {
			found, err := c.GetMany(t.Context(), []string{"a", "b", "c", "none", "d"})
			if got, want := texts(found), []string{"1", "waits", "3", "-", "4"}; err != nil || !slices.Equal(got, want) {
				t.Fatalf("GetMany: %q, %v; want %q", got, err, want)
			}
			clear(found[1].Value) // is the caller's
		}
		if want := "[[a c none d] [a c none d]]"; fmt.Sprint(at.asked) != want {
			t.Errorf("the store was asked for %v, want %v", at.asked, want)
		}
		found, err := c.GetMany(t.Context(), []string{"b"})
		if err != nil || texts(found)[0] != "waits" || len(at.asked) != 2 {
			t.Errorf("GetMany of what waits: %q, %v, after %v", texts(found), err, at.asked)
		}
		at.stop()
		found, err = c.GetMany(t.Context(), []string{"d", "b", "a"}) // which finds out
		if got, want := texts(found), []string{"4", "waits", "1"}; err != nil || !slices.Equal(got, want) {
			t.Errorf("GetMany of a store that goes: %q, %v; want %q", got, err, want)
		}
		if stats := c.Stats(); stats.State != resilient.StateOpen || stats.Trips != 2 {
			t.Errorf("stats: %+v", stats)
		}
		clear(found[0].Value)
		found, err = c.GetMany(t.Context(), []string{"none", "d"})
		if got, want := texts(found), []string{"-", "4"}; err != nil || !slices.Equal(got, want) {
			t.Errorf("GetMany while away: %q, %v; want %q", got, err, want)
		}
	})
}

// With FailAway each record without a copy is an error at its place.
func TestGetManyFailsAway(t *testing.T) {
	overKeyed(t, func(t *testing.T, at *keyed, c *resilient.BulkCache) {
		stores(t, at.server, "a", "1")
		holds(t, c, "a", "1")
		at.stop()
		for _, when := range []string{"it goes", "it is away"} {
			found, err := c.GetMany(t.Context(), []string{"x", "a", "y"})
			if got, want := texts(found), []string{"-", "1", "-"}; !slices.Equal(got, want) {
				t.Errorf("when %s: %q, want %q", when, got, want)
			}
			for i, want := range []error{resilient.ErrAway, nil, resilient.ErrAway} {
				if fault := storage.FaultOf(err, i); !errors.Is(fault, want) {
					t.Errorf("when %s: the fault of item %d is %v, want %v", when, i, fault, want)
				}
			}
		}
	}, resilient.FailAway())
}

// GetMany reports a fault of one key at its place among all keys, and keeps no copy of
// it; a fault of the whole call is returned as it is.
func TestGetManyPlacesFaults(t *testing.T) {
	overKeyed(t, func(t *testing.T, at *keyed, c *resilient.BulkCache) {
		waits(t, at.server, func() { queues(t, c, "a", "waits") })
		stores(t, at.server, "b", "2", "c", "3", "d", "4")
		refused := storage.Refused(errors.New("not this"))
		at.got = func(found []storage.Record, err error) ([]storage.Record, error) {
			found[1] = storage.Record{Value: []byte("broken"), Left: storage.Forever, Found: true}
			return found, errors.Join(err, &storage.ItemError{Item: 1, Err: refused})
		}
		keys := []string{"a", "b", "c", "d"}
		found, err := c.GetMany(t.Context(), keys)
		if got := texts(found); got[0] != "waits" || got[1] != "2" || got[3] != "4" {
			t.Errorf("found %q", got)
		}
		for i := range keys {
			if fault := storage.FaultOf(err, i); (fault != nil) != (i == 2) || i == 2 && !errors.Is(fault, refused) {
				t.Errorf("the fault of item %d is %v", i, fault)
			}
		}
		at.got = func([]storage.Record, error) ([]storage.Record, error) { return nil, refused }
		if found, err = c.GetMany(t.Context(), keys); !errors.Is(storage.FaultOf(err, -1), refused) || texts(found)[0] != "waits" || len(found) != 4 {
			t.Errorf("a fault of all: %q, %v", texts(found), err)
		}
		if state := c.Stats().State; state != resilient.StateClosed {
			t.Errorf("the breaker is %v", state)
		}
		at.stop()
		for key, want := range map[string]string{"b": "2", "d": "4"} {
			holds(t, c, key, want)
		}
		lacks(t, c, "c")
	})
}

// A record that is deleted while GetMany reads it is not kept.
func TestGetManyRacesADeletion(t *testing.T) {
	overKeyed(t, func(t *testing.T, at *keyed, c *resilient.BulkCache) {
		stores(t, at.server, "a", "1", "b", "2")
		let, done := make(chan struct{}), make(chan struct{})
		at.got = func(found []storage.Record, err error) ([]storage.Record, error) {
			<-let
			return found, err
		}
		go func() {
			defer close(done)
			if found, err := c.GetMany(t.Context(), []string{"a", "b"}); err != nil || texts(found)[0] != "1" {
				t.Errorf("GetMany: %q, %v", texts(found), err)
			}
		}()
		synctest.Wait()
		if existed, err := c.Delete(t.Context(), "a"); err != nil || !existed {
			t.Errorf("Delete: %v, %v", existed, err)
		}
		close(let)
		<-done
		at.stop()
		lacks(t, c, "a")
		holds(t, c, "b", "2")
	})
}

// Many keys are changed at once, with what existed, if nothing waits for them; else one
// after the other.
func TestSetManyAndDeleteMany(t *testing.T) {
	cached(t, func(t *testing.T, at *server, c *resilient.BulkCache, _ *events) {
		item := func(key, value string) storage.Item {
			return storage.Item{Key: key, Value: []byte(value), Keep: storage.Forever}
		}
		calls := func(want int64, do func()) {
			t.Helper()
			before := at.calls.Load()
			do()
			if n := at.calls.Load() - before; n != want {
				t.Errorf("the store was asked %d times, want %d", n, want)
			}
		}
		calls(0, func() {
			if err := c.SetMany(t.Context(), nil); err != nil {
				t.Errorf("SetMany of nothing: %v", err)
			}
		})
		calls(1, func() {
			value := []byte("1")
			if err := c.SetMany(t.Context(), []storage.Item{{Key: "a", Value: value, Keep: storage.Forever}, item("b", "2"), item("c", "2"), item("c", "3")}); err != nil {
				t.Errorf("SetMany: %v", err)
			}
			value[0] = 'x' // is the caller's
		})
		calls(1, func() {
			existed, err := c.DeleteMany(t.Context(), []string{"none", "b", "b"})
			if err != nil || fmt.Sprint(existed) != "[false true false]" {
				t.Errorf("DeleteMany: %v, %v", existed, err)
			}
		})
		at.stop()
		holds(t, c, "a", "1")
		holds(t, c, "c", "3")
		lacks(t, c, "b")
		existed, err := c.DeleteMany(t.Context(), []string{"b", "a", "none"})
		if fmt.Sprint(existed) != "[false true false]" {
			t.Errorf("DeleteMany while away: %v", existed)
		}
		for i := range 3 {
			if fault := storage.FaultOf(err, i); !errors.Is(fault, storage.ErrQueued) {
				t.Errorf("the fault of item %d is %v", i, fault)
			}
		}
		at.set(func(s *server) { s.fault = on(errReadOnly, "delete") })
		at.start()
		later(4 * time.Second)
		err = c.SetMany(t.Context(), []storage.Item{item("x", "1"), item("a", "4")})
		if storage.FaultOf(err, 0) != nil || !errors.Is(storage.FaultOf(err, 1), storage.ErrQueued) {
			t.Errorf("SetMany where something waits for one: %v", err)
		}
		holds(t, at.memory, "x", "1")
		holds(t, c, "a", "4")
	})
}

// A caller who waits for one of many key locks can leave, and keeps none of them.
func TestManyWaitForKeyLocks(t *testing.T) {
	cached(t, func(t *testing.T, at *server, c *resilient.BulkCache, _ *events) {
		many := func(ctx context.Context, keys ...string) error {
			var items []storage.Item
			for _, key := range keys {
				items = append(items, storage.Item{Key: key, Value: []byte("many"), Keep: storage.Forever})
			}
			return c.SetMany(ctx, items)
		}
		at.set(func(s *server) { s.delay = 100 * time.Millisecond })
		slow := make(chan error, 3)
		go func() { slow <- c.Set(t.Context(), "b", []byte("1"), storage.Forever) }()
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
		defer cancel()
		if err := many(ctx, "c", "b", "a"); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("SetMany that has to leave: %v", err)
		}
		began := time.Now()
		if err := c.Set(t.Context(), "a", []byte("1"), storage.Forever); err != nil || time.Since(began) != 100*time.Millisecond {
			t.Errorf("Set: %v after %v", err, time.Since(began))
		}
		go func() { slow <- many(t.Context(), "a", "b") }()
		go func() { slow <- many(t.Context(), "b", "a") }()
		for range 3 {
			if err := <-slow; err != nil {
				t.Error(err)
			}
		}
		at.set(func(s *server) { s.delay = 0 })
		for _, key := range []string{"a", "b"} {
			holds(t, at.memory, key, "many")
			if err := c.Set(t.Context(), key, []byte("2"), storage.Forever); err != nil {
				t.Error(err)
			}
		}
		at.stop()
		lacks(t, c, "c")
	})
}

// A call for many that failed, or whose answer was lost, is no conflict with the next
// change.
func TestManyInDoubt(t *testing.T) {
	for _, away := range []bool{true, false} {
		cached(t, func(t *testing.T, at *server, c *resilient.BulkCache, seen *events) {
			stores(t, at, "a", "0", "b", "0")
			if _, err := c.GetMany(t.Context(), []string{"a", "b"}); err != nil {
				t.Fatal(err)
			}
			items := []storage.Item{{Key: "a", Value: []byte("1"), Keep: storage.Forever}, {Key: "b", Keep: 0}}
			if away {
				at.set(func(s *server) { s.unheard = 1 })
				if err := c.SetMany(t.Context(), items); !errors.Is(err, storage.ErrQueued) {
					t.Errorf("SetMany: %v", err)
				}
			} else {
				refused := storage.Refused(errors.New("half of it"))
				at.set(func(s *server) {
					s.fault = func(verb, _ string) error {
						stores(t, s, "a", "1")
						return refused
					}
				})
				if err := c.SetMany(t.Context(), items); !errors.Is(err, refused) {
					t.Errorf("SetMany: %v", err)
				}
				at.set(func(s *server) { s.fault = nil })
			}
			at.stop()
			queues(t, c, "a", "2")
			at.start()
			later(time.Minute)
			holds(t, at.memory, "a", "2")
			if told := seen.of(resilient.Conflict); len(told) > 0 {
				t.Errorf("conflicts: %+v", told)
			}
		})
	}
}

// Clear drops the changes that wait and the copies of the keys with the prefix, and
// nothing else, and invalidates earlier claims.
func TestClearDropsWhatWaits(t *testing.T) {
	cached(t, func(t *testing.T, at *server, c *resilient.BulkCache, seen *events) {
		stores(t, at, "p:seen", "1", "q:seen", "1")
		holds(t, c, "p:seen", "1")
		holds(t, c, "q:seen", "1")
		waits(t, at, func() {
			queues(t, c, "p:a", "1")
			queues(t, c, "q:a", "1")
			_, _ = c.Delete(t.Context(), "p:b")
		})
		at.set(func(s *server) { s.fault = on(errReadOnly, "fill", "set", "delete") })
		before := claim(t, c, "p:claimed")
		if err := c.Clear(t.Context(), "p:"); err != nil {
			t.Fatal(err)
		}
		if stats := c.Stats(); stats.Changes != 1 || stats.Keys != 1 || stats.Superseded != 2 {
			t.Errorf("stats: %+v", stats)
		}
		lacks(t, at.memory, "p:seen")
		at.stop()
		lacks(t, c, "p:other")
		lacks(t, c, "p:a")
		lacks(t, c, "p:seen")
		holds(t, c, "q:a", "1")
		holds(t, c, "q:seen", "1")
		fill(t, c, "p:claimed", "loaded before", before, false)
		at.set(func(s *server) { s.fault = nil })
		at.start()
		later(time.Minute)
		holds(t, at.memory, "q:a", "1")
		lacks(t, at.memory, "p:a")
	})
}

// Clear returns its errors, and opens the breaker only if the store is away.
func TestClearFails(t *testing.T) {
	for _, c := range []struct {
		name  string
		fault error
		trips uint64
	}{
		{"reset", errReset, 1},
		{"unknown", errors.New("something else"), 1},
		{"refused", storage.Refused(errors.New("no")), 0},
		{"read only", errReadOnly, 0},
		{"left", nil, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			cached(t, func(t *testing.T, at *server, cache *resilient.BulkCache, _ *events) {
				stores(t, at, "a", "1")
				holds(t, cache, "a", "1")
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				want := c.fault
				at.set(func(s *server) {
					s.fault = on(c.fault, "clear")
					if c.fault == nil {
						want = context.Canceled
						s.fault = func(string, string) error { cancel(); return context.Canceled }
					}
				})
				if err := cache.Clear(ctx, ""); !errors.Is(err, want) {
					t.Errorf("Clear: %v, want %v", err, want)
				}
				if trips := cache.Stats().Trips; trips != c.trips {
					t.Errorf("the breaker has opened %d times, want %d", trips, c.trips)
				}
				at.stop()
				holds(t, cache, "a", "1")
			})
		})
	}
}

// With an ended context, or closed, a Cache does nothing.
func TestCacheEndedContextAndClosed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		at := newServer()
		c, err := resilient.NewBulkCache(at, resilient.Observe(nil))
		if err != nil {
			t.Fatal(err)
		}
		items := []storage.Item{{Key: "a", Value: []byte("1"), Keep: storage.Forever}}
		calls := func(ctx context.Context) map[string]error {
			all := map[string]error{}
			_, all["Get"] = c.Get(ctx, "a")
			_, all["GetMany"] = c.GetMany(ctx, []string{"a"})
			all["Set"] = c.Set(ctx, "a", nil, storage.Forever)
			all["SetMany"] = c.SetMany(ctx, items)
			_, all["Delete"] = c.Delete(ctx, "a")
			_, all["DeleteMany"] = c.DeleteMany(ctx, []string{"a"})
			_, all["Claim"] = c.Claim(ctx, time.Minute, "a")
			_, all["Fill"] = c.Fill(ctx, storage.Filling{Item: items[0]})
			all["Clear"] = c.Clear(ctx, "")
			for _, err := range c.Keys(ctx, "") {
				all["Keys"] = err
			}
			return all
		}
		over, cancel := context.WithCancel(t.Context())
		cancel()
		for verb, err := range calls(over) {
			if !errors.Is(err, context.Canceled) {
				t.Errorf("%s under a context that is over: %v", verb, err)
			}
		}
		if err := c.Flush(t.Context()); err != nil {
			t.Errorf("Flush of nothing: %v", err)
		}
		if err := c.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
		for verb, err := range calls(t.Context()) {
			if !errors.Is(err, resilient.ErrClosed) {
				t.Errorf("%s after Close: %v", verb, err)
			}
		}
		if n := at.calls.Load(); n != 0 {
			t.Errorf("the store was asked %d times", n)
		}
		_ = at.memory.Close()
	})
}

// Each of many claims is made in the store or here, and returned at its place.
func TestClaimsOfMany(t *testing.T) {
	overKeyed(t, func(t *testing.T, at *keyed, c *resilient.BulkCache) {
		waits(t, at.server, func() { queues(t, c, "b", "waits") })
		at.set(func(s *server) { s.fault = on(errReadOnly, "set", "fill") })
		stores(t, at.server, "a", "1", "c", "3")
		at.asked = nil
		claims, err := c.Claim(t.Context(), time.Minute, "a", "b", "none", "c")
		if err != nil {
			t.Fatal(err)
		}
		var found []storage.Record
		for _, one := range claims {
			found = append(found, one.Record)
		}
		if got, want := texts(found), []string{"1", "waits", "-", "3"}; !slices.Equal(got, want) {
			t.Errorf("claims of %q, want %q", got, want)
		}
		if want := "[[a none c]]"; fmt.Sprint(at.asked) != want {
			t.Errorf("the store was asked for %v, want %v", at.asked, want)
		}
		clear(found[1].Value)
		at.set(func(s *server) { s.fault = nil })
		filling := func(i int, key string) storage.Filling {
			return storage.Filling{Item: storage.Item{Key: key, Value: []byte("filled"), Keep: time.Hour}, Token: claims[i].Token}
		}
		waits(t, at.server, func() { lacks(t, c, "nothing") }) // it goes, and comes
		at.set(func(s *server) { s.fault = on(errReadOnly, "set", "claim") })
		stored, err := c.Fill(t.Context(), filling(1, "b"), filling(2, "none"), storage.Filling{Item: storage.Item{Key: "x", Keep: time.Hour}, Token: "no token"}, filling(3, "c"))
		if err != nil || fmt.Sprint(stored) != "[false true false true]" {
			t.Errorf("Fill: %v, %v", stored, err)
		}
		holds(t, at.memory, "none", "filled")
		at.stop()
		holds(t, c, "a", "1") // as the claim has told
		lacks(t, c, "x")
	})
}

// Errors of claims and fills are returned if they are no sign that the store is away;
// else claims are made and filled here.
func TestClaimsFail(t *testing.T) {
	for _, c := range []struct {
		name  string
		fault error
		away  bool
	}{
		{"reset", errReset, true},
		{"unknown", errors.New("something else"), true},
		{"refused", storage.Refused(errors.New("no")), false},
		{"read only", errReadOnly, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			cached(t, func(t *testing.T, at *server, cache *resilient.BulkCache, _ *events) {
				stores(t, at, "seen", "1")
				holds(t, cache, "seen", "1")
				first := claim(t, cache, "a")
				at.set(func(s *server) { s.fault = on(c.fault, "claim", "fill") })
				stored, err := cache.Fill(t.Context(), storage.Filling{Item: storage.Item{Key: "a", Value: []byte("2"), Keep: time.Hour}, Token: first.Token})
				if !errors.Is(err, c.fault) != c.away || stored[0] != c.away {
					t.Errorf("Fill: %v, %v", stored, err)
				}
				if c.away {
					holds(t, cache, "a", "2")
					later(time.Minute)
				}
				lacks(t, at.memory, "a")
				claims, err := cache.Claim(t.Context(), time.Minute, "seen", "b")
				switch {
				case !c.away:
					if !errors.Is(err, c.fault) || claims != nil {
						t.Errorf("Claim: %v, %v", claims, err)
					}
				case err != nil || string(claims[0].Value) != "1" || claims[1].Found:
					t.Errorf("Claim: %v, %v", claims, err)
				default:
					fill(t, cache, "b", "2", claims[1], true)
					holds(t, cache, "b", "2")
				}
				if state := cache.Stats().State; (state == resilient.StateClosed) == c.away {
					t.Errorf("the breaker is %v", state)
				}
			})
		})
	}
}

// A claim is filled here within its time, and for the time of the record. A Set comes
// first, and a value that does not fit beside a deletion is not kept.
func TestFillHere(t *testing.T) {
	cached(t, func(t *testing.T, at *server, c *resilient.BulkCache, _ *events) {
		at.stop()
		lacks(t, c, "a")
		first, second := claim(t, c, "a"), claim(t, c, "b")
		later(time.Minute - 1)
		value := []byte("1")
		stored, err := c.Fill(t.Context(), storage.Filling{Item: storage.Item{Key: "a", Value: value, Keep: time.Hour}, Token: first.Token})
		if err != nil || !stored[0] {
			t.Errorf("Fill in time: %v, %v", stored, err)
		}
		value[0] = 'x' // is the caller's
		later(1)
		fill(t, c, "b", "1", second, false)
		holds(t, c, "a", "1")
		if r, err := c.Get(t.Context(), "a"); err != nil || r.Left != time.Hour-1 {
			t.Errorf("%v are left, %v", r.Left, err)
		}
		later(time.Hour - 2)
		holds(t, c, "a", "1")
		later(1)
		lacks(t, c, "a")
		queues(t, c, "set", "1")
		fill(t, c, "set", "2", claim(t, c, "set"), false)
		holds(t, c, "set", "1")
		if _, err := c.Delete(t.Context(), "d"); !errors.Is(err, storage.ErrQueued) {
			t.Errorf("Delete: %v", err)
		}
		fill(t, c, "d", string(make([]byte, 1000)), claim(t, c, "d"), true)
		if b := c.Stats().Bytes; b < 2000 || b > 5000 {
			t.Errorf("%d bytes wait", b)
		}
		fill(t, c, "d", string(make([]byte, 5000)), claim(t, c, "d"), false)
		if r, err := c.Get(t.Context(), "d"); err != nil || len(r.Value) != 1000 {
			t.Errorf("%d bytes, %v", len(r.Value), err)
		}
	}, resilient.Queue(0, 5000))
}
