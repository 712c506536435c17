package resilient_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/perennial-go/perennial/storage"
	"github.com/perennial-go/perennial/storage/resilient"
)

// adding is a store without versions that can add.
type adding struct {
	storage.Bytes
	at *server
}

func (a adding) Add(ctx context.Context, key string, value []byte, keep time.Duration) (added bool, _ error) {
	err := a.at.use(ctx, "add", key, func(m *storage.Memory) (err error) {
		added, err = m.Add(ctx, key, value, keep)
		return err
	})
	return added && err == nil, err
}

// Over a store without versions a change that has waited is compared by the values.
func TestPlainStore(t *testing.T) {
	for _, adds := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			at := newServer()
			var beneath storage.Bytes = bare{at}
			if adds {
				beneath = adding{at, at}
			}
			s, seen := client(t, beneath)
			verbs := map[string]int{}
			at.set(func(s *server) {
				s.fault = func(verb, _ string) error { verbs[verb]++; return nil }
			})
			stores(t, at, "set", "0", "theirs", "0", "equal", "0", "gone", "0", "removed", "0", "changed", "0", "over", "0")
			for _, key := range []string{"set", "theirs", "equal", "gone", "removed", "changed", "over"} {
				holds(t, s, key, "0")
			}
			lacks(t, s, "new")
			if outcome, err := outcomeOf(s.Set(t.Context(), "set", []byte("1"), storage.Forever)); err != nil || outcome != committed || verbs["set"] != 1 || verbs["get"] != 8 {
				t.Errorf("Set: %v, %v after %v", outcome, err, verbs)
			}
			if existed, err := s.Delete(t.Context(), "none"); existed || err != nil {
				t.Errorf("Delete of nothing: %v, %v", existed, err)
			}
			put(t, s, "there", "1", committed)
			if existed, err := s.Delete(t.Context(), "there"); !existed || err != nil {
				t.Errorf("Delete: %v, %v", existed, err)
			}
			clear(verbs)
			at.stop()
			for _, key := range []string{"set", "theirs", "equal", "gone", "new", "taken"} {
				put(t, s, key, "2", queued)
			}
			if existed, err := s.Delete(t.Context(), "removed"); !existed || !errors.Is(err, storage.ErrQueued) {
				t.Errorf("Delete that waits: %v, %v", existed, err)
			}
			remove(t, s, "changed", queued)
			if _, err := outcomeOf(s.Set(t.Context(), "over", []byte("2"), time.Second)); err != nil {
				t.Fatal(err)
			}
			stores(t, at, "theirs", "1", "equal", "2", "changed", "1", "taken", "1")
			if _, err := at.memory.Delete(t.Context(), "gone"); err != nil {
				t.Fatal(err)
			}
			at.start()
			later(time.Minute)
			for key, want := range map[string]string{"set": "2", "theirs": "1", "equal": "2", "changed": "1", "new": "2", "taken": "1"} {
				holds(t, at.memory, key, want)
			}
			for _, key := range []string{"gone", "removed", "over"} {
				lacks(t, at.memory, key)
			}
			got := map[string]int{}
			for _, e := range seen.of(resilient.Conflict) {
				got[fmt.Sprintf("%s=%s", e.Key, e.Value)] += e.Changes
			}
			if want := "map[changed=:1 gone=2:1 taken=2:1 theirs=2:1]"; fmt.Sprint(got) != want {
				t.Errorf("conflicts of %v, want %v", got, want)
			}
			if stats := s.Stats(); stats.Delivered != 5 || stats.Conflicts != 4 || stats.Queued != 9 || stats.Dropped != 0 {
				t.Errorf("stats: %+v", stats)
			}
			if want := map[bool]int{true: 1}[adds]; verbs["add"] != want {
				t.Errorf("the store was asked to add %d times, want %d", verbs["add"], want)
			}
			if err := s.Close(t.Context()); err != nil {
				t.Error(err)
			}
			_ = at.memory.Close()
		})
	}
}

// If a plain store fails to read, write or add, the change goes on waiting.
func TestPlainStoreFails(t *testing.T) {
	for _, verb := range []string{"get", "set", "add"} {
		t.Run(verb, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				at := newServer()
				s, seen := client(t, adding{at, at})
				stores(t, at, "a", "0", "c", "0")
				holds(t, s, "a", "0")
				holds(t, s, "c", "0")
				waits(t, at, func() {
					put(t, s, "a", "1", queued)
					put(t, s, "b", "1", queued)
					remove(t, s, "c", queued)
				})
				at.set(func(s *server) { s.fault = on(errReadOnly, verb) })
				later(time.Minute)
				if stats := s.Stats(); stats.Changes == 0 || stats.State != resilient.StateClosed {
					t.Errorf("stats: %+v", stats)
				}
				at.set(func(s *server) { s.fault = nil })
				later(time.Minute)
				holds(t, at.memory, "a", "1")
				holds(t, at.memory, "b", "1")
				lacks(t, at.memory, "c")
				if stats := s.Stats(); stats.Delivered != 3 || len(seen.of(resilient.Opened)) != 1 {
					t.Errorf("stats: %+v", stats)
				}
				if err := s.Close(t.Context()); err != nil {
					t.Error(err)
				}
				_ = at.memory.Close()
			})
		})
	}
}

// A record that somebody sets between the read and the add stays, and is a conflict.
func TestPlainStoreAddsNothingOverOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		at := newServer()
		s, seen := client(t, adding{at, at})
		lacks(t, s, "a")
		at.stop()
		put(t, s, "a", "mine", queued)
		at.set(func(s *server) {
			s.fault = func(verb, _ string) error {
				if verb == "add" {
					stores(t, s, "a", "theirs")
				}
				return nil
			}
		})
		at.start()
		later(time.Minute)
		holds(t, at.memory, "a", "theirs")
		if told := seen.of(resilient.Conflict); len(told) != 1 || string(told[0].Value) != "mine" {
			t.Errorf("conflicts: %+v", told)
		}
		if err := s.Close(t.Context()); err != nil {
			t.Error(err)
		}
		_ = at.memory.Close()
	})
}

// A queued change of a Cache is compared under a claim, and waits if that fails.
func TestCacheComparesUnderAClaim(t *testing.T) {
	for _, verb := range []string{"claim", "fill", "delete"} {
		t.Run(verb, func(t *testing.T) {
			cached(t, func(t *testing.T, at *server, c *resilient.BulkCache, seen *events) {
				stores(t, at, "set", "0", "equal", "0", "theirs", "0", "gone", "0")
				for _, key := range []string{"set", "equal", "theirs", "gone"} {
					holds(t, c, key, "0")
				}
				waits(t, at, func() {
					for _, key := range []string{"set", "equal", "theirs", "new"} {
						queues(t, c, key, "1")
					}
					if existed, err := c.Delete(t.Context(), "gone"); !existed || !errors.Is(err, storage.ErrQueued) {
						t.Errorf("Delete: %v, %v", existed, err)
					}
					stores(t, at, "equal", "1", "theirs", "2", "gone", "3")
				})
				at.set(func(s *server) { s.fault = on(errReadOnly, verb) })
				later(time.Minute)
				if stats := c.Stats(); stats.Changes == 0 || stats.State != resilient.StateClosed {
					t.Errorf("stats: %+v", stats)
				}
				lost := false
				at.set(func(s *server) {
					s.fault = func(asked, key string) error { // and is taken from under it, once
						if asked == "fill" && key == "new" && !lost {
							lost = true
							_, _ = s.memory.Delete(t.Context(), "new")
						}
						return nil
					}
				})
				later(time.Minute)
				for key, want := range map[string]string{"set": "1", "equal": "1", "theirs": "2", "new": "1"} {
					holds(t, at.memory, key, want)
				}
				lacks(t, at.memory, "gone")
				if stats := c.Stats(); stats.Delivered != 4 || stats.Conflicts != 1 || stats.Dropped != 0 || stats.Changes != 0 {
					t.Errorf("stats: %+v", stats)
				}
				if told := seen.of(resilient.Conflict); len(told) != 1 || told[0].Key != "theirs" {
					t.Errorf("conflicts: %+v", told)
				}
			})
		})
	}
}
