package memoize_test

import (
	"context"
	"errors"
	"runtime"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/perennial-go/perennial/config"
	"github.com/perennial-go/perennial/entry"
	"github.com/perennial-go/perennial/eviction"
	"github.com/perennial-go/perennial/memoize"
	"github.com/perennial-go/perennial/observe"
	"github.com/perennial-go/perennial/storage"
)

// Changes of the configuration amid something else.

// G4: a write that was left may arrive after the storage has been out of force.
func TestDoubtOutlivesAStorageOutOfForce(t *testing.T) {
	bubble(t, func(t *testing.T) {
		hold := make(chan struct{})
		slow := false
		one := &mockStorage[string, int]{offer: func(context.Context, string) error {
			if slow {
				<-hold
			}
			return nil
		}}
		live := mutable(with(config.Storage[string, int](one))...)
		source := returning[string](1)
		f := memoize.Must(memoize.Memoize(source.load, live, config.Logger(discardLog)))
		slow = true
		wants(t, 1)(f.Call(t.Context(), "key")) // its write is left at the budget
		settled(t, f)
		slow = false
		noError(t, live.Apply(config.Storage[string, int](&mockStorage[string, int]{})))
		noError(t, live.Apply(config.Storage[string, int](one)))
		source.returns(2)
		noError(t, f.Invalidate(t.Context(), "key"))
		close(hold) // the write arrives
		time.Sleep(time.Millisecond)
		wants(t, 2)(f.Call(t.Context(), "key"))
	})
}

// A Set that a change of the storage overtakes takes place under the new one.
func TestSetIsNotLostToAChangeOfTheStorage(t *testing.T) {
	for name, when := range map[string]int{"before the key": 1, "while it stores": 2} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				after := storage.NewInMemory[string, int]()
				var live *config.Live[string, string, int]
				change := func(at int) {
					if when == at {
						when = 0
						noError(t, live.Apply(config.Storage[string, int](after)))
						after.Put("key", 1, entry.At(time.Now()), entry.Never, entry.Never, nil)
					}
				}
				before := &mockStorage[string, int]{offer: func(context.Context, string) error { change(2); return nil }}
				live = mutable(with(config.Storage[string, int](before), config.Keys[string, string](config.KeyOf(func(key string) string {
					change(1)
					return key
				})))...)
				f := memoize.Must(memoize.Memoize(returning[string](3).load, live, config.Logger(discardLog)))
				noError(t, f.Set(t.Context(), "key", 2))
				if v, err := f.Call(t.Context(), "key"); err != nil || v == 1 {
					t.Fatalf("after Set(2) a call got %v, %v", v, err)
				}
				if stored, _ := after.Get(t.Context(), "key"); stored == nil {
					t.Fatal("nothing is stored where calls look")
				}
			})
		})
	}
}

// Touch of an entry that a change has put out of force touches nothing.
func TestTouchUnderAChangeOfTheStorage(t *testing.T) {
	bubble(t, func(t *testing.T) {
		change := false
		var live *config.Live[string, string, int]
		live = mutable(with(config.Keys[string, string](config.KeyOf(func(key string) string {
			if change {
				change = false
				noError(t, live.Apply(config.Storage[string, int](storage.NewInMemory[string, int]())))
			}
			return key
		})))...)
		f := memoize.Must(memoize.Memoize(returning[string](1).load, live, config.Logger(discardLog)))
		wants(t, 1)(f.Call(t.Context(), "key"))
		change = true
		if ok, err := f.Touch(t.Context(), "key"); ok || err != nil {
			t.Fatalf("got %v, %v; want false, the storage in force is empty", ok, err)
		}
	})
}

// explosive panics when it is checked.
type explosive struct{ entry.LifeSpan[string, int] }

func (*explosive) Validate() error { panic("boom") }

// turned is a configuration of one's own.
type turned struct {
	snapshot func() *config.Settings[string, string, int]
}

func (c *turned) Snapshot() *config.Settings[string, string, int] { return c.snapshot() }

// G7: a configuration of one's own that panics leaves the one before in force.
func TestPanicOfAConfigurationLeavesTheLastInForce(t *testing.T) {
	good := config.InMemory[string, int]().Snapshot()
	bad := *good
	bad.Builder = new(explosive)
	for name, snapshot := range map[string]func() *config.Settings[string, string, int]{
		"in Snapshot":        func() *config.Settings[string, string, int] { panic("boom") },
		"in a part's checks": func() *config.Settings[string, string, int] { return &bad },
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				settings := *config.InMemory[string, int]().Snapshot()
				c := &turned{func() *config.Settings[string, string, int] { return &settings }}
				var told error
				f := memoize.Must(memoize.Memoize(returning[string](1).load, c, config.Observe(observe.Func(func(_ context.Context, e observe.Event) {
					if e.Kind == observe.ConfigRejected {
						told = e.Err
					}
				}))))
				c.snapshot = snapshot
				for _, key := range []string{"a", "b", "a"} {
					wants(t, 1)(f.Call(t.Context(), key))
				}
				if p := (*memoize.PanicError)(nil); !errors.As(told, &p) {
					t.Errorf("the observer was told %v, want the panic", told)
				}
				noError(t, f.Close(t.Context()))
			})
		})
	}
}

// An older snapshot that a newer one overtakes while it is put in force does not
// come into force.
func TestOvertakenSnapshotIsNotPutInForce(t *testing.T) {
	bubble(t, func(t *testing.T) {
		c := &turned{}
		settings := config.InMemory[string, int]().Snapshot()
		c.snapshot = func() *config.Settings[string, string, int] { return settings }
		changes := 0
		f := memoize.Must(memoize.Memoize(returning[string](1).load, c, config.Observe(observe.Func(func(_ context.Context, e observe.Event) {
			if e.Kind == observe.ConfigChanged {
				changes++
			}
		}))))
		newer := config.InMemory[string, int]().Snapshot()
		older := &hookedMemory{storage.NewInMemory[string, int](), func() {
			settings = newer
			wants(t, 1)(f.Call(t.Context(), "key"))
		}}
		settings = config.InMemory[string, int](config.Storage[string, int](older)).Snapshot()
		wants(t, 1)(f.Call(t.Context(), "key"))
		settled(t, f)
		if changes != 1 || older.Len() != 0 {
			t.Errorf("%d changes, %d entries in the older storage; want 1 and 0", changes, older.Len())
		}
	})
}

// G11: an observer that ends the sweep's goroutine does not end sweeping.
func TestSweepGoesOnAfterAGoexit(t *testing.T) {
	bubble(t, func(t *testing.T) {
		f := memoize.Must(memoize.New(returning[int](1).load,
			config.Builder(entry.BuilderFunc[int, int](func(key, v int, now entry.Instant) *entry.Entry[int] {
				return entry.New(v, now, entry.Life{ExpireAfter: time.Duration(key) * time.Minute})
			})),
			config.Observe(observe.Func(func(_ context.Context, e observe.Event) {
				if e.Kind == observe.Dropped {
					runtime.Goexit()
				}
			}))))
		for _, minutes := range []int{1, 60} {
			wants(t, 1)(f.Call(t.Context(), minutes))
		}
		time.Sleep(2 * time.Hour)
		if f.Len() != 0 {
			t.Errorf("%d entries are held an hour after the last has expired", f.Len())
		}
	})
}

// Of Sets that come at once one value stays.
func TestSetsAtOnceKeepOne(t *testing.T) {
	const rounds = 20_000
	f := memoize.Must(memoize.New(returning[int](-1).load, config.Capacity(rounds)))
	lost := 0
	for key := range rounds {
		var wg sync.WaitGroup
		for range 2 {
			wg.Go(func() {
				if err := f.Set(t.Context(), key, key); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if !f.Has(t.Context(), key) {
			lost++
		}
	}
	if lost > 0 {
		t.Errorf("of %d keys that were set twice at once %d hold nothing: %+v", rounds, lost, f.Stats())
	}
	noError(t, f.Close(t.Context()))
}

// emptied is a strategy that lets the test in when it is emptied.
type emptied struct {
	eviction.Strategy[string]
	reset func()
}

func (s *emptied) Reset() { s.reset() }

// What comes into force is emptied by one change alone: by a second, the strategy
// would forget what the first has told it of. A call does not wait for it.
func TestStrategyIsEmptiedOnce(t *testing.T) {
	bubble(t, func(t *testing.T) {
		live := mutable(with()...)
		f := memoize.Must(memoize.Memoize(returning[string](1).load, live, config.Logger(discardLog)))
		for _, key := range []string{"a", "b", "c", "d"} {
			wants(t, 1)(f.Call(t.Context(), key))
		}
		hold, resets := make(chan struct{}), 0
		strategy := &emptied{eviction.FirstInFirstOut[string](2), func() { resets++; <-hold }}
		applied := make(chan error)
		go func() { applied <- live.Apply(config.Evict[string](strategy)) }()
		synctest.Wait()
		wants(t, 1)(f.Call(t.Context(), "a"))
		if resets != 1 || f.Len() != 4 {
			t.Fatalf("while it is emptied: %d resets, %d entries", resets, f.Len())
		}
		close(hold)
		noError(t, <-applied)
		wants(t, 1)(f.Call(t.Context(), "d"))
		settled(t, f)
		if resets != 1 || f.Len() != 2 {
			t.Fatalf("%d resets, %d entries are held of 2 that may be", resets, f.Len())
		}
	})
}
