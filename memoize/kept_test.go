package memoize_test

import (
	"context"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/perennial-go/perennial/config"
	"github.com/perennial-go/perennial/entry"
	"github.com/perennial-go/perennial/memoize"
	"github.com/perennial-go/perennial/observe"
)

// A value without a life is returned and not kept: what was stored before is released,
// and nothing is offered.
func TestValuesWithoutALife(t *testing.T) {
	bubble(t, func(t *testing.T) {
		life := time.Hour
		builder := config.Builder(entry.BuilderFunc[string, int](func(_ string, v int, now entry.Instant) *entry.Entry[int] {
			return entry.New(v, now, entry.Life{UpdateAfter: life, ExpireAfter: life})
		}))
		s := new(mockStorage[string, int])
		elsewhere, live, told := changing(t, config.Storage[string, int](s))
		noError(t, live.Apply(builder))
		here, live, _ := changing(t)
		noError(t, live.Apply(builder))
		told.reset()
		for _, f := range []*memoize.Func[string, int]{elsewhere, here} {
			life = time.Hour
			each(t, f, "a", "b")
			life = 0
			wants(t, 1)(f.Refresh(t.Context(), "a"))
			settled(t, f)
			noError(t, f.Set(t.Context(), "b", 2))
			if f.Has(t.Context(), "a") || f.Has(t.Context(), "b") {
				t.Error("what has no life is kept")
			}
		}
		if here.Len() != 0 {
			t.Errorf("%d entries", here.Len())
		}
		got := s.all()
		if !slices.Contains(got, "release a") || !slices.Contains(got, "release b") || s.count("offer a=1") != 1 || slices.Contains(got, "offer b=2") {
			t.Errorf("the storage was asked %q", got)
		}
		told.hears(t)
		s.free = func(context.Context, string) error { return errOutage }
		if err := elsewhere.Set(t.Context(), "c", 3); err == nil || err.Error() != memoize.ErrUnavailable.Error()+": outage" {
			t.Errorf("Set: %v", err)
		}
	})
}

// What a storage can't do is told in its own words.
func TestWordsOfAFailedSet(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := &mockStorage[string, int]{offer: func(context.Context, string) error { return errOutage }}
		f, _, told := changing(t, config.Storage[string, int](s))
		if err := f.Set(t.Context(), "a", 1); err == nil || err.Error() != memoize.ErrUnavailable.Error()+": outage" {
			t.Errorf("%v", err)
		}
		told.hears(t, `store fault "a": outage`)
	})
}

// Values that are weighed are swept too, and one may weigh as much as there is room.
func TestWeighedValuesExpire(t *testing.T) {
	bubble(t, func(t *testing.T) {
		strategy := &sizable{}
		strategy.room = 10
		weight := 10
		f, live, told := changing(t, config.Evict[string](strategy), config.Weigh(func(string, int) int { return weight }))
		each(t, f, "a")
		told.hears(t)
		time.Sleep(time.Hour)
		synctest.Wait()
		if f.Len() != 0 || f.Stats().Expired != 1 {
			t.Errorf("%d entries", f.Len())
		}
		told.hears(t, `dropped "a"`)
		weight = 11
		each(t, f, "b")
		told.hears(t, `too heavy "b"`)
		noError(t, live.Apply(config.Capacity(0)))
		told.reset()
		each(t, f, "c")
		if got := told.all(); slices.Contains(got, `too heavy "c"`) {
			t.Errorf("where there is no room at all: %q", got)
		}
	})
}

// Refreshes that are too many are counted, each once.
func TestRefreshesOfManyThatAreTooMany(t *testing.T) {
	bubble(t, func(t *testing.T) {
		source := returning[string](1)
		var shed int
		f := memoize.Must(memoize.New(source.load, with(config.MaxBackground(1), config.Observe(observe.Func(func(_ context.Context, e observe.Event) {
			if e.Kind == observe.Shed {
				shed += e.Count
			}
		})))...))
		calls(t, f, "a", "b", "c")
		time.Sleep(time.Minute)
		open := source.holds()
		if values, err := f.CallMany(t.Context(), []string{"a", "b", "c"}); err != nil || !slices.Equal(values, []int{1, 1, 1}) {
			t.Errorf("%v, %v", values, err)
		}
		synctest.Wait()
		if st := f.Stats(); st.Shed != 2 || st.RefreshesRunning != 1 || shed != 1 {
			t.Errorf("%d were shed, %d run, told is %d", st.Shed, st.RefreshesRunning, shed)
		}
		open()
		settled(t, f)
		noError(t, f.Close(t.Context()))
	})
}

// Touch finds nothing of what has expired, and a strategy that panics is its error.
func TestTouchOfWhatHasExpired(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s, strategy := new(mockStorage[string, int]), new(row)
		f, _, told := changing(t, config.Storage[string, int](s), config.Evict[string](strategy))
		each(t, f, "a")
		strategy.hook = func(string) { panic("oops") }
		if _, err := f.Touch(t.Context(), "a"); err == nil {
			t.Error("a strategy that panics is no error of a Touch")
		}
		if err := f.Set(t.Context(), "a", 1); err == nil {
			t.Error("a strategy that panics is no error of a Set")
		}
		if err := f.Invalidate(t.Context(), "a"); err == nil {
			t.Error("a strategy that panics is no error of an Invalidate")
		}
		told.hears(t, "panicked", "panicked", "panicked")
		strategy.hook = nil
		each(t, f, "a")
		s.reset()
		time.Sleep(time.Hour)
		if ok, err := f.Touch(t.Context(), "a"); ok || err != nil {
			t.Errorf("%v, %v", ok, err)
		}
		s.hears(t, "get a")
	})
}

// A function that waits for what runs, inside a source, holds no place of MaxLoads.
func TestWaitInsideALoadHoldsNoPlace(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var f *memoize.Func[string, int]
		f = memoize.Must(memoize.New(func(ctx context.Context, key string) (int, error) {
			if key == "waits" {
				go func() { _, _ = f.Call(context.Background(), "other") }()
				time.Sleep(time.Second)
				return 1, f.Wait(ctx)
			}
			time.Sleep(time.Second)
			return 2, nil
		}, config.MaxLoads(1), config.Logger(discardLog)))
		began := time.Now()
		wants(t, 1)(f.Call(t.Context(), "waits"))
		if took := time.Since(began); took != 2*time.Second {
			t.Errorf("it took %v", took)
		}
		settled(t, f)
		noError(t, f.Close(t.Context()))
	})
}

// A storage that comes into force while a value is set is free for others in the end.
func TestPartsAreFreeAfterASetAmidAChange(t *testing.T) {
	bubble(t, func(t *testing.T) {
		next := newGuarded()
		s := &mockStorage[string, int]{}
		f, live, _ := changing(t, config.Storage[string, int](s))
		s.offer = func(context.Context, string) error {
			s.offer = nil
			noError(t, live.Apply(config.Storage[string, int](next)))
			next.of.Put("a", 1, entry.At(time.Now()), entry.Never, entry.Never, nil)
			return nil
		}
		noError(t, f.Set(t.Context(), "a", 2))
		if next.Len() != 0 {
			t.Errorf("%d entries are in the storage that is in force", next.Len())
		}
	})
}
