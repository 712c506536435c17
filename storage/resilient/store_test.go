package resilient_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/perennial-go/perennial/storage"
	"github.com/perennial-go/perennial/storage/resilient"
)

// While the store answers, calls go to it and nothing waits.
func TestCallsArePassedOn(t *testing.T) {
	bubble(t, func(t *testing.T, at *server, s *resilient.Store, seen *events) {
		put(t, s, "a", "1", committed)
		holds(t, at.memory, "a", "1")
		if err := at.memory.Set(t.Context(), "a", []byte("2"), storage.Forever); err != nil {
			t.Fatal(err)
		}
		holds(t, s, "a", "2")
		update(t, s, "a", "3", committed)
		holds(t, at.memory, "a", "23")
		put(t, s, "a", "4", committed) // whatever was there
		remove(t, s, "a", committed)
		lacks(t, at.memory, "a")
		if len(seen.all) > 0 {
			t.Errorf("events of a store that answers: %v", seen.all)
		}
	})
}

// A Set or Update of a record that was seen takes one round trip.
func TestRoundTrips(t *testing.T) {
	bubble(t, func(t *testing.T, at *server, s *resilient.Store, _ *events) {
		put(t, s, "a", "1", committed)
		for _, step := range []struct {
			verb string
			do   func()
		}{
			{"Set", func() { put(t, s, "a", "2", committed) }},
			{"Update", func() { update(t, s, "a", "3", committed) }},
			{"Get", func() { holds(t, s, "a", "23") }},
			{"Delete", func() { remove(t, s, "a", committed) }},
		} {
			before := at.calls.Load()
			step.do()
			if n := at.calls.Load() - before; n != 1 {
				t.Errorf("%s takes %d round trips, want 1", step.verb, n)
			}
		}
	})
}

// While the store is away, reads come from the copy or miss, and changes wait and return
// ErrQueued.
func TestSynced10AwayAndBack(t *testing.T) {
	bubble(t, func(t *testing.T, at *server, s *resilient.Store, seen *events) {
		put(t, s, "seen", "1", committed)
		put(t, s, "gone", "1", committed)
		at.stop()
		holds(t, s, "seen", "1")
		lacks(t, s, "never seen")
		put(t, s, "new", "2", queued)
		put(t, s, "seen", "3", queued)
		remove(t, s, "gone", queued)
		update(t, s, "list", "x", queued)
		update(t, s, "list", "y", queued)
		holds(t, s, "new", "2")
		holds(t, s, "seen", "3")
		lacks(t, s, "gone")
		holds(t, s, "list", "xy")
		if err := s.Set(t.Context(), "set", []byte("4"), storage.Forever); !errors.Is(err, storage.ErrQueued) {
			t.Errorf("a Set that is queued: %v", err)
		}
		if existed, err := s.Delete(t.Context(), "set"); !existed || !errors.Is(err, storage.ErrQueued) {
			t.Errorf("a Delete that is queued: %v, %v", existed, err)
		}
		stats := s.Stats()
		if stats.State != resilient.StateOpen || stats.Keys != 5 || stats.Changes != 6 || stats.Queued != 7 || stats.Superseded != 1 {
			t.Errorf("stats while away: %+v", stats)
		}
		at.start()
		later(time.Minute)
		holds(t, at.memory, "new", "2")
		holds(t, at.memory, "seen", "3")
		lacks(t, at.memory, "gone")
		holds(t, at.memory, "list", "xy")
		lacks(t, at.memory, "set")
		stats = s.Stats()
		if stats.State != resilient.StateClosed || stats.Keys != 0 || stats.Changes != 0 || stats.Bytes != 0 || stats.Delivered != 6 || stats.Conflicts+stats.Dropped != 0 {
			t.Errorf("stats when it is back: %+v", stats)
		}
		put(t, s, "new", "5", committed)
		if len(seen.of(resilient.Opened)) != 1 || len(seen.of(resilient.Closed)) != 1 || len(seen.of(resilient.Delivered)) != 5 {
			t.Errorf("events: %v", seen.all)
		}
	})
}

// The last of several changes that wait for a key wins, in whatever order their kinds
// come.
func TestSynced11LastQueuedWins(t *testing.T) {
	bubble(t, func(t *testing.T, at *server, s *resilient.Store, _ *events) {
		for _, key := range []string{"a", "b", "c"} {
			put(t, s, key, "old", committed)
		}
		at.stop()
		put(t, s, "a", "1", queued)
		put(t, s, "a", "2", queued)
		put(t, s, "b", "1", queued)
		remove(t, s, "b", queued)
		remove(t, s, "c", queued)
		update(t, s, "c", "x", queued)
		update(t, s, "c", "y", queued)
		at.start()
		later(time.Minute)
		holds(t, at.memory, "a", "2")
		lacks(t, at.memory, "b")
		holds(t, at.memory, "c", "xy")
	})
}

// A record that others have changed meanwhile stays, and the change that would undo it is
// reported; an Update finds it.
func TestConflictIsReported(t *testing.T) {
	bubble(t, func(t *testing.T, at *server, s *resilient.Store, seen *events) {
		for _, key := range []string{"set", "deleted", "both", "updated"} {
			put(t, s, key, "old", committed)
		}
		at.stop()
		put(t, s, "set", "mine", queued)
		remove(t, s, "deleted", queued)
		put(t, s, "both", "mine", queued)
		update(t, s, "both", "+", queued)
		update(t, s, "updated", "+", queued)
		put(t, s, "unseen", "mine", queued)
		for _, key := range []string{"set", "deleted", "both", "updated", "unseen"} {
			if err := at.memory.Set(t.Context(), key, []byte("theirs"), storage.Forever); err != nil {
				t.Fatal(err)
			}
		}
		at.start()
		later(time.Minute)
		holds(t, at.memory, "set", "theirs")
		holds(t, at.memory, "deleted", "theirs")
		holds(t, at.memory, "both", "theirs+")
		holds(t, at.memory, "updated", "theirs+")
		holds(t, at.memory, "unseen", "theirs")
		var keys []string
		for _, e := range seen.of(resilient.Conflict) {
			keys = append(keys, fmt.Sprintf("%s=%s", e.Key, e.Value))
		}
		if want := []string{"set=mine", "deleted=", "both=mine", "unseen=mine"}; !slices.Equal(keys, want) {
			t.Errorf("conflicts of %q, want %q", keys, want)
		}
		if stats := s.Stats(); stats.Conflicts != 4 || stats.Delivered != 2 || stats.Changes != 0 {
			t.Errorf("stats: %+v", stats)
		}
	})
}

// A change whose answer is lost waits, is sent again, and is made once.
func TestLostAnswerIsMadeOnce(t *testing.T) {
	for _, lost := range []struct {
		name string
		how  func(s *server)
	}{
		{"answer", func(s *server) { s.unheard = 1 }},
		{"request", func(s *server) { s.unsaid = 1 }},
	} {
		t.Run(lost.name, func(t *testing.T) {
			bubble(t, func(t *testing.T, at *server, s *resilient.Store, _ *events) {
				at.set(func(s *server) { s.faulty = "swap" })
				put(t, s, "a", "0", committed)
				at.set(lost.how)
				update(t, s, "a", "1", queued)
				update(t, s, "a", "2", queued)
				holds(t, s, "a", "012")
				at.set(lost.how) // and when it is sent again
				later(time.Minute)
				holds(t, at.memory, "a", "012")
				if stats := s.Stats(); stats.Delivered != 2 || stats.Conflicts+stats.Dropped != 0 || stats.Changes != 0 {
					t.Errorf("stats: %+v", stats)
				}
			})
		})
	}
}

// A Set whose answer was lost is no conflict with the one that comes after it.
func TestOwnChangeInDoubtIsNoConflict(t *testing.T) {
	bubble(t, func(t *testing.T, at *server, s *resilient.Store, seen *events) {
		put(t, s, "a", "0", committed)
		at.set(func(s *server) { s.unheard = 1 })
		put(t, s, "a", "1", queued)
		put(t, s, "a", "2", queued)
		later(time.Minute)
		holds(t, at.memory, "a", "2")
		if n := len(seen.of(resilient.Conflict)); n != 0 {
			t.Errorf("%d conflicts with oneself", n)
		}
	})
}

// A record that others deleted long ago does not come back by a change in doubt.
func TestInDoubtIsNotRevived(t *testing.T) {
	for _, c := range []struct {
		name   string
		away   time.Duration
		others bool // delete it
		want   string
	}{
		{"known, deleted", 10 * time.Second, true, ""},
		{"forgotten, deleted", time.Hour, true, ""},
		{"known, there", 10 * time.Second, false, "x"},
		{"forgotten, there", time.Hour, false, "x"},
	} {
		for _, verb := range []string{"Set", "Update"} {
			t.Run(c.name+", "+verb, func(t *testing.T) {
				bubble(t, func(t *testing.T, at *server, s *resilient.Store, seen *events) {
					lacks(t, s, "a")
					at.set(func(s *server) { s.unheard = 1 })
					if verb == "Set" {
						put(t, s, "a", "x", queued)
					} else {
						update(t, s, "a", "x", queued)
					}
					at.stop()
					if c.others {
						if _, err := at.memory.Delete(t.Context(), "a"); err != nil {
							t.Fatal(err)
						}
					}
					later(c.away)
					at.start()
					later(2 * time.Minute)
					if c.want == "" {
						lacks(t, at.memory, "a")
					} else {
						holds(t, at.memory, "a", c.want)
					}
					if stats := s.Stats(); stats.Delivered+stats.Dropped != 1 || stats.Changes != 0 {
						t.Errorf("stats: %+v", stats)
					}
				})
			})
		}
	}
}

// The time of a record runs while it waits.
func TestTimeRunsWhileWaiting(t *testing.T) {
	bubble(t, func(t *testing.T, at *server, s *resilient.Store, seen *events) {
		put(t, s, "short", "old", committed)
		at.stop()
		lacks(t, s, "warm-up")
		for _, key := range []string{"short", "long"} {
			keep := map[string]time.Duration{"short": 10 * time.Second, "long": time.Hour}[key]
			if _, err := outcomeOf(s.Set(t.Context(), key, []byte("new"), keep)); err != nil {
				t.Fatal(err)
			}
		}
		later(11 * time.Second)
		lacks(t, s, "short")
		holds(t, s, "long", "new")
		at.start()
		later(49 * time.Second)
		lacks(t, at.memory, "short")
		r, err := at.memory.Get(t.Context(), "long")
		if err != nil || r.Left != 59*time.Minute {
			t.Errorf("%v are left of an hour after a minute, %v", r.Left, err)
		}
		if n := len(seen.of(resilient.Conflict)); n != 0 {
			t.Errorf("%d conflicts", n)
		}
	})
}

// Changes of one key by many goroutines come one after the other, whether the store is
// away or not.
func TestUpdatesFromManyGoroutines(t *testing.T) {
	bubble(t, func(t *testing.T, at *server, s *resilient.Store, _ *events) {
		done := make(chan struct{})
		for i := range 100 {
			go func() {
				defer func() { done <- struct{}{} }()
				time.Sleep(time.Duration(i) * 100 * time.Millisecond)
				if _, _, err := updated(s.Update(t.Context(), "a", appends("."))); err != nil {
					t.Error(err)
				}
			}()
		}
		later(2 * time.Second)
		at.stop()
		later(3 * time.Second)
		at.start()
		for range 100 {
			<-done
		}
		later(time.Minute)
		holds(t, at.memory, "a", strings.Repeat(".", 100))
	})
}

// The goroutines of one process do not contend: each change is one round trip, with no
// other in between.
func TestProcessDoesNotContendWithItself(t *testing.T) {
	bubble(t, func(t *testing.T, at *server, s *resilient.Store, _ *events) {
		put(t, s, "a", "", committed)
		at.set(func(s *server) { s.delay = time.Millisecond })
		before := at.calls.Load()
		done := make(chan struct{})
		for range 10 {
			go func() {
				defer func() { done <- struct{}{} }()
				update(t, s, "a", ".", committed)
			}()
		}
		for range 10 {
			<-done
		}
		if n := at.calls.Load() - before; n != 10 {
			t.Errorf("10 updates take %d round trips", n)
		}
		holds(t, at.memory, "a", "..........")
	})
}

// Two stores update one record, and nothing is lost.
func TestUpdatesFromManyProcesses(t *testing.T) {
	bubble(t, func(t *testing.T, at *server, s *resilient.Store, _ *events) {
		other, _ := client(t, at)
		done := make(chan struct{})
		for _, one := range []*resilient.Store{s, other} {
			go func() {
				defer func() { done <- struct{}{} }()
				for range 50 {
					update(t, one, "a", ".", committed)
				}
			}()
		}
		<-done
		<-done
		holds(t, at.memory, "a", strings.Repeat(".", 100))
		if err := other.Close(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

func TestUpdateLeavesAsItIs(t *testing.T) {
	bubble(t, func(t *testing.T, at *server, s *resilient.Store, _ *events) {
		put(t, s, "a", "1", committed)
		own := errors.New("own")
		leave := func(err error) func(storage.Record) ([]byte, time.Duration, error) {
			return func(storage.Record) ([]byte, time.Duration, error) { return []byte("x"), storage.Forever, err }
		}
		for range 2 {
			if r, _, err := updated(s.Update(t.Context(), "a", leave(resilient.ErrNoChange))); err != nil || string(r.Value) != "1" {
				t.Errorf("ErrNoChange: %q, %v", r.Value, err)
			}
			if _, _, err := updated(s.Update(t.Context(), "a", leave(own))); !errors.Is(err, own) {
				t.Errorf("an error of the function: %v", err)
			}
			holds(t, s, "a", "1")
			at.stop()
			lacks(t, s, "warm-up")
		}
		if n := s.Stats().Queued; n != 0 {
			t.Errorf("%d changes queued", n)
		}
	})
}

// The function may fail on the copy: its error counts only on the record in the store.
func TestUpdateFailsOnTheStoredRecord(t *testing.T) {
	bubble(t, func(t *testing.T, at *server, s *resilient.Store, _ *events) {
		put(t, s, "a", "old", committed)
		if err := at.memory.Set(t.Context(), "a", []byte("new"), storage.Forever); err != nil {
			t.Fatal(err)
		}
		_, _, err := updated(s.Update(t.Context(), "a", func(now storage.Record) ([]byte, time.Duration, error) {
			if string(now.Value) == "old" {
				return nil, 0, errors.New("it is old")
			}
			return []byte("changed"), storage.Forever, nil
		}))
		if err != nil {
			t.Error(err)
		}
		holds(t, at.memory, "a", "changed")
	})
}

// A caller who leaves gets the error of the context, and the next change accepts either
// version.
func TestCallerLeaves(t *testing.T) {
	bubble(t, func(t *testing.T, at *server, s *resilient.Store, seen *events) {
		put(t, s, "a", "0", committed)
		at.set(func(s *server) { s.hangs = true })
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		if _, err := outcomeOf(s.Set(ctx, "a", []byte("1"), storage.Forever)); !errors.Is(err, context.DeadlineExceeded) {
			t.Fatalf("Set under a deadline: %v", err)
		}
		if n := len(seen.of(resilient.Opened)); n != 0 {
			t.Fatalf("one who leaves opens the breaker")
		}
		put(t, s, "a", "2", queued)
		at.set(func(s *server) { s.hangs = false })
		later(time.Minute)
		holds(t, at.memory, "a", "2")
		if n := len(seen.of(resilient.Conflict)); n != 0 {
			t.Errorf("%d conflicts", n)
		}
	})
}

// Callers whose deadlines are shorter than the timeout find out, too, that nobody
// answers.
func TestImpatientCallersOpenTheBreaker(t *testing.T) {
	bubble(t, func(t *testing.T, at *server, s *resilient.Store, seen *events) {
		put(t, s, "a", "0", committed)
		at.set(func(s *server) { s.hangs = true })
		for range 3 {
			ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
			if _, err := s.Get(ctx, "a"); !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("Get: %v", err)
			}
			cancel()
		}
		holds(t, s, "a", "0") // at once
		if n := len(seen.of(resilient.Opened)); n != 1 {
			t.Errorf("the breaker opened %d times", n)
		}
	})
}

// It takes three callers in a row, none of whom is answered.
func TestAnsweredCallersRenewPatience(t *testing.T) {
	bubble(t, func(t *testing.T, at *server, s *resilient.Store, seen *events) {
		put(t, s, "a", "0", committed)
		impatient := func(callers int) {
			t.Helper()
			at.set(func(s *server) { s.hangs = true })
			for range callers {
				ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
				if _, err := s.Get(ctx, "a"); !errors.Is(err, context.DeadlineExceeded) {
					t.Errorf("Get: %v", err)
				}
				cancel()
			}
			at.set(func(s *server) { s.hangs = false })
		}
		for range 3 {
			impatient(2)
			holds(t, s, "a", "0") // which is answered
		}
		if n := len(seen.of(resilient.Opened)); n != 0 {
			t.Errorf("the breaker opened %d times, and no three in a row were left", n)
		}
		impatient(3)
		if n := len(seen.of(resilient.Opened)); n != 1 {
			t.Errorf("the breaker opened %d times, and three in a row were left", n)
		}
	})
}

func TestContextsAndClosed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, _ := client(t, newServer())
		over, cancel := context.WithCancel(t.Context())
		cancel()
		calls := func(ctx context.Context) map[string]error {
			all := map[string]error{}
			_, all["Get"] = s.Get(ctx, "a")
			all["Set"] = s.Set(ctx, "a", nil, storage.Forever)
			_, all["Delete"] = s.Delete(ctx, "a")
			_, all["Update"] = s.Update(ctx, "a", appends("x"))
			for _, err := range s.Keys(ctx, "") {
				all["Keys"] = err
			}
			all["Watch"] = s.Watch(ctx, "", func(storage.Changed) {})
			return all
		}
		for verb, err := range calls(over) {
			if !errors.Is(err, context.Canceled) {
				t.Errorf("%s under a context that is over: %v", verb, err)
			}
		}
		if err := s.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
		for verb, err := range calls(t.Context()) {
			if !errors.Is(err, resilient.ErrClosed) {
				t.Errorf("%s after Close: %v", verb, err)
			}
		}
		if err := s.Close(t.Context()); err != nil {
			t.Errorf("the second Close: %v", err)
		}
	})
}

func TestKeys(t *testing.T) {
	bubble(t, func(t *testing.T, at *server, s *resilient.Store, _ *events) {
		for _, key := range []string{"p:a", "p:b", "q:c"} {
			put(t, s, key, "1", committed)
		}
		list := func() string {
			var keys []string
			for key, err := range s.Keys(t.Context(), "p:") {
				if err != nil {
					t.Fatal(err)
				}
				keys = append(keys, key)
			}
			slices.Sort(keys)
			return strings.Join(slices.Compact(keys), " ")
		}
		if got := list(); got != "p:a p:b" {
			t.Errorf("keys: %s", got)
		}
		at.stop()
		if got := list(); got != "p:a p:b" {
			t.Errorf("keys while away: %s", got)
		}
		put(t, s, "p:d", "1", queued)
		remove(t, s, "p:a", queued)
		if got := list(); got != "p:b p:d" {
			t.Errorf("keys with what waits: %s", got)
		}
		at.start()
		at.set(func(s *server) {
			s.fault = func(verb, _ string) error {
				if verb == "swap" {
					return errors.New("READONLY You can't write against a read only replica.")
				}
				return nil
			}
		})
		later(4 * time.Second) // it is back, and both still wait
		if got := list(); got != "p:b p:d" {
			t.Errorf("keys of the store with what waits: %s", got)
		}
	})
}

func TestStringAndNil(t *testing.T) {
	if _, err := resilient.New(nil); err == nil || !strings.Contains(err.Error(), "is nil") {
		t.Errorf("a nil store: %v", err)
	}
	if _, err := resilient.NewCache(nil); err == nil || !strings.Contains(err.Error(), "is nil") {
		t.Errorf("a nil store of a Cache: %v", err)
	}
	if _, err := resilient.NewBulkCache(nil); err == nil || !strings.Contains(err.Error(), "is nil") {
		t.Errorf("a nil store of a BulkCache: %v", err)
	}
	for k := range resilient.Kinds {
		if named := k.String() != "unknown event"; named != (k > 0) {
			t.Errorf("kind %d is called %s", k, k)
		}
	}
	if got := resilient.Kinds.String(); got != "unknown event" {
		t.Errorf("what is no kind is called %s", got)
	}
	s, _ := client(t, storage.NewMemory())
	if got := fmt.Sprint(s); got != "resilient(Memory)" {
		t.Errorf("it is called %s", got)
	}
}
