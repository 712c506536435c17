package statuses_test

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/perennial-go/perennial/entry"
	"github.com/perennial-go/perennial/statuses"
	"github.com/perennial-go/perennial/statuses/statusestest"
)

func TestInMemoryConforms(t *testing.T) {
	for name, lockTimeout := range map[string]time.Duration{"no lock timeout": 0, "a lock timeout": time.Hour} {
		t.Run(name, func(t *testing.T) {
			statusestest.Run(t, func() statuses.UpdateStatuses[string, int] {
				return statuses.NewInMemory[string, int](lockTimeout, nil)
			})
		})
	}
}

// Counts follows what runs, and comes back to nothing.
func TestCounts(t *testing.T) {
	r := newRegistry()
	check := func(when string, want statuses.Counts) {
		t.Helper()
		if got := r.Counts(); got != want {
			t.Fatalf("%s: got %+v, want %+v", when, got, want)
		}
	}
	check("at first", statuses.Counts{})
	fenced := mark(t, r, "key")
	check("one load", statuses.Counts{Keys: 1})
	if err := r.Hold(t.Context(), "key", true); err != nil {
		t.Fatal(err)
	}
	check("fenced", statuses.Counts{Keys: 1, Superseded: 1})
	r.Free("key", true)
	late := mark(t, r, "other")
	late.Late(errors.New("late"))
	check("and one late", statuses.Counts{Keys: 2, Superseded: 2, Late: 1})
	fenced.Late(errors.New("late too"))
	check("both late", statuses.Counts{Keys: 2, Superseded: 2, Late: 2})
	finish(fenced, nil, nil)
	check("one ended", statuses.Counts{Keys: 1, Superseded: 1, Late: 1})
	finish(late, nil, nil)
	check("at the end", statuses.Counts{})
}

// A lock timeout that comes after the end does nothing.
func TestLockTimeoutAfterTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := statuses.NewInMemory[string, string](time.Second, nil)
		want := stored("entry")
		u := mark(t, r, "key")
		finish(u, want, nil)
		next := mark(t, r, "key")
		time.Sleep(time.Second - 1)
		if end, err := u.Wait(t.Context()); err != nil || end.Entry != want {
			t.Fatalf("got %+v, %v", end, err)
		}
		if !updating(r, "key") {
			t.Fatal("the timer of an update that has ended ended a newer one")
		}
		time.Sleep(time.Nanosecond)
		synctest.Wait()
		if end, err := next.Wait(t.Context()); err != nil || !errors.Is(end.Err, statuses.ErrLockTimeout) {
			t.Fatalf("got %+v, %v; want ErrLockTimeout", end, err)
		}
		finish(next, nil, nil)
	})
}

// Start says what an update was ended with before its load could begin.
func TestStartOfAnEndedUpdate(t *testing.T) {
	stub := errors.New("stub")
	for _, c := range []struct {
		with, want error
	}{{stub, stub}, {nil, statuses.ErrEnded}} {
		r := newRegistry()
		u, _ := r.Begin("key", statuses.Need)
		finish(u, nil, c.with)
		if _, err := u.Start(t.Context(), 1); !errors.Is(err, c.want) {
			t.Errorf("ended with %v: Start returns %v, want %v", c.with, err, c.want)
		}
	}
}

// What has ended is not counted, superseded or not.
func TestCountsAfterTheEnd(t *testing.T) {
	r := newRegistry()
	finish(mark(t, r, "key"), nil, nil)
	if got := r.Counts(); got != (statuses.Counts{}) {
		t.Errorf("after a load: %+v", got)
	}
	u := mark(t, r, "key")
	if err := r.Hold(t.Context(), "key", true); err != nil {
		t.Fatal(err)
	}
	r.Free("key", true)
	finish(u, nil, nil)
	if got := r.Counts(); got != (statuses.Counts{}) {
		t.Errorf("after a superseded load: %+v", got)
	}
}

// finish ends an update of no shared storage.
func finish[V any](u statuses.Update[V], e *entry.Entry[V], err error) {
	u.End(statuses.Outcome[V]{Entry: e, Err: err})
}
