package statuses_test

import (
	"context"
	"errors"
	"runtime"
	"slices"
	"testing"
	"testing/synctest"
	"time"
	"weak"

	"github.com/perennial-go/perennial/entry"
	"github.com/perennial-go/perennial/internal/checks"
	"github.com/perennial-go/perennial/statuses"
)

type registry = statuses.InMemory[string, string]

// claims begins an update and starts lets its load begin.
func claims(t *testing.T, r *registry, claim statuses.Claim, want statuses.Role) statuses.Update[string] {
	t.Helper()
	u, role := r.Begin("key", claim)
	if role != want {
		t.Fatalf("Begin answers role %v, want %v", role, want)
	}
	return u
}

func starts(t *testing.T, u statuses.Update[string], wantLook bool) {
	t.Helper()
	if look, err := u.Start(t.Context(), 10); err != nil || look != wantLook {
		t.Fatalf("Start returns %v, %v; want %v", look, err, wantLook)
	}
}

// invalidates fences the key.
func invalidates(t *testing.T, r *registry) {
	t.Helper()
	if err := r.Hold(t.Context(), "key", true); err != nil {
		t.Fatal(err)
	}
	r.Free("key", true)
}

// inBackground runs f until it waits; ended says whether it has returned since.
func inBackground(f func() error) (ended func() (bool, error)) {
	result := make(chan error, 1)
	go func() { result <- f() }()
	return func() (bool, error) {
		synctest.Wait()
		select {
		case err := <-result:
			return true, err
		default:
			return false, nil
		}
	}
}

func startsLater(t *testing.T, u statuses.Update[string], maxRunaway int) (ended func() (bool, error)) {
	t.Helper()
	ended = inBackground(func() error { _, err := u.Start(t.Context(), maxRunaway); return err })
	if early, err := ended(); early {
		t.Fatalf("Start does not wait: %v", err)
	}
	return ended
}

func wantEnded(t *testing.T, ended func() (bool, error), want error) {
	t.Helper()
	if done, err := ended(); !done || !errors.Is(err, want) || want == nil && err != nil {
		t.Fatalf("has it returned: %v, with %v; want %v", done, err, want)
	}
}

// Whoever forces an update gets one that does not look at the store.
func TestForcedUpdatesDoNotLook(t *testing.T) {
	t.Run("a new one", func(t *testing.T) {
		r := newRegistry()
		u := claims(t, r, statuses.Force, statuses.Lead)
		starts(t, u, false)
		finish(u, nil, nil)
	})
	t.Run("one that waited to load", func(t *testing.T) {
		r := newRegistry()
		u := claims(t, r, statuses.Need, statuses.Lead)
		claims(t, r, statuses.Force, statuses.Join)
		starts(t, u, false)
		finish(u, nil, nil)
	})
	t.Run("the next one", func(t *testing.T) {
		r := newRegistry()
		u := claims(t, r, statuses.Need, statuses.Lead)
		starts(t, u, true)
		next := claims(t, r, statuses.Force, statuses.Queued)
		finish(u, nil, nil)
		starts(t, next, false)
		finish(next, nil, nil)
	})
	t.Run("one that a Set made the next", func(t *testing.T) {
		r := newRegistry()
		u := claims(t, r, statuses.Need, statuses.Lead)
		put := claims(t, r, statuses.Put, statuses.Lead)
		claims(t, r, statuses.Force, statuses.Join)
		finish(put, nil, nil)
		starts(t, u, false)
		finish(u, nil, nil)
	})
}

// With two superseded loads running, the key's next update waits for one of them.
func TestThirdLoadIsQueued(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRegistry()
		one := mark(t, r, "key")
		invalidates(t, r)
		two := mark(t, r, "key")
		invalidates(t, r)
		third := claims(t, r, statuses.Need, statuses.Queued)
		started := startsLater(t, third, 10)
		finish(one, nil, nil)
		wantEnded(t, started, nil)
		finish(third, nil, nil)
		finish(two, nil, nil)
	})
}

// An update that waits to publish is told at once that it was superseded,
// though the key is still held.
func TestSupersededWhileItWaitsToPublish(t *testing.T) {
	for name, supersede := range map[string]func(*registry) func(){
		"by a Set": func(r *registry) func() {
			put, _ := r.Begin("key", statuses.Put)
			return func() { finish(put, nil, nil) }
		},
		"by an invalidation": func(r *registry) func() {
			held := make(chan error)
			go func() { held <- r.Hold(context.Background(), "key", true) }()
			return func() {
				<-held
				r.Free("key", true)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRegistry()
				u := mark(t, r, "key")
				if err := r.Hold(t.Context(), "key", false); err != nil {
					t.Fatal(err)
				}
				published := inBackground(func() error { return u.Publish(t.Context()) })
				if early, err := published(); early {
					t.Fatalf("Publish does not wait: %v", err)
				}
				end := supersede(r)
				wantEnded(t, published, statuses.ErrFenced)
				r.Free("key", false)
				end()
				finish(u, nil, nil)
				if updating(r, "key") {
					t.Error("the key is still being updated")
				}
			})
		})
	}
}

func TestPublishOfAnEndedUpdate(t *testing.T) {
	r := newRegistry()
	u := mark(t, r, "key")
	finish(u, nil, nil)
	if err := u.Publish(t.Context()); !errors.Is(err, statuses.ErrEnded) {
		t.Errorf("Publish returns %v, want ErrEnded", err)
	}
}

// The limit of superseded loads holds up a key for its own alone, and only above
// the limit; a key that has none of its own starts.
func TestLimitOfSupersededLoads(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRegistry()
		other := mark(t, r, "other")
		if err := r.Hold(t.Context(), "other", true); err != nil {
			t.Fatal(err)
		}
		r.Free("other", true) // one is superseded
		one := mark(t, r, "key")
		invalidates(t, r) // two are
		two, _ := r.Begin("key", statuses.Need)
		if _, err := two.Start(t.Context(), 2); err != nil {
			t.Fatalf("at the limit: %v", err)
		}
		finish(two, nil, nil)
		three, _ := r.Begin("key", statuses.Need)
		started := startsLater(t, three, 1) // above it, the key waits for its own
		none, _ := r.Begin("none", statuses.Need)
		if _, err := none.Start(t.Context(), 1); err != nil {
			t.Fatalf("a key with no superseded load: %v", err)
		}
		finish(none, nil, nil)
		finish(one, nil, nil)
		wantEnded(t, started, nil)
		finish(three, nil, nil)
		finish(other, nil, nil)
	})
}

// A key with two superseded loads waits while one of them is in its time, and is
// refused when both are late, for they may never end. Late loads that have ended
// do not count.
func TestLateLoadsAreNotWaitedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRegistry()
		if err := r.Hold(t.Context(), "key", false); err != nil { // the key has a record throughout
			t.Fatal(err)
		}
		late := func() statuses.Update[string] {
			u := mark(t, r, "key")
			if !u.Late(errors.New("late")) {
				t.Fatal("a load that runs is not late")
			}
			return u
		}
		one, two := late(), late()
		three := claims(t, r, statuses.Need, statuses.Queued)
		if _, err := three.Start(t.Context(), 10); !errors.Is(err, statuses.ErrRunaway) {
			t.Fatalf("with two late loads Start returns %v, want ErrRunaway", err)
		}
		finish(three, nil, nil)
		finish(one, nil, nil)
		finish(two, nil, nil)
		keep := claims(t, r, statuses.Need, statuses.Lead)
		starts(t, keep, true)
		r.Free("key", false)
		invalidates(t, r)
		five := mark(t, r, "key")
		invalidates(t, r)
		six := claims(t, r, statuses.Need, statuses.Queued)
		started := startsLater(t, six, 10)
		finish(five, nil, nil)
		wantEnded(t, started, nil)
		finish(six, nil, nil)
		finish(keep, nil, nil)
	})
}

// An update that is late before its load began is nobody's: its Start returns at
// once, and who forces leads another.
func TestLateWhileQueued(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRegistry()
		current := mark(t, r, "key")
		queued := claims(t, r, statuses.Force, statuses.Queued)
		started := startsLater(t, queued, 10)
		stub := errors.New("late")
		if !queued.Late(stub) {
			t.Fatal("a queued update is not late")
		}
		wantEnded(t, started, stub)
		another := claims(t, r, statuses.Force, statuses.Queued)
		if another == queued {
			t.Fatal("who forces joins an update that is late")
		}
		finish(queued, nil, nil)
		claims(t, r, statuses.Force, statuses.Join) // the end of the late one ends no other
		finish(current, nil, nil)
		starts(t, another, false)
		finish(another, nil, nil)
	})
}

// doneContext ends when done is called, which is when somebody begins to wait.
type doneContext struct {
	context.Context
	done func() <-chan struct{}
}

func (c doneContext) Done() <-chan struct{} { return c.done() }
func (c doneContext) Err() error            { return context.Canceled }

// closing returns a closed channel when f has run.
func closing(f func()) doneContext {
	return doneContext{context.Background(), func() <-chan struct{} {
		f()
		closed := make(chan struct{})
		close(closed)
		return closed
	}}
}

// manyTimes is how often a test is repeated in which a select chooses at random.
const manyTimes = 64

// An update that ends while a caller's context ends is returned to that caller, and does
// not wake those who wait for another.
func TestWaitEndsWithItsContext(t *testing.T) {
	for range manyTimes {
		synctest.Test(t, func(t *testing.T) {
			r := newRegistry()
			u := mark(t, r, "key")
			want := stored("entry")
			if end, err := u.Wait(closing(func() { finish(u, want, nil) })); err != nil || end.Entry != want {
				t.Fatalf("got %+v, %v; want the outcome", end, err)
			}
			oneWakesNoOther(t, r)
		})
	}
}

// Who stops waiting leaves the others waiting, and takes nobody's wake.
func TestWaitIsGivenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRegistry()
		u := mark(t, r, "key")
		if _, err := u.Wait(closing(func() {})); !errors.Is(err, context.Canceled) {
			t.Fatalf("Wait returns %v", err)
		}
		oneWakesNoOther(t, r) // the channel of who left is used again
		other := mark(t, r, "other")
		otherWaits := inBackground(func() error { _, err := other.Wait(t.Context()); return err })
		waits := inBackground(func() error { _, err := u.Wait(t.Context()); return err })
		waits()
		if _, err := u.Wait(closing(func() {})); !errors.Is(err, context.Canceled) {
			t.Fatalf("the second who waits and leaves: Wait returns %v", err)
		}
		finish(u, nil, nil)
		wantEnded(t, waits, nil)
		if early, _ := otherWaits(); early {
			t.Fatal("who waits for one update is woken by another")
		}
		finish(other, nil, nil)
		wantEnded(t, otherWaits, nil)
	})
}

// oneWakesNoOther has an update for each of three keys, with somebody who waits.
func oneWakesNoOther(t *testing.T, r *registry) {
	t.Helper()
	var updates []statuses.Update[string]
	var waits []func() (bool, error)
	for _, key := range []string{"one", "two", "three"} {
		u := mark(t, r, key)
		updates = append(updates, u)
		waits = append(waits, inBackground(func() error {
			if end, err := u.Wait(t.Context()); err != nil || end.Entry == nil || end.Entry.Value != key {
				t.Errorf("for %s came %+v, %v", key, end, err)
			}
			return nil
		}))
		if early, _ := waits[len(waits)-1](); early {
			t.Fatalf("who waits for %s does not wait", key)
		}
	}
	for i, key := range []string{"one", "two", "three"} {
		finish(updates[i], stored(key), nil)
		wantEnded(t, waits[i], nil)
		for _, later := range waits[i+1:] {
			if early, _ := later(); early {
				t.Fatalf("the end of %s wakes who waits for another", key)
			}
		}
	}
}

// A context that can't end is waited under as well.
func TestWaitWithoutEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		u := mark(t, newRegistry(), "key")
		waits := inBackground(func() error { _, err := u.Wait(context.Background()); return err })
		if early, _ := waits(); early {
			t.Fatal("Wait does not wait")
		}
		finish(u, nil, nil)
		wantEnded(t, waits, nil)
	})
}

// Where a hold is given up while the key becomes free, nothing is left of it.
func TestHoldEndsWithItsContext(t *testing.T) {
	for range manyTimes {
		r := newRegistry()
		if err := r.Hold(t.Context(), "key", false); err != nil {
			t.Fatal(err)
		}
		if err := r.Hold(closing(func() { r.Free("key", false) }), "key", true); err == nil {
			r.Free("key", true)
		}
		if keys := slices.Collect(r.Keys()); len(keys) > 0 {
			t.Fatalf("something goes on for %q", keys)
		}
	}
}

// An update costs one allocation, whether a caller waits for it or not and whether it
// stays to the end.
func TestAllocationsOfAnUpdate(t *testing.T) {
	if checks.Race {
		t.Skip("the race detector empties pools at random")
	}
	r := statuses.NewInMemory[string, string](0, nil)
	var u statuses.Update[string]
	closed := make(chan struct{})
	close(closed)
	var ends, leaves context.Context = doneContext{context.Background(), func() <-chan struct{} { finish(u, nil, nil); return nil }},
		doneContext{context.Background(), func() <-chan struct{} { return closed }}
	for name, wait := range map[string]func(){
		"nobody waits":    func() {},
		"one waits":       func() { u.Wait(ends) },
		"one leaves":      func() { u.Wait(leaves) },
		"one comes later": func() { u.Wait(leaves); u.Wait(ends) },
	} {
		got := testing.AllocsPerRun(100, func() {
			u, _ = r.Begin("key", statuses.Need)
			wait()
			finish(u, nil, nil)
		})
		if got > 1 {
			t.Errorf("%s: %v allocations, want 1", name, got)
		}
	}
}

// A registry keeps neither the key nor the value of an update that has ended.
func TestNothingIsKeptOfAnEndedUpdate(t *testing.T) {
	r := statuses.NewInMemory[*string, *string](time.Hour, nil)
	key, value := new(string), new(string)
	*key, *value = "key", "value" // so that they lie by themselves
	weakKey, weakValue := weak.Make(key), weak.Make(value)
	func() {
		u, _ := r.Begin(key, statuses.Need)
		finish(u, entry.New(value, 0, entry.Life{}), nil)
	}()
	key, value = nil, nil
	runtime.GC()
	runtime.GC()
	if weakKey.Value() != nil {
		t.Error("the key is kept")
	}
	if weakValue.Value() != nil {
		t.Error("the value is kept")
	}
	runtime.KeepAlive(r)
}

// Whoever is told that a load is late finds it counted, whatever key it comes with next.
func TestLateIsCountedBeforeItIsTold(t *testing.T) {
	t.Parallel()
	for range 5_000 {
		r := statuses.NewInMemory[int, int](0, nil)
		u, _ := r.Begin(1, statuses.Need)
		if _, err := u.Start(t.Context(), 1); err != nil {
			t.Fatal(err)
		}
		told := make(chan error)
		go func() {
			_, _ = u.Wait(context.Background())
			for key := 2; ; key++ { // of another part of the registry
				other, _ := r.Begin(key, statuses.Need)
				_, err := other.Start(context.Background(), 1)
				if finish(other, nil, err); key == 20 || err == nil {
					told <- err
					return
				}
			}
		}()
		u.Late(errors.New("it is late"))
		if err := <-told; !errors.Is(err, statuses.ErrRunaway) {
			t.Fatalf("beside a late load, of which one may run, another begins: %v", err)
		}
		finish(u, nil, nil)
	}
}
