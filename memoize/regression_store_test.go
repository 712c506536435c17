package memoize_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/benbjohnson/clock"

	"github.com/perennial-go/perennial/config"
	"github.com/perennial-go/perennial/entry"
	"github.com/perennial-go/perennial/eviction"
	"github.com/perennial-go/perennial/invalidation"
	"github.com/perennial-go/perennial/memoize"
	"github.com/perennial-go/perennial/observe"
	"github.com/perennial-go/perennial/statuses"
	"github.com/perennial-go/perennial/storage"
)

// What is stored.

// G6: the context of a late load has ended, and the storage has a budget of its
// own.
func TestLateResultIsStoredAcrossANetwork(t *testing.T) {
	bubble(t, func(t *testing.T) {
		slowly := func(ctx context.Context, _ string) error {
			select {
			case <-time.After(10 * time.Millisecond):
				return nil
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		store := &mockStorage[string, int]{offer: slowly, free: slowly}
		source := returning[string](1)
		f := memoize.Must(memoize.New(source.load, with(config.Storage[string, int](store), config.Capacity(1), config.MethodTimeout(time.Second))...))
		wants(t, 1)(f.Call(t.Context(), "other"))
		open := source.holds()
		defer open()
		_, err := f.Call(t.Context(), "key")
		loadError(t, err, memoize.TimedOut, memoize.ErrLoadTimeout)
		open()
		time.Sleep(time.Second)
		if _, ok := store.holds("key"); !ok || !f.Has(t.Context(), "key") {
			t.Fatalf("the storage has the late result: %v, it is served: %v; want both", ok, f.Has(t.Context(), "key"))
		}
		if _, ok := store.holds("other"); ok {
			t.Fatal("what the late result pushed out is still stored")
		}
		if s := f.Stats(); s.StoreFaults != 0 {
			t.Fatalf("%d faults of the storage are counted", s.StoreFaults)
		}
		wantCalls(t, source, 2)
	})
}

// A new life makes no new value: what the builder makes of a value that it made
// itself is not what the source returned.
func TestTouchTakesTheLifeAlone(t *testing.T) {
	bubble(t, func(t *testing.T) {
		source := returning[string](1)
		f := memoize.Must(memoize.New(source.load, config.Builder(entry.BuilderFunc[string, int](func(_ string, value int, now entry.Instant) *entry.Entry[int] {
			return entry.New(value+10, now, entry.Life{UpdateAfter: time.Minute, ExpireAfter: time.Hour})
		}))))
		wants(t, 11)(f.Call(t.Context(), "key"))
		for range 3 {
			time.Sleep(40 * time.Second)
			if ok, err := f.Touch(t.Context(), "key"); err != nil || !ok {
				t.Fatalf("Touch: %v, %v", ok, err)
			}
		}
		r, err := f.Result(t.Context(), "key")
		if err != nil || r.Value != 11 || r.Age != 2*time.Minute || r.State != entry.Fresh {
			t.Fatalf("got %+v, %v; want 11, 2 minutes old and fresh", r, err)
		}
		wantCalls(t, source, 1)
	})
}

// The key is free when an observer learns what was done to its entry.
func TestObserverMayUseTheKeyItIsToldOf(t *testing.T) {
	for _, kind := range []observe.Kind{observe.Stored, observe.Evicted, observe.Dropped} {
		t.Run(kind.String(), func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				var f *memoize.Func[string, int]
				var told journal
				f = memoize.Must(memoize.New(returning[string](1).load, with(config.Capacity(1),
					config.Observe(observe.Func(func(_ context.Context, e observe.Event) {
						if e.Kind != kind || e.Key != `"key"` {
							return
						}
						ctx, cancel := context.WithTimeout(context.Background(), time.Second)
						defer cancel()
						f.Peek(ctx, "key")
						told.add("Invalidate: %v", f.Invalidate(ctx, "key"))
						told.add("Set: %v", f.Set(ctx, "key", 2))
					})))...))
				wants(t, 1)(f.Call(t.Context(), "key"))
				settled(t, f)
				switch kind {
				case observe.Evicted:
					wants(t, 1)(f.Call(t.Context(), "other"))
				case observe.Dropped:
					time.Sleep(time.Hour)
				}
				settled(t, f)
				told.exactly(t, "Invalidate: <nil>", 1)
				told.exactly(t, "Set: <nil>", 1)
				if v, ok := f.Peek(t.Context(), "key"); v != 2 || !ok {
					t.Fatalf("the key has %v, %v; want what the observer set", v, ok)
				}
			})
		})
	}
}

// Storages in and out of force.

// A load under a plan that nothing knows of any more would store where no
// invalidation looks.
func TestCallUnderADroppedPlanLoadsUnderTheOneInForce(t *testing.T) {
	bubble(t, func(t *testing.T) {
		before, after := &mockStorage[string, int]{}, &mockStorage[string, int]{}
		keys, open := heldKeys()
		live := mutable(with(config.Storage[string, int](before), keys)...)
		f := memoize.Must(memoize.Memoize(returning[string](1).load, live))
		finish := begin(1, func() (int, error) { return f.Call(t.Context(), "held") })
		noError(t, live.Apply(config.Storage[string, int](after)))
		open()
		allWant(t, 1, finish())
		settled(t, f)
		if v, ok := before.holds("key"); ok {
			t.Fatalf("the storage out of force holds %v", v)
		}
		if _, ok := after.holds("key"); !ok {
			t.Fatal("the storage in force does not hold the value")
		}
		noError(t, f.Invalidate(t.Context(), "key"))
		if v, ok := after.holds("key"); ok {
			t.Fatalf("the invalidation left %v", v)
		}
	})
}

// G11: the timer goes off once while there is nothing to sweep.
func TestSweeperOutlivesAStorageThatIsNotSwept(t *testing.T) {
	bubble(t, func(t *testing.T) {
		live := mutable(minuteAndHour...)
		f := memoize.Must(memoize.Memoize(returning[string](1).load, live))
		wants(t, 1)(f.Call(t.Context(), "key"))
		noError(t, live.Apply(config.Storage[string, int](&mockStorage[string, int]{})))
		wants(t, 1)(f.Call(t.Context(), "key"))
		time.Sleep(2 * time.Hour)
		noError(t, live.Apply(config.Storage[string, int](storage.NewInMemory[string, int]())))
		wants(t, 1)(f.Call(t.Context(), "key"))
		settled(t, f)
		for _, want := range []int{1, 0} {
			time.Sleep(time.Hour / 2)
			synctest.Wait()
			if n := f.Len(); n != want {
				t.Fatalf("%d entries are held, want %d", n, want)
			}
		}
	})
}

// G9: what is not known of one storage says nothing of another.
func TestDoubtBelongsToItsStorage(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var broken atomic.Bool
		one := &mockStorage[string, int]{free: func(context.Context, string) error {
			if broken.Load() {
				return errStore
			}
			return nil
		}}
		two := &mockStorage[string, int]{}
		live := mutable(with(config.Storage[string, int](one))...)
		source := returning[string](1)
		f := memoize.Must(memoize.Memoize(source.load, live, config.Logger(discardLog)))
		wants(t, 1)(f.Call(t.Context(), "key"))
		settled(t, f)
		broken.Store(true)
		if err := f.Invalidate(t.Context(), "key"); !errors.Is(err, memoize.ErrUnavailable) {
			t.Fatalf("got %v, want ErrUnavailable", err)
		}
		for _, what := range []string{"after the release failed", "after a change of something else"} {
			if f.Has(t.Context(), "key") {
				t.Fatalf("%s the key is served, though it is in doubt", what)
			}
			noError(t, live.Apply(config.MethodTimeout(time.Minute)))
		}
		two.stored.Store("key", entry.New(2, entry.At(time.Now()), entry.Life{UpdateAfter: time.Minute, ExpireAfter: time.Hour}))
		noError(t, live.Apply(config.Storage[string, int](two)))
		wants(t, 2)(f.Call(t.Context(), "key"))
		wantCalls(t, source, 1)
	})
}

// kept is a storage in memory that can't be cleared, so that it comes into force
// with what it holds.
type kept struct {
	in *storage.InMemory[string, int]
}

func (s *kept) Get(ctx context.Context, key string) (*entry.Entry[int], error) {
	return s.in.Get(ctx, key)
}
func (s *kept) Offer(ctx context.Context, key string, e *entry.Entry[int]) error {
	return s.in.Offer(ctx, key, e)
}
func (s *kept) Release(ctx context.Context, key string) error { return s.in.Release(ctx, key) }
func (s *kept) Range(ctx context.Context) iter.Seq2[string, *entry.Entry[int]] {
	return s.in.Range(ctx)
}
func (s *kept) Len() int       { return s.in.Len() }
func (s *kept) AnswersAtOnce() {}

// G11: a strategy that stays in force when the storage changes knows the keys of
// the new one and none of the old one.
func TestCapacityHoldsAcrossASwapOfTheStorage(t *testing.T) {
	t.Run("forgets", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			live := mutable(with(config.Capacity(2))...)
			f := memoize.Must(memoize.Memoize(returning[string](1).load, live))
			for _, keys := range []string{"ab", "cd", "ef"} {
				for _, key := range keys {
					wants(t, 1)(f.Call(t.Context(), string(key)))
				}
				settled(t, f)
				if s := f.Stats(); s.Entries != 2 || s.Evicted != 0 {
					t.Fatalf("%d entries are held, %d were evicted; want 2 and none", s.Entries, s.Evicted)
				}
				noError(t, live.Apply(config.Storage[string, int](storage.NewInMemory[string, int]())))
			}
		})
	})
	t.Run("learns", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			live := mutable(with(config.Evict(eviction.LeastRecentlyUpdated[string](2)))...)
			f := memoize.Must(memoize.Memoize(returning[string](1).load, live))
			next := &kept{storage.NewInMemory[string, int]()}
			for i := range 5 {
				now := entry.At(time.Now()).Add(time.Duration(i))
				noError(t, next.Offer(t.Context(), fmt.Sprint(i), entry.New(i, now, entry.Life{UpdateAfter: time.Minute, ExpireAfter: time.Hour})))
			}
			noError(t, live.Apply(config.Storage[string, int](next)))
			if f.Len() != 2 || !f.Has(t.Context(), "3") || !f.Has(t.Context(), "4") {
				t.Fatalf("%d entries are held, want the two that were written last", f.Len())
			}
		})
	})
}

// Configurations.

// Parts that == panics on: one by its type, one by what it holds.
type (
	slicedStorage struct {
		*mockStorage[string, int]
		tags []string
	}
	slicedStrategy struct {
		*mockStrategy[string]
		tags any
	}
)

// Parts are compared with those before them, so they must be comparable.
func TestUncomparablePartsAreRefused(t *testing.T) {
	for name, part := range map[string]config.Option{
		"storage":  config.Storage[string, int](slicedStorage{&mockStorage[string, int]{}, nil}),
		"strategy": config.Evict[string](slicedStrategy{&mockStrategy[string]{}, []string{"a"}}),
	} {
		t.Run(name, func(t *testing.T) {
			refused := func(err error) {
				t.Helper()
				if err == nil || !strings.Contains(err.Error(), "sliced") || !strings.Contains(err.Error(), "give a pointer to it") {
					t.Fatalf("got %v, want an error that says what to do", err)
				}
			}
			refused(config.InMemory[string, int](part).Snapshot().Validate())
			_, err := memoize.New(returning[string](1).load, part)
			refused(err)
			live := mutable()
			f := memoize.Must(memoize.Memoize(returning[string](1).load, live))
			refused(live.Apply(part))
			wants(t, 1)(f.Call(t.Context(), "key"))
			noError(t, f.Close(t.Context()))
		})
	}
}

// turning is a configuration of one's own. Its hook runs once, between the
// moment at which a snapshot is read and that at which it is returned.
type turning struct {
	current atomic.Pointer[config.Settings[string, string, int]]
	hook    atomic.Pointer[func()]
}

func (c *turning) Snapshot() *config.Settings[string, string, int] {
	s := c.current.Load()
	if hook := c.hook.Swap(nil); hook != nil {
		(*hook)()
	}
	return s
}

// A call that has read settings may be overtaken by one that reads newer ones
// and puts them in force.
func TestOlderSnapshotIsNotAdoptedAfterANewerOne(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var seen journal
		older, newer := storage.NewInMemory[string, int](), storage.NewInMemory[string, int]()
		c := &turning{}
		c.current.Store(config.InMemory[string, int]().Snapshot())
		f := memoize.Must(memoize.Memoize(returning[string](1).load, c,
			config.Observe(observe.Func(func(_ context.Context, e observe.Event) { seen.add("%v", e.Kind) }))))
		c.current.Store(config.InMemory[string, int](config.Storage(older)).Snapshot())
		overtake := func() {
			c.current.Store(config.InMemory[string, int](config.Storage(newer)).Snapshot())
			wants(t, 1)(f.Call(t.Context(), "other"))
		}
		c.hook.Store(&overtake)
		wants(t, 1)(f.Call(t.Context(), "key"))
		settled(t, f)
		if older.Len() != 0 || newer.Len() != 2 {
			t.Fatalf("%d entries are in the older storage and %d in the newer, want 0 and 2", older.Len(), newer.Len())
		}
		seen.exactly(t, "configuration changed", 1)
	})
}

// hookedMemory is a storage in memory with a hook that is called when it is
// cleared, which is when it comes into force.
type hookedMemory struct {
	*storage.InMemory[string, int]
	hook func()
}

func (s *hookedMemory) Clear(ctx context.Context) error {
	s.hook()
	return s.InMemory.Clear(ctx)
}

// Of two changes that come at once the later one is in force in the end, and
// the parts of the other are free.
func TestApplyThatIsOvertakenChangesNothing(t *testing.T) {
	bubble(t, func(t *testing.T) {
		live := mutable(minuteAndHour...)
		source := returning[string](1)
		f := memoize.Must(memoize.Memoize(source.load, live))
		later := storage.NewInMemory[string, int]()
		earlier := &hookedMemory{storage.NewInMemory[string, int](), func() {
			noError(t, live.Apply(config.Storage[string, int](later)))
			wants(t, 1)(f.Call(t.Context(), "key"))
			settled(t, f)
		}}
		noError(t, live.Apply(config.Storage[string, int](earlier)))
		wants(t, 1)(f.Call(t.Context(), "key"))
		settled(t, f)
		wantCalls(t, source, 1)
		if earlier.Len() != 0 || later.Len() != 1 {
			t.Fatalf("%d entries are in the earlier storage and %d in the later, want 0 and 1", earlier.Len(), later.Len())
		}
		_, err := memoize.New(returning[string](1).load, config.Name("another"), config.Storage[string, int](earlier))
		noError(t, err)
	})
}

// G7: user code that panics while a change is made leaves no lock behind.
func TestChangesGoOnAfterAPanicInOne(t *testing.T) {
	for name, c := range map[string]struct{ panics, change string }{
		"storage that comes into force":  {"clear", "storage"},
		"strategy that comes into force": {"written", "strategy"},
		"strategy that names a key":      {"next", "strategy"},
		"strategy that stays":            {"released", "storage"},
		"observer":                       {"configuration changed", "storage"},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				var armed atomic.Bool
				hook := func(what string) {
					if what == c.panics && armed.Load() {
						panic("boom")
					}
				}
				live := mutable(with(config.Evict[string](&mockStrategy[string]{hook: hook}))...)
				f := memoize.Must(memoize.Memoize(returning[string](1).load, live, config.Logger(discardLog),
					config.Observe(observe.Func(func(_ context.Context, e observe.Event) { hook(e.Kind.String()) }))))
				wants(t, 1)(f.Call(t.Context(), "key"))
				settled(t, f)
				changes := map[string]config.Option{
					"storage":  config.Storage[string, int](&hookedMemory{storage.NewInMemory[string, int](), func() { hook("clear") }}),
					"strategy": config.Evict[string](&mockStrategy[string]{hook: hook}),
				}
				armed.Store(true)
				noError(t, live.Apply(changes[c.change]))
				armed.Store(false)
				noError(t, live.Apply(config.Storage[string, int](storage.NewInMemory[string, int]()), config.Capacity(1)))
				for _, key := range []string{"a", "b"} {
					wants(t, 1)(f.Call(t.Context(), key))
				}
				settled(t, f)
				if f.Len() != 1 || !f.Has(t.Context(), "b") {
					t.Fatalf("%d entries are held, want that of b", f.Len())
				}
				noError(t, f.Close(t.Context()))
			})
		})
	}
}

// G11: what hands the right to invalidate on does not keep the function alive,
// and its parts may serve another once it is gone.
func TestG11DroppedFunctionIsCollected(t *testing.T) {
	var support invalidation.Support[int]
	source := returning[int](1)
	parts := []config.Option{
		config.InvalidatedBy(&support),
		config.Storage(storage.NewInMemory[int, int]()),
		config.Evict(eviction.LeastRecentlyUpdated[int](10)),
		config.UpdateStatuses(statuses.NewInMemory[int, int](0, nil)),
		config.Clock(clock.NewMock()), // a stopped timer of the runtime's keeps what it would have called for a while
	}
	func() {
		f := memoize.Must(memoize.New(source.load, parts...))
		wants(t, 1)(f.Call(t.Context(), 1))
		noError(t, f.Wait(t.Context()))
	}()
	var err error
	for range 50 {
		runtime.GC()
		runtime.Gosched()
		var f *memoize.Func[int, int]
		if f, err = memoize.New(source.load, parts...); err == nil {
			noError(t, support.Invalidate(t.Context(), 1))
			noError(t, f.Close(t.Context()))
			return
		}
	}
	t.Errorf("nobody holds the function, and its parts still serve it: %v", err)
}
