package memoize_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/perennial-go/perennial/config"
	"github.com/perennial-go/perennial/entry"
	"github.com/perennial-go/perennial/eviction"
	"github.com/perennial-go/perennial/memoize"
	"github.com/perennial-go/perennial/storage"
)

// Whatever replaces or drops a value forgets how often its refreshes have failed: the
// next one is tried as soon as it is due.
func TestWhatEndsADelay(t *testing.T) {
	for name, c := range map[string]struct {
		end   func(ctx context.Context, f *memoize.Func[string, int]) error
		loads bool // it brings no value
	}{
		"Set":     {func(ctx context.Context, f *memoize.Func[string, int]) error { return f.Set(ctx, "key", 1) }, false},
		"Touch":   {func(ctx context.Context, f *memoize.Func[string, int]) error { return lastOf(f.Touch(ctx, "key")) }, false},
		"Refresh": {func(ctx context.Context, f *memoize.Func[string, int]) error { return lastOf(f.Refresh(ctx, "key")) }, false},
		"RefreshMany": {func(ctx context.Context, f *memoize.Func[string, int]) error {
			return lastOf(f.RefreshMany(ctx, []string{"key"}))
		}, false},
		"Invalidate": {func(ctx context.Context, f *memoize.Func[string, int]) error { return f.Invalidate(ctx, "key") }, true},
		"InvalidateMany": {func(ctx context.Context, f *memoize.Func[string, int]) error {
			return f.InvalidateMany(ctx, []string{"key"})
		}, true},
		"InvalidateAll": {func(ctx context.Context, f *memoize.Func[string, int]) error { return f.InvalidateAll(ctx) }, true},
		"eviction":      {func(ctx context.Context, f *memoize.Func[string, int]) error { return f.Set(ctx, "another", 1) }, true},
		"expiry":        {func(context.Context, *memoize.Func[string, int]) error { time.Sleep(time.Hour); return nil }, true},
	} {
		for stored, where := range map[string]storage.Storage[string, int]{"in memory": nil, "elsewhere": new(mockStorage[string, int])} {
			if name == "InvalidateAll" && where != nil || name == "expiry" && where != nil {
				continue
			}
			t.Run(name+" "+stored, func(t *testing.T) {
				bubble(t, func(t *testing.T) {
					source := returning[string](1)
					opts := with(config.Logger(discardLog), config.Capacity(1))
					if where != nil {
						opts = append(opts, config.Storage(where))
					}
					f := memoize.Must(memoize.New(source.load, opts...))
					each(t, f, "key")
					source.fails(errOutage)
					for range 59 { // the delays grow to more than a minute
						time.Sleep(time.Minute)
						each(t, f, "key")
					}
					delayed := f.Stats().Delayed
					if delayed < 5 || delayed > 50 {
						t.Fatalf("%d refreshes were delayed: the test is wrong", delayed)
					}
					source.returns(1)
					noError(t, c.end(t.Context(), f))
					if c.loads {
						noError(t, f.Set(t.Context(), "key", 1)) // which would end it too
					}
					settled(t, f)
					source.fails(errOutage)
					time.Sleep(time.Minute)
					before := source.count()
					each(t, f, "key")
					wantCalls(t, source, before+1)
					time.Sleep(1100 * time.Millisecond) // the first delay is a second at most
					each(t, f, "key")
					wantCalls(t, source, before+2)
					noError(t, f.Close(t.Context()))
				})
			})
		}
	}
}

// A delay that nothing ends outlives the record of an entry that has gone otherwise:
// these forget it by themselves, and a value that comes later starts anew.
func TestWhatGoesTakesItsDelayAlong(t *testing.T) {
	for name, end := range map[string]func(ctx context.Context, f *memoize.Func[string, int]) error{
		"Invalidate": func(ctx context.Context, f *memoize.Func[string, int]) error { return f.Invalidate(ctx, "key") },
		"eviction":   func(ctx context.Context, f *memoize.Func[string, int]) error { return f.Set(ctx, "another", 1) },
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				source := returning[string](1)
				f := memoize.Must(memoize.New(source.load, with(config.Logger(discardLog), config.Evict(eviction.LeastRecentlyUpdated[string](1)))...))
				each(t, f, "key")
				var saved strings.Builder
				if _, err := f.Save(t.Context(), &saved); err != nil {
					t.Fatal(err)
				}
				source.fails(errOutage)
				for range 40 {
					time.Sleep(time.Minute)
					each(t, f, "key")
				}
				noError(t, end(t.Context(), f))
				if n, err := f.Restore(t.Context(), strings.NewReader(saved.String())); n != 1 || err != nil {
					t.Fatalf("restored %d, %v", n, err)
				}
				before := source.count()
				each(t, f, "key") // it is stale, and its first refresh starts at once
				wantCalls(t, source, before+1)
				noError(t, f.Close(t.Context()))
			})
		})
	}
}

// A value that is not equal to itself is nowhere: to set it is an error, to look for
// it finds nothing and to drop it needs nothing.
func TestVerbsOfAKeyThatIsNotEqualToItself(t *testing.T) {
	bubble(t, func(t *testing.T) {
		nan := 0.0
		nan = nan / nan
		s := new(mockStorage[float64, int])
		f := memoize.Must(memoize.New(returning[float64](1).load, config.Storage[float64, int](s), config.Logger(discardLog)))
		ctx := t.Context()
		if err := f.Set(ctx, nan, 1); !errors.Is(err, memoize.ErrKey) || !strings.Contains(err.Error(), "not equal to itself") {
			t.Errorf("Set: %v", err)
		}
		noError(t, f.Invalidate(ctx, nan))
		if ok, err := f.Touch(ctx, nan); ok || err != nil {
			t.Errorf("Touch: %v, %v", ok, err)
		}
		if f.Has(ctx, nan) {
			t.Error("Has finds it")
		}
		if _, found := f.PeekMany(ctx, []float64{nan, 2, nan}); slices.Contains(found, true) {
			t.Errorf("PeekMany: %v", found)
		}
		wants(t, 1)(f.Call(ctx, nan))
		s.exactly(t, "get NaN", 0)
		if got := s.all(); !slices.Equal(got, []string{"get 2"}) {
			t.Errorf("the storage was asked %q", got)
		}
		noError(t, f.Close(ctx))
	})
}

// Of a function that is closed, not configured or bypassed verbs find nothing, and say
// why where they can.
func TestVerbsOfAFunctionThatIsOff(t *testing.T) {
	for name, c := range map[string]struct {
		off    func(f *memoize.Func[string, int], live *config.Live[string, string, int]) error
		err    error
		writes bool // Set and so on work all the same
		loads  bool
	}{
		"closed": {func(f *memoize.Func[string, int], _ *config.Live[string, string, int]) error {
			return f.Close(context.Background())
		}, memoize.ErrClosed, false, false},
		"not configured": {func(_ *memoize.Func[string, int], live *config.Live[string, string, int]) error {
			return live.Apply(config.Configured(false))
		}, memoize.ErrNotConfigured, false, false},
		"bypassed": {func(_ *memoize.Func[string, int], live *config.Live[string, string, int]) error {
			return live.Apply(config.Bypass(true))
		}, nil, true, true},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				ctx := t.Context()
				f, live, _ := changing(t)
				each(t, f, "a", "b")
				noError(t, c.off(f, live))
				before := f.Stats()
				for verb, err := range map[string]error{
					"Invalidate": f.Invalidate(ctx, "x"), "Set": f.Set(ctx, "y", 2), "InvalidateAll": f.InvalidateAll(ctx),
				} {
					if c.writes && err != nil || !c.writes && !errors.Is(err, c.err) {
						t.Errorf("%s: %v", verb, err)
					}
				}
				if c.writes {
					noError(t, f.Set(ctx, "a", 1))
				}
				if ok, err := f.Touch(ctx, "a"); ok || !errors.Is(err, c.err) {
					t.Errorf("Touch: %v, %v", ok, err)
				}
				if _, ok := f.Peek(ctx, "a"); ok || f.Has(ctx, "a") {
					t.Error("Peek or Has finds a value")
				}
				values, found := f.PeekMany(ctx, []string{"a", "b"})
				if len(values) != 2 || !slices.Equal(found, []bool{false, false}) || !slices.Equal(f.HasMany(ctx, []string{"a", "b"}), found) {
					t.Errorf("PeekMany: %v, %v", values, found)
				}
				_, err := f.Call(ctx, "a")
				many, errs := f.CallMany(ctx, []string{"a", "b"})
				if len(many) != 2 || !errors.Is(err, c.err) || !errors.Is(errs, c.err) || c.loads && (err != nil || errs != nil) {
					t.Errorf("Call: %v; CallMany: %v, %v", err, many, errs)
				}
				if s := f.Stats(); !c.loads && s.Failed-before.Failed != 3 {
					t.Errorf("%d calls are counted as failed of three keys", s.Failed-before.Failed)
				}
			})
		})
	}
}

// texts is a storage that knows the text of keys, and some that have none.
type texts struct{ mockStorage[string, int] }

func (*texts) KeyText(key string) (string, error) {
	if key == "none" {
		return "", errOutage
	}
	return "<" + key + ">", nil
}

// A key's text is the storage's own, if it has one.
func TestKeyTexts(t *testing.T) {
	bubble(t, func(t *testing.T) {
		f, live, _ := changing(t)
		wants(t, `changing:0:"a"`)(f.Key("a"))
		noError(t, live.Apply(config.Storage[string, int](new(texts))))
		wants(t, "<a>")(f.Key("a"))
		if text, err := f.Key("none"); text != "" || !errors.Is(err, memoize.ErrKey) || !errors.Is(err, errOutage) {
			t.Errorf("%q, %v", text, err)
		}
		if n := f.Len(); n != -1 {
			t.Errorf("a storage that can't count has %d entries", n)
		}
		noError(t, live.Apply(config.Keys[string, string](config.KeyFunc[string, string](func(context.Context, string) (string, error) {
			return "", errOutage
		}))))
		if text, err := f.Key("a"); text != "" || !errors.Is(err, errOutage) {
			t.Errorf("%q, %v", text, err)
		}
	})
}

// The counters of what runs now.
func TestCountsOfWhatRuns(t *testing.T) {
	bubble(t, func(t *testing.T) {
		source := returning[string](1)
		f := memoize.Must(memoize.New(source.load, with(config.Logger(discardLog), config.MethodTimeout(30*time.Second))...))
		counts := func(running, refreshes, superseded int) {
			t.Helper()
			synctest.Wait()
			s := f.Stats()
			if s.LoadsRunning != running || s.RefreshesRunning != refreshes || s.SupersededRunning != superseded {
				t.Errorf("%d loads, %d refreshes, %d superseded; want %d, %d, %d", s.LoadsRunning, s.RefreshesRunning, s.SupersededRunning, running, refreshes, superseded)
			}
		}
		each(t, f, "a", "b")
		counts(0, 0, 0)
		time.Sleep(2 * time.Minute)
		open := source.holds()
		wants(t, 1)(f.Call(t.Context(), "a")) // stale
		missing := begin(2, func() (int, error) { return f.Call(t.Context(), "c") })
		counts(2, 1, 0)
		noError(t, f.Invalidate(t.Context(), "c"))
		counts(2, 1, 1)
		time.Sleep(30 * time.Second)
		counts(0, 0, 2) // late
		for _, r := range missing() {
			if !errors.Is(r.err, memoize.ErrLoadTimeout) {
				t.Errorf("%v", r.err)
			}
		}
		open()
		settled(t, f)
		counts(0, 0, 0)
		noError(t, f.Close(t.Context()))
	})
}

// Close says what still runs, and waits for it when it is called again.
func TestCloseTwice(t *testing.T) {
	bubble(t, func(t *testing.T) {
		source := returning[string](1)
		open := source.holds()
		f := memoize.Must(memoize.New(source.load, config.Name("slow"), config.Logger(discardLog)))
		finish := begin(3, func() (int, error) { return f.Call(t.Context(), "a") })
		another := begin(1, func() (int, error) { return f.Call(t.Context(), "b") })
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		for range 2 {
			err := f.Close(ctx)
			var c *memoize.CloseError
			if !errors.As(err, &c) || c.Func != "slow" || c.Running != 2 || !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("Close: %v", err)
			}
		}
		open()
		allWant(t, 1, finish())
		allWant(t, 1, another())
		noError(t, f.Close(t.Context()))
		if n := f.Len(); n != 2 {
			t.Errorf("%d entries", n)
		}
	})
}

// What a caller sets may be no entry: the error says for which key.
func TestSetOfWhatHasNoLife(t *testing.T) {
	bubble(t, func(t *testing.T) {
		f, live, told := changing(t)
		each(t, f, "good", "bad", "ugly")
		noError(t, live.Apply(config.Builder(entry.BuilderFunc[string, int](func(key string, v int, now entry.Instant) *entry.Entry[int] {
			switch key {
			case "bad":
				panic("oops")
			case "ugly":
				return nil
			}
			return entry.New(v, now, entry.Life{ExpireAfter: time.Hour})
		}))))
		told.reset()
		for key, panics := range map[string]bool{"bad": true, "ugly": false} {
			_, touch := f.Touch(t.Context(), key)
			for verb, err := range map[string]error{"Set": f.Set(t.Context(), key, 2), "Touch": touch} {
				var p *memoize.PanicError
				if err == nil || errors.As(err, &p) != panics || !strings.Contains(err.Error(), `changing can't store a value for key "`+key+`"`) {
					t.Errorf("%s: %v", verb, err)
				}
			}
			wants(t, 1)(f.Call(t.Context(), key))
		}
		told.hears(t, "panicked", "panicked")
		if n := f.Stats().Panics; n != 2 {
			t.Errorf("%d panics", n)
		}
		noError(t, f.Set(t.Context(), "good", 2))
		wants(t, 2)(f.Call(t.Context(), "good"))
	})
}

// A Set may push another key out, a Touch too.
func TestSetAndTouchMakeRoom(t *testing.T) {
	bubble(t, func(t *testing.T) {
		strategy := &sizable{}
		strategy.room = 2
		f, _, told := changing(t, config.Evict[string](strategy))
		for i, key := range []string{"a", "b", "c"} {
			noError(t, f.Set(t.Context(), key, i))
		}
		strategy.hears(t, "weighed a 1", "weighed b 1", "weighed c 1", "released a")
		told.hears(t, `evicted "a"`)
		strategy.SetCapacity(1)
		strategy.reset()
		if ok, err := f.Touch(t.Context(), "c"); !ok || err != nil {
			t.Errorf("Touch: %v, %v", ok, err)
		}
		strategy.hears(t, "weighed c 1 again", "released b")
		told.hears(t, `evicted "b"`)
	})
}

// PeekMany and Peek postprocess what they return, and Has does not; one that panics
// finds nothing and is told of.
func TestPeeksArePostprocessed(t *testing.T) {
	bubble(t, func(t *testing.T) {
		f, live, told := changing(t)
		noError(t, f.SetMany(t.Context(), []string{"a", "b"}, []int{1, 2}))
		noError(t, live.Apply(config.Postprocess(config.CopyBy(func(v int) int {
			if v == 2 {
				panic("oops")
			}
			return v + 10
		}))))
		told.reset()
		if v, ok := f.Peek(t.Context(), "a"); v != 11 || !ok {
			t.Errorf("Peek: %v, %v", v, ok)
		}
		if v, ok := f.Peek(t.Context(), "b"); v != 0 || ok {
			t.Errorf("Peek: %v, %v", v, ok)
		}
		values, found := f.PeekMany(t.Context(), []string{"b", "a", "a", "missing"})
		if !slices.Equal(values, []int{0, 11, 11, 0}) || !slices.Equal(found, []bool{false, true, true, false}) {
			t.Errorf("PeekMany: %v, %v", values, found)
		}
		told.hears(t, "panicked", "panicked")
		if found := f.HasMany(t.Context(), []string{"b", "a", "missing"}); !slices.Equal(found, []bool{true, true, false}) {
			t.Errorf("HasMany: %v", found)
		}
		time.Sleep(time.Hour)
		if _, found := f.PeekMany(t.Context(), []string{"a"}); found[0] {
			t.Error("what has expired is found")
		}
		told.reset()
		if s := f.Stats(); s.Panics != 2 || s.Calls != 0 || s.Loads != 0 {
			t.Errorf("%+v", s)
		}
	})
}

// An invalidation that can't be made says for which key.
func TestWritesThatAreGivenUp(t *testing.T) {
	bubble(t, func(t *testing.T) {
		hold := make(chan struct{})
		s := &mockStorage[string, int]{offer: func(context.Context, string) error { <-hold; return nil }}
		f, _, _ := changing(t, config.Storage[string, int](s), config.StoreBudget(time.Hour, time.Hour))
		finish := begin(1, func() (int, error) { return f.Call(t.Context(), "a") }) // stores, and holds the key
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		set, invalidate := f.Set(ctx, "a", 2), f.Invalidate(ctx, "a")
		if !errors.Is(set, context.DeadlineExceeded) || !strings.Contains(set.Error(), `changing was not set for key "a"`) {
			t.Errorf("Set: %v", set)
		}
		if !errors.Is(invalidate, context.DeadlineExceeded) || !strings.Contains(invalidate.Error(), `changing was not invalidated for key "a"`) {
			t.Errorf("Invalidate: %v", invalidate)
		}
		if ok, err := f.Touch(ctx, "a"); ok || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Touch: %v, %v", ok, err)
		}
		close(hold)
		allWant(t, 1, finish())
		settled(t, f)
		if err := f.Set(ctx, "b", 2); !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), `changing was not set for key "b"`) {
			t.Errorf("Set: %v", err)
		}
		s.exactly(t, "offer b=2", 0)
	})
}

func lastOf[V any](_ V, err error) error { return err }
