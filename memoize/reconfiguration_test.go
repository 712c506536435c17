package memoize_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/perennial-go/perennial/config"
	"github.com/perennial-go/perennial/eviction"
	"github.com/perennial-go/perennial/memoize"
	"github.com/perennial-go/perennial/storage"
)

// G10: a load ends under the configuration that it began with.
func TestStorageSwappedWhileALoadRuns(t *testing.T) {
	bubble(t, func(t *testing.T) {
		before, after := storage.NewInMemory[string, int](), storage.NewInMemory[string, int]()
		live := mutable(with(config.Storage(before))...)
		source := returning[string](1)
		open := source.holds()
		f := memoize.Must(memoize.Memoize(source.load, live))
		finish := begin(1, func() (int, error) { return f.Call(t.Context(), "key") })
		noError(t, live.Apply(config.Storage(after)))
		open()
		allWant(t, 1, finish())
		settled(t, f)
		if got, _ := before.Get(t.Context(), "key"); got == nil || got.Value != 1 {
			t.Fatalf("the storage that the load began with holds %v, want its value", got)
		}
		if after.Len() != 0 {
			t.Fatal("the load wrote to a storage that was not in force when it began")
		}
		source.returns(2)
		wants(t, 2)(f.Call(t.Context(), "key")) // a later call sees the new one
		if got, _ := after.Get(t.Context(), "key"); got == nil || got.Value != 2 {
			t.Fatalf("the storage in force holds %v, want the later value", got)
		}
	})
}

// G10: a background refresh sees the snapshot of the call that started it.
func TestStorageSwappedWhileARefreshRuns(t *testing.T) {
	bubble(t, func(t *testing.T) {
		before, after := storage.NewInMemory[string, int](), storage.NewInMemory[string, int]()
		live := mutable(with(config.Storage(before))...)
		source := returning[string](1)
		f := memoize.Must(memoize.Memoize(source.load, live))
		wants(t, 1)(f.Call(t.Context(), "key"))
		time.Sleep(2 * time.Minute)
		source.returns(2)
		open := source.holds()
		wants(t, 1)(f.Call(t.Context(), "key"))
		synctest.Wait()
		noError(t, live.Apply(config.Storage(after)))
		open()
		settled(t, f)
		if got, _ := before.Get(t.Context(), "key"); got == nil || got.Value != 2 {
			t.Fatalf("the storage that the refresh began with holds %v, want its value", got)
		}
		if after.Len() != 0 {
			t.Fatal("the refresh wrote to a storage that was not in force when it began")
		}
	})
}

// G4, G10: invalidation reaches the storages of every snapshot in use, so that
// an old one that comes back does not bring the value back.
func TestInvalidationReachesStoragesOfLoadsThatRun(t *testing.T) {
	bubble(t, func(t *testing.T) {
		before := &mockStorage[string, int]{}
		after := storage.NewInMemory[string, int]()
		live := mutable(with(config.Storage[string, int](before))...)
		source := returning[string](1)
		f := memoize.Must(memoize.Memoize(source.load, live))
		wants(t, 1)(f.Call(t.Context(), "key"))
		settled(t, f)
		open := source.holds()
		finish := begin(1, func() (int, error) { return f.Call(t.Context(), "other") })
		noError(t, live.Apply(config.Storage(after)))
		noError(t, f.Invalidate(t.Context(), "key"))
		if got, ok := before.holds("key"); ok {
			t.Fatalf("the storage of a load that runs still holds %v", got)
		}
		open()
		allWant(t, 1, finish())
	})
}

func TestTimeoutAndLifeChangeForTheNextCall(t *testing.T) {
	bubble(t, func(t *testing.T) {
		live := mutable(with(config.MethodTimeout(time.Minute))...)
		source := returning[string](1)
		source.takes = 10 * time.Second
		f := memoize.Must(memoize.Memoize(source.load, live))
		finish := begin(1, func() (int, error) { return f.Call(t.Context(), "before") })
		noError(t, live.Apply(config.MethodTimeout(time.Second), config.UpdateAfter(time.Hour), config.ExpireAfter(2*time.Hour)))
		_, err := f.Call(t.Context(), "after")
		loadError(t, err, memoize.TimedOut, memoize.ErrLoadTimeout)
		allWant(t, 1, finish()) // under the timeout that it began with
		time.Sleep(time.Hour)
		if f.Has(t.Context(), "before") {
			t.Fatal("a value has another life than that of its snapshot")
		}
		if !f.Has(t.Context(), "after") {
			t.Fatal("the late value is not there, or has not the new life")
		}
	})
}

// All the options take effect, or none does.
func TestApplyAllOrNothing(t *testing.T) {
	bubble(t, func(t *testing.T) {
		live := mutable(minuteAndHour...)
		f := memoize.Must(memoize.Memoize(returning[string](1).load, live))
		was := live.Snapshot()
		err := live.Apply(config.Configured(false), config.MethodTimeout(-1), config.Capacity(-1))
		if err == nil || !strings.Contains(err.Error(), "Capacity is -1") {
			t.Fatalf("got %v, want the faults", err)
		}
		if live.Snapshot() != was {
			t.Fatal("a change that was refused is in force")
		}
		wants(t, 1)(f.Call(t.Context(), "key"))

		// A part that a function can't put in force refuses the change too.
		taken := storage.NewInMemory[string, int]()
		memoize.Must(memoize.New(returning[string](1).load, config.Storage(taken)))
		err = live.Apply(config.Configured(false), config.Storage(taken))
		if err == nil || live.Snapshot() != was {
			t.Fatalf("a storage that serves another function was put in force: %v", err)
		}
		wants(t, 1)(f.Call(t.Context(), "key"))
	})
}

func TestConfiguredAndBypassAreSwitches(t *testing.T) {
	bubble(t, func(t *testing.T) {
		live := mutable(minuteAndHour...)
		source := returning[string](1)
		f := memoize.Must(memoize.Memoize(source.load, live))
		wants(t, 1)(f.Call(t.Context(), "key"))
		source.returns(2)
		noError(t, live.Apply(config.Bypass(true)))
		wants(t, 2)(f.Call(t.Context(), "key"))
		wants(t, 2)(f.Call(t.Context(), "key"))
		wantCalls(t, source, 3)
		noError(t, live.Apply(config.Bypass(false)))
		wants(t, 1)(f.Call(t.Context(), "key")) // the cache was not touched
		noError(t, live.Apply(config.Configured(false)))
		if _, err := f.Call(t.Context(), "key"); !errors.Is(err, memoize.ErrNotConfigured) {
			t.Fatalf("got %v, want ErrNotConfigured", err)
		}
		noError(t, live.Apply(config.Configured(true)))
		wants(t, 1)(f.Call(t.Context(), "key"))
	})
}

// G11: a strategy that comes into force learns of what is held.
func TestStrategySwappedShrinks(t *testing.T) {
	bubble(t, func(t *testing.T) {
		live := mutable(minuteAndHour...)
		f := memoize.Must(memoize.Memoize(returning[string](1).load, live))
		for i := range 10 {
			wants(t, 1)(f.Call(t.Context(), fmt.Sprint(i)))
			time.Sleep(time.Millisecond)
		}
		noError(t, live.Apply(config.Evict(eviction.LeastRecentlyUpdated[string](3))))
		if f.Len() != 3 {
			t.Fatalf("%d entries are held, want 3", f.Len())
		}
		for i := range 10 {
			if has := f.Has(t.Context(), fmt.Sprint(i)); has != (i >= 7) {
				t.Errorf("key %d is there: %v, want the three that were written last", i, has)
			}
		}
		wants(t, 1)(f.Call(t.Context(), "one more"))
		settled(t, f)
		if f.Len() != 3 || f.Has(t.Context(), "7") {
			t.Fatalf("%d entries are held, the oldest among them: %v; want 3 without it", f.Len(), f.Has(t.Context(), "7"))
		}
	})
}

// A storage in memory that comes back holds nothing from before.
func TestStorageComesBackEmpty(t *testing.T) {
	bubble(t, func(t *testing.T) {
		one, two := storage.NewInMemory[string, int](), storage.NewInMemory[string, int]()
		live := mutable(with(config.Storage(one))...)
		source := returning[string](1)
		f := memoize.Must(memoize.Memoize(source.load, live))
		wants(t, 1)(f.Call(t.Context(), "key"))
		source.returns(2)
		noError(t, live.Apply(config.Storage(two)))
		noError(t, live.Apply(config.Storage(one)))
		wants(t, 2)(f.Call(t.Context(), "key"))
	})
}
