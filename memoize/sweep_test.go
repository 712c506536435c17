package memoize_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
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

// looked is a storage in memory that writes down when its entries are gone
// through, in the order of their keys, and takes its time for each.
type looked struct {
	*storage.InMemory[string, int]
	journal
	began time.Time
	takes atomic.Int64                     // nanoseconds for each
	seen  atomic.Pointer[func(key string)] // called before an entry is yielded
	stuck atomic.Bool                      // nothing can be dropped
}

func newLooked() *looked {
	return &looked{InMemory: storage.NewInMemory[string, int](), began: time.Now()}
}

func (s *looked) Range(ctx context.Context) iter.Seq2[string, *entry.Entry[int]] {
	return func(yield func(string, *entry.Entry[int]) bool) {
		s.add("%v", time.Since(s.began))
		held := maps.Collect(s.InMemory.Range(ctx))
		for _, key := range slices.Sorted(maps.Keys(held)) {
			time.Sleep(time.Duration(s.takes.Load()))
			if seen := s.seen.Load(); seen != nil {
				(*seen)(key)
			}
			if !yield(key, held[key]) {
				return
			}
		}
	}
}

func (s *looked) Release(ctx context.Context, key string) error {
	if s.stuck.Load() {
		return errOutage
	}
	return s.InMemory.Release(ctx, key)
}

// since are the sweeps since it was last asked.
func (s *looked) since(t *testing.T, want ...string) {
	t.Helper()
	if got := s.all(); !slices.Equal(got, want) {
		t.Errorf("sweeps came at %v, want %v", got, want)
	}
	s.reset()
}

// lives makes a function whose values live as long as their keys say.
func lives(t *testing.T, s storage.Storage[string, int], opts ...config.Option) *memoize.Func[string, int] {
	t.Helper()
	f, err := memoize.New(returning[string](1).load, append([]config.Option{
		config.Name("lives"), config.Storage(s), config.Logger(discardLog),
		config.Builder(entry.BuilderFunc[string, int](func(key string, v int, now entry.Instant) *entry.Entry[int] {
			life, err := time.ParseDuration(key)
			if err != nil {
				panic(err)
			}
			return entry.New(v, now, entry.Life{UpdateAfter: life, ExpireAfter: life})
		})),
	}, opts...)...)
	noError(t, err)
	t.Cleanup(func() { _ = f.Close(context.Background()) })
	return f
}

func calls(t *testing.T, f *memoize.Func[string, int], keys ...string) {
	t.Helper()
	for _, key := range keys {
		wants(t, 1)(f.Call(t.Context(), key))
	}
	settled(t, f)
}

// A sweep comes when the first entry ends, and costs no more than a hundredth of
// the time where it looks at entries that stay.
func TestSweepsComeForTheNearestEnd(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := newLooked()
		f := lives(t, s)
		s.reset()
		s.takes.Store(int64(10 * time.Millisecond))
		calls(t, f, "1h", "10m", "1m", "1m1s")
		time.Sleep(time.Minute - 1)
		s.since(t)
		if f.Len() != 4 {
			t.Errorf("%d entries before the first end", f.Len())
		}
		time.Sleep(41 * time.Millisecond) // four entries, of which two stay for long
		s.since(t, "1m0s")
		if s := f.Stats(); s.Expired != 1 || f.Len() != 3 {
			t.Errorf("after the first end: %d entries, %d are counted as expired", f.Len(), s.Expired)
		}
		time.Sleep(5 * time.Minute)
		s.since(t, "1m2.04s") // 2 s, for half of 40 ms, after the sweep before
		time.Sleep(time.Hour)
		s.since(t, "10m0s", "1h0m0s") // and none while nothing is held
		if s := f.Stats(); s.Expired != 4 || f.Len() != 0 {
			t.Errorf("in the end: %d entries, %d are counted as expired", f.Len(), s.Expired)
		}
	})
}

// Where a sweep has found nothing that goes, all of its time was spent on what stays.
func TestSweepOfWhatStaysIsFollowedByRest(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := newLooked()
		f := lives(t, s)
		s.reset()
		s.takes.Store(int64(10 * time.Millisecond))
		calls(t, f, "1m", "1h")
		noError(t, f.Invalidate(t.Context(), "1m"))
		time.Sleep(time.Minute + 11*time.Millisecond)
		calls(t, f, "1ms")
		time.Sleep(time.Minute)
		s.since(t, "1m0s", "1m1.01s")
		if f.Len() != 1 {
			t.Errorf("%d entries", f.Len())
		}
	})
}

// What a sweep spends on what goes is work done once, so that only as much time
// passes as it took.
func TestSweepOfWhatGoesRestsForItsTime(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := newLooked()
		f := lives(t, s)
		s.reset()
		s.takes.Store(int64(10 * time.Millisecond))
		calls(t, f, "1m")
		time.Sleep(time.Minute + 11*time.Millisecond)
		calls(t, f, "2ms")
		time.Sleep(time.Second)
		s.since(t, "1m0s", "1m0.02s")
		calls(t, f, "2ms") // long after, it comes when it is due
		time.Sleep(time.Second)
		s.since(t, "1m1.013s")
	})
}

// What expires while a sweep works goes too, and needs no other one.
func TestSweepSeesTheTimePass(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := newLooked()
		f := lives(t, s)
		s.reset()
		calls(t, f, "1m")
		for i := range 128 {
			calls(t, f, fmt.Sprintf("1m30.%03ds", i))
		}
		s.takes.Store(int64(time.Second))
		time.Sleep(time.Minute + 129*time.Second + 1)
		if f.Len() != 62 { // the first goes, and those from the 64th on
			t.Errorf("%d entries are left after a sweep of 129", f.Len())
		}
		s.takes.Store(0)
		time.Sleep(2 * time.Hour)
		if f.Len() != 0 {
			t.Errorf("%d entries are left in the end", f.Len())
		}
	})
}

// A sweep drops what has expired, and not what has taken its place since it was
// looked at, nor what is gone.
func TestSweepDropsWhatItHasSeen(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := newLooked()
		var dropped journal
		f := lives(t, s, config.Observe(observe.Func(func(_ context.Context, e observe.Event) {
			if e.Kind == observe.Dropped {
				dropped.add("%s", e.Key)
			}
		})))
		calls(t, f, "1m", "60s", "3600s", "60000ms")
		changes := func(key string) {
			switch key {
			case "1m":
				noError(t, f.Set(t.Context(), key, 2))
			case "60s":
				noError(t, f.Invalidate(t.Context(), key))
			}
		}
		s.seen.Store(&changes)
		time.Sleep(time.Minute)
		synctest.Wait()
		s.seen.Store(nil)
		if got := dropped.all(); !slices.Equal(got, []string{`"60000ms"`}) || f.Stats().Expired != 1 {
			t.Errorf("%q were dropped, %d are counted", got, f.Stats().Expired)
		}
		wants(t, 2)(f.Call(t.Context(), "1m"))
		if f.Len() != 2 {
			t.Errorf("%d entries, want that which was set and that which lives on", f.Len())
		}
	})
}

// A storage that can't drop an entry keeps it, and the observer may mend that for
// the key that it is told of. User code that panics in a sweep is counted, and
// another sweep comes a second later.
func TestSweepWithFaultyParts(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := newLooked()
		var told journal
		var f *memoize.Func[string, int]
		f = lives(t, s, config.Observe(observe.Func(func(ctx context.Context, e observe.Event) {
			switch e.Kind {
			case observe.StoreFault:
				s.stuck.Store(false)
				noError(t, f.Invalidate(ctx, "1m"))
				told.add("%s can't be dropped: %v", e.Key, errors.Is(e.Err, errOutage))
			case observe.Panicked, observe.Dropped:
				told.add("%v %s", e.Kind, e.Key)
			}
		})))
		calls(t, f, "1m", "2m", "1h")
		s.reset()
		s.stuck.Store(true)
		time.Sleep(time.Minute)
		synctest.Wait()
		if f.Stats().Expired != 0 || f.Stats().StoreFaults != 1 || f.Len() != 2 {
			t.Errorf("%+v", f.Stats())
		}
		panics := func(string) { panic("oops") }
		s.seen.Store(&panics)
		time.Sleep(time.Minute)
		synctest.Wait()
		s.seen.Store(nil)
		time.Sleep(time.Second)
		synctest.Wait()
		s.since(t, "1m0s", "2m0s", "2m1s")
		if got := told.all(); !slices.Equal(got, []string{`"1m" can't be dropped: true`, "panicked ", `dropped "2m"`}) {
			t.Errorf("told: %q", got)
		}
		if s := f.Stats(); s.Panics != 1 || s.Expired != 1 {
			t.Errorf("%d panics, %d expired", s.Panics, s.Expired)
		}
	})
}

// An expired entry that is swept while its key is loaded does not keep the value out.
func TestSweepFencesNoLoad(t *testing.T) {
	bubble(t, func(t *testing.T) {
		source := returning[string](1)
		f := memoize.Must(memoize.New(source.load, with(config.Logger(discardLog))...))
		calls(t, f, "key")
		source.returns(2)
		time.Sleep(time.Hour - time.Second)
		open := source.holds()
		finish := begin(1, func() (int, error) { return f.Refresh(t.Context(), "key") })
		time.Sleep(2 * time.Second)
		synctest.Wait()
		if f.Len() != 0 {
			t.Errorf("%d entries are held after their end", f.Len())
		}
		open()
		allWant(t, 2, finish())
		settled(t, f)
		if s := f.Stats(); s.Fenced != 0 || !f.Has(t.Context(), "key") {
			t.Errorf("the value was not stored: %d fenced", s.Fenced)
		}
		noError(t, f.Close(t.Context()))
	})
}

// A function that is closed sweeps no more.
func TestNoSweepAfterClose(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := newLooked()
		f := lives(t, s)
		calls(t, f, "1m")
		s.reset()
		noError(t, f.Close(t.Context()))
		time.Sleep(time.Hour)
		s.since(t)
	})
}

// A sweep that overlaps a change of the storage leaves it free for others in the end.
func TestSweptStorageIsFreeAfterAChange(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s, strategy := storage.NewInMemory[string, int](), eviction.FirstInFirstOut[string](5)
		live := mutable(with(config.Storage(s), config.Evict(strategy))...)
		f := memoize.Must(memoize.Memoize(returning[string](1).load, live, config.Logger(discardLog)))
		calls(t, f, "key")
		time.Sleep(2 * time.Hour)
		if f.Len() != 0 {
			t.Errorf("%d entries", f.Len())
		}
		noError(t, live.Apply(config.Storage(storage.NewInMemory[string, int]()), config.Evict(eviction.None[string]())))
		g, err := memoize.New(returning[string](1).load, config.Storage(s), config.Evict(strategy), config.Name("another"))
		noError(t, err)
		calls(t, g, "key")
	})
}

// What a storage holds when it comes into force goes at its end, though nobody writes.
func TestSweepOfWhatWasThereBefore(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := newListed("a", "b")
		f := memoize.Must(memoize.New(returning[string](1).load, config.Storage[string, int](s), config.Logger(discardLog)))
		wants(t, 10)(f.Call(t.Context(), "a"))
		time.Sleep(time.Hour)
		if n := f.Stats().Expired; f.Len() != 0 || n != 2 {
			t.Errorf("%d entries, %d are counted as expired", f.Len(), n)
		}
	})
}

// A change of the storage amid a sweep is no matter: what it looks at is swept to the
// end, and the next one sweeps the other.
func TestSweepAmidAChangeOfTheStorage(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s, next := newLooked(), newLooked()
		live := mutable(config.ExpireAfter(time.Minute), config.UpdateAfter(time.Minute), config.Storage[string, int](s))
		f := memoize.Must(memoize.Memoize(returning[string](1).load, live, config.Logger(discardLog)))
		calls(t, f, "a", "b")
		var once sync.Once
		change := func(string) {
			once.Do(func() {
				s.seen.Store(nil)
				noError(t, live.Apply(config.Storage[string, int](next)))
				wants(t, 1)(f.Call(t.Context(), "c"))
			})
		}
		s.seen.Store(&change)
		time.Sleep(time.Minute)
		synctest.Wait()
		if s.Len() != 0 || f.Len() != 1 {
			t.Errorf("%d entries are left of the first storage, %d are held", s.Len(), f.Len())
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		if f.Len() != 0 {
			t.Errorf("%d entries", f.Len())
		}
		noError(t, live.Apply(config.Storage[string, int](&mockStorage[string, int]{})))
		calls(t, f, "d")
		noError(t, f.Close(t.Context()))
	})
}
