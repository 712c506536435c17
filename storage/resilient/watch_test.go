package resilient_test

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/perennial-go/perennial/storage"
	"github.com/perennial-go/perennial/storage/resilient"
)

// watch watches until it is stopped.
func watch(t *testing.T, s *resilient.Store, prefix string, also ...func(storage.Changed)) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() {
		done <- s.Watch(ctx, prefix, func(c storage.Changed) {
			for _, f := range also {
				f(c)
			}
		})
	}()
	synctest.Wait()
	return func() {
		cancel()
		if err := <-done; !errors.Is(err, context.Canceled) {
			t.Errorf("the Watch ends with %v", err)
		}
	}
}

// Get of a watched record costs no round trip, and sees what others do.
func TestWatchedGetIsFree(t *testing.T) {
	bubble(t, func(t *testing.T, at *server, s *resilient.Store, _ *events) {
		stop := watch(t, s, "w:")
		put(t, s, "w:a", "1", committed)
		put(t, s, "other", "1", committed)
		synctest.Wait()
		holds(t, s, "w:a", "1")
		free := func(key string, want bool) {
			t.Helper()
			before := at.calls.Load()
			for range 10 {
				_, _ = s.Get(t.Context(), key)
			}
			if n := at.calls.Load() - before; (n == 0) != want {
				t.Errorf("ten looks at %q ask the store %d times", key, n)
			}
		}
		free("w:a", true)
		free("other", false)
		for _, value := range []string{"2", "3"} {
			if err := at.memory.Set(t.Context(), "w:a", []byte(value), storage.Forever); err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
			holds(t, s, "w:a", value)
			free("w:a", true)
		}
		if _, err := at.memory.Delete(t.Context(), "w:a"); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		lacks(t, s, "w:a")
		free("w:a", true)
		stop()
		free("w:a", false)
	})
}

// A Watch goes on when the store is back, begins with a Missed, and sees again.
func TestWatchOutlivesTheServer(t *testing.T) {
	bubble(t, func(t *testing.T, at *server, s *resilient.Store, _ *events) {
		missed, changed := 0, 0
		stop := watch(t, s, "", func(c storage.Changed) {
			if c.Missed {
				missed++
			} else {
				changed++
			}
		})
		defer stop()
		put(t, s, "a", "1", committed)
		synctest.Wait()
		if missed != 1 || changed != 1 {
			t.Fatalf("told of %d missed, %d changed", missed, changed)
		}
		for range 3 {
			at.stop()
			holds(t, s, "a", "1")
			later(time.Minute)
			at.start()
			later(time.Minute)
		}
		if missed != 4 {
			t.Errorf("told of %d missed after 3 outages", missed)
		}
		holds(t, s, "a", "1")
		before := at.calls.Load()
		holds(t, s, "a", "1")
		if n := at.calls.Load() - before; n != 0 {
			t.Errorf("the copy is not current again")
		}
	})
}

// A connection of the Watch that breaks is made again.
func TestWatchReconnects(t *testing.T) {
	bubble(t, func(t *testing.T, at *server, s *resilient.Store, seen *events) {
		missed := 0
		stop := watch(t, s, "", func(c storage.Changed) {
			if c.Missed {
				missed++
			}
		})
		defer stop()
		at.stop()
		at.start()
		later(time.Minute)
		if missed != 2 || len(seen.all) != 0 {
			t.Errorf("told of %d missed; events %v", missed, seen.all)
		}
	})
}

// A read during a change does not make the old record current.
func TestWatchedGetRacesAChange(t *testing.T) {
	bubble(t, func(t *testing.T, at *server, s *resilient.Store, _ *events) {
		stop := watch(t, s, "")
		defer stop()
		put(t, s, "b", "1", committed)
		if err := at.memory.Set(t.Context(), "a", []byte("old"), storage.Forever); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		slow := slowStore{at, make(chan struct{})}
		other, _ := client(t, slow)
		stopOther := watch(t, other, "")
		looked := make(chan struct{})
		go func() {
			_, _ = other.Get(t.Context(), "a") // reads the old, and answers late
			close(looked)
		}()
		synctest.Wait()
		if err := at.memory.Set(t.Context(), "a", []byte("new"), storage.Forever); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		close(slow.answer)
		<-looked
		holds(t, other, "a", "new")
		stopOther()
		if err := other.Close(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

// slowStore delays its answers to Look.
type slowStore struct {
	*server
	answer chan struct{}
}

func (s slowStore) Look(ctx context.Context, keys ...string) ([]storage.Versioned, error) {
	found, err := s.server.Look(ctx, keys...)
	<-s.answer
	return found, err
}

func TestWatchEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		at := newServer()
		s, _ := client(t, at)
		done := make(chan error, 1)
		go func() { done <- s.Watch(t.Context(), "", func(storage.Changed) {}) }()
		synctest.Wait()
		if err := s.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
		if err := <-done; !errors.Is(err, resilient.ErrClosed) {
			t.Errorf("the Watch of a store that is closed: %v", err)
		}
		refused := storage.Refused(errors.New("no"))
		s, _ = client(t, at)
		at.set(func(s *server) { s.fault = func(string, string) error { return refused } })
		if err := s.Watch(t.Context(), "", func(storage.Changed) {}); !errors.Is(err, refused) {
			t.Errorf("a Watch that is refused: %v", err)
		}
		if err := s.Close(t.Context()); err != nil {
			t.Error(err)
		}
		none, _ := client(t, bare{at})
		if err := none.Watch(t.Context(), "", func(storage.Changed) {}); !errors.Is(err, resilient.ErrUnsupported) {
			t.Errorf("a Watch of a store that can't: %v", err)
		}
		for _, err := range none.Keys(t.Context(), "") {
			if !errors.Is(err, resilient.ErrUnsupported) {
				t.Errorf("Keys of a store that can't: %v", err)
			}
		}
		if _, _, err := updated(none.Update(t.Context(), "a", appends("x"))); !errors.Is(err, resilient.ErrNoVersions) {
			t.Errorf("an Update of a store without versions: %v", err)
		}
		if err := none.Close(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

// bare is a store with no optional abilities.
type bare struct{ storage.Bytes }

// blinking is a server whose watches can be made blind for a while.
type blinking struct {
	*server
	blind atomic.Bool
	tell  func(storage.Changed)
}

func (b *blinking) Watch(ctx context.Context, prefix string, changed func(storage.Changed)) error {
	b.tell = changed
	return b.server.Watch(ctx, prefix, func(c storage.Changed) {
		if !b.blind.Load() {
			changed(c)
		}
	})
}

// From a Lost to the next Missed no copy is trusted, though the server answers.
func TestWatchThatSeesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &blinking{server: newServer()}
		s, err := resilient.New(b)
		if err != nil {
			t.Fatal(err)
		}
		stop := watch(t, s, "", func(c storage.Changed) {
			if c.Lost {
				t.Error("a Lost is passed on")
			}
		})
		put(t, s, "a", "1", committed)
		synctest.Wait()
		for i, value := range []string{"2", "3"} {
			b.tell(storage.Changed{Lost: true})
			b.blind.Store(true)
			if err := b.memory.Set(t.Context(), "a", []byte(value), storage.Forever); err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
			holds(t, s, "a", value)
			b.blind.Store(false)
			b.tell(storage.Changed{Missed: true})
			before := b.calls.Load()
			holds(t, s, "a", value)
			holds(t, s, "a", value)
			if n := b.calls.Load() - before; n > 1 {
				t.Errorf("after Missed %d two looks ask the store %d times", i, n)
			}
		}
		stop()
		if err := s.Close(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

// A slow callback delays nothing else, and copies are current. What it was not told in
// time is a Missed to it.
func TestSlowCallback(t *testing.T) {
	bubble(t, func(t *testing.T, at *server, s *resilient.Store, _ *events) {
		let := make(chan struct{})
		var told []storage.Changed
		stop := watch(t, s, "", func(c storage.Changed) {
			<-let
			told = append(told, c)
		})
		set := func(key, value string) {
			t.Helper()
			if err := at.memory.Set(t.Context(), key, []byte(value), storage.Forever); err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
		}
		for _, value := range []string{"1", "2", "3"} {
			set("a", value)
			holds(t, s, "a", value)
		}
		before := at.calls.Load()
		holds(t, s, "a", "3")
		if n := at.calls.Load() - before; n != 0 {
			t.Errorf("to look at what is current asks the store %d times", n)
		}
		let <- struct{}{}
		let <- struct{}{}
		synctest.Wait()
		if len(told) != 2 || !told[0].Missed || told[1].Key != "a" {
			t.Errorf("it is told %+v", told)
		}
		for i := range 5000 { // more than is kept for who is slow
			set("b", strconv.Itoa(i))
		}
		holds(t, s, "b", "4999")
		close(let)
		synctest.Wait()
		if last := told[len(told)-1]; len(told) > 2000 || !slices.ContainsFunc(told[1:], func(c storage.Changed) bool { return c.Missed }) {
			t.Errorf("it is told %d times, at last %+v", len(told), last)
		}
		set("c", "1")
		if last := told[len(told)-1]; last.Key != "c" {
			t.Errorf("it is told %+v at last", last)
		}
		stop()
	})
}

// A Watch ends at once, though there are changes left to tell.
func TestWatchEndsWithChangesLeft(t *testing.T) {
	bubble(t, func(t *testing.T, at *server, s *resilient.Store, _ *events) {
		ctx, cancel := context.WithCancel(t.Context())
		n := 0
		err := s.Watch(ctx, "", func(storage.Changed) {
			if n == 0 {
				for i := range 10 {
					put(t, s, strconv.Itoa(i), "1", committed)
				}
				cancel()
			}
			n++
		})
		if !errors.Is(err, context.Canceled) || n != 1 {
			t.Errorf("it is told %d times, and ends with %v", n, err)
		}
	})
}

// A record that is deleted without a message, by hand or by an eviction, is served for no
// longer than a minute to those who watch.
func TestUntoldDeletionIsSeenInTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &blinking{server: newServer()}
		s, err := resilient.New(b)
		if err != nil {
			t.Fatal(err)
		}
		stop := watch(t, s, "")
		put(t, s, "mine", "1", committed)
		if err := b.memory.Set(t.Context(), "theirs", []byte("1"), storage.Forever); err != nil {
			t.Fatal(err)
		}
		synctest.Wait() // until it is told: what is read while it is told is looked at again
		holds(t, s, "theirs", "1")
		b.blind.Store(true)
		for _, key := range []string{"mine", "theirs"} {
			if _, err := b.memory.Delete(t.Context(), key); err != nil {
				t.Fatal(err)
			}
		}
		later(resilient.RecheckAfter - time.Second)
		before := b.calls.Load()
		holds(t, s, "mine", "1")
		holds(t, s, "theirs", "1")
		if n := b.calls.Load() - before; n != 0 {
			t.Errorf("the store is asked %d times within a minute", n)
		}
		later(2 * time.Second)
		lacks(t, s, "mine")
		lacks(t, s, "theirs")
		before = b.calls.Load()
		lacks(t, s, "mine")
		lacks(t, s, "theirs")
		if n := b.calls.Load() - before; n != 0 {
			t.Errorf("the store is asked %d times after it was asked", n)
		}
		stop()
		if err := s.Close(t.Context()); err != nil {
			t.Error(err)
		}
	})
}
