package statuses_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/perennial-go/perennial/entry"
	"github.com/perennial-go/perennial/statuses"
)

// The tests of this file are what py-memoize's tests of its UpdateStatuses
// assert. Its errors for marks in the wrong order have no counterpart: who
// marks holds an Update, which Begin alone hands out.

// mark begins and starts an update that nobody else runs.
func mark(t *testing.T, r *statuses.InMemory[string, string], key string) statuses.Update[string] {
	t.Helper()
	u, role := r.Begin(key, statuses.Need)
	if role != statuses.Lead {
		t.Fatalf("Begin answers role %v, want Lead", role)
	}
	if _, err := u.Start(t.Context(), 1); err != nil {
		t.Fatalf("Start: %v", err)
	}
	return u
}

func updating(r *statuses.InMemory[string, string], key string) bool {
	return slices.Contains(slices.Collect(r.Keys()), key)
}

func newRegistry() *statuses.InMemory[string, string] {
	return statuses.NewInMemory[string, string](5*time.Minute, nil)
}

func stored(value string) *entry.Entry[string] {
	return entry.New(value, 0, entry.Life{UpdateAfter: time.Minute, ExpireAfter: time.Hour})
}

func TestSeed49MarkBeingUpdated(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		finish(mark(t, newRegistry(), "key"), nil, nil)
	})
}

func TestSeed50IsBeingUpdated(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRegistry()
		if updating(r, "key") {
			t.Fatal("the key is being updated before anybody began")
		}
		u := mark(t, r, "key")
		if !updating(r, "key") {
			t.Fatal("the key is not being updated")
		}
		finish(u, nil, nil)
	})
}

// In the seed the second mark is an error; here who comes second joins.
func TestSeed51SecondMarkJoins(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRegistry()
		u := mark(t, r, "key")
		second, role := r.Begin("key", statuses.Need)
		if role != statuses.Join || second != u {
			t.Fatalf("Begin answers role %v, another update: %v; want to join the first", role, second != u)
		}
		finish(u, nil, nil)
	})
}

func TestSeed52IsBeingUpdatedForThatKey(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRegistry()
		u := mark(t, r, "key")
		if updating(r, "other") || !updating(r, "key") {
			t.Fatalf("the keys that are being updated are %q, want key alone", slices.Collect(r.Keys()))
		}
		finish(u, nil, nil)
	})
}

// In the seed this is an error; here an end that comes twice does nothing, to a
// newer update either.
func TestSeed53EndWithoutMarkEndsNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRegistry()
		old := mark(t, r, "key")
		finish(old, stored("entry"), nil)
		newer := mark(t, r, "key")
		finish(old, stored("again"), nil)
		if !updating(r, "key") {
			t.Fatal("the second end of an update ended a newer one")
		}
		finish(newer, nil, nil)
	})
}

func TestSeed54MarkUpdated(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRegistry()
		finish(mark(t, r, "key"), stored("entry"), nil)
		if updating(r, "key") {
			t.Fatal("the key is still being updated")
		}
	})
}

func TestSeed55AbortWithoutMarkEndsNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRegistry()
		old := mark(t, r, "key")
		finish(old, stored("entry"), nil)
		finish(old, nil, errors.New("stub"))
		if end, err := old.Wait(t.Context()); err != nil || end.Err != nil || end.Entry.Value != "entry" {
			t.Fatalf("the outcome became %+v, %v; want the first one", end, err)
		}
	})
}

func TestSeed56MarkUpdateAborted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRegistry()
		finish(mark(t, r, "key"), nil, errors.New("stub"))
		if updating(r, "key") {
			t.Fatal("the key is still being updated")
		}
	})
}

// In the seed this is an error; here there is nothing to wait on without an
// update, and one that has ended is waited for no time.
func TestSeed57AwaitEndedUpdate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRegistry()
		u := mark(t, r, "key")
		finish(u, stored("entry"), nil)
		ended, cancel := context.WithCancel(t.Context())
		cancel()
		if end, err := u.Wait(ended); err != nil || end.Entry.Value != "entry" {
			t.Fatalf("got %+v, %v; want the outcome, though the context has ended", end, err)
		}
	})
}

// In the seed those who wait get None; here they get an error that says what
// to change.
func TestSeed58LockTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := statuses.NewInMemory[string, string](time.Millisecond, nil)
		u := mark(t, r, "key")
		began := time.Now()
		end, err := u.Wait(t.Context())
		if err != nil || end.Entry != nil || !errors.Is(end.Err, statuses.ErrLockTimeout) {
			t.Fatalf("got %+v, %v; want an outcome that is ErrLockTimeout", end, err)
		}
		if took := time.Since(began); took != time.Millisecond {
			t.Fatalf("waited %v, want 1ms", took)
		}
		next, role := r.Begin("key", statuses.Need)
		if role != statuses.Lead || next == u {
			t.Fatalf("Begin answers role %v, want to lead a new update", role)
		}
		finish(next, nil, nil)
		finish(u, nil, nil)
		if updating(r, "key") {
			t.Fatal("the key is still being updated after both have ended")
		}
	})
}

func TestSeed59AwaitUpdatedWithNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRegistry()
		u := mark(t, r, "key")
		handle, _ := r.Begin("key", statuses.Need)
		finish(u, nil, nil)
		if end, err := handle.Wait(t.Context()); err != nil || end != (statuses.Outcome[string]{}) {
			t.Fatalf("got %+v, %v; want nothing at all", end, err)
		}
		if updating(r, "key") {
			t.Fatal("the key is still being updated")
		}
	})
}

func TestSeed60ThreeWaitersOfAbort(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRegistry()
		u := mark(t, r, "key")
		stub := errors.New("stub")
		got := make(chan error, 3)
		for range 3 {
			handle, _ := r.Begin("key", statuses.Need)
			go func() {
				end, _ := handle.Wait(t.Context())
				got <- end.Err
			}()
		}
		synctest.Wait()
		if len(got) > 0 {
			t.Fatal("somebody did not wait")
		}
		finish(u, nil, stub)
		for range 3 {
			if err := <-got; err != stub {
				t.Fatalf("a waiter got %v, want %v", err, stub)
			}
		}
		if updating(r, "key") {
			t.Fatal("the key is still being updated")
		}
	})
}
