package memoize_test

import (
	"context"
	"errors"
	"runtime"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/perennial-go/perennial/config"
	"github.com/perennial-go/perennial/entry"
	"github.com/perennial-go/perennial/memoize"
	"github.com/perennial-go/perennial/observe"
)

// recorded makes an observer that keeps events of the kinds given.
func recorded(kinds ...observe.Kind) (config.Option, func() []observe.Event) {
	events := make(chan observe.Event, 1000)
	return config.Observe(observe.Func(func(_ context.Context, e observe.Event) {
			if slices.Contains(kinds, e.Kind) {
				events <- e
			}
		})), func() (all []observe.Event) {
			synctest.Wait()
			for len(events) > 0 {
				all = append(all, <-events)
			}
			return all
		}
}

// whenAsked is a source of many keys that does what it is told to.
type whenAsked struct {
	does func(ctx context.Context, keys []string) (map[string]int, error)
}

func (s *whenAsked) load(ctx context.Context, keys []string) (map[string]int, error) {
	if s.does != nil {
		return s.does(ctx, keys)
	}
	all := map[string]int{}
	for _, key := range keys {
		all[key] = 1
	}
	return all, nil
}

// Of a load it is told when it begins and when it ends, how long it took, how many keys
// it was for and why, and for which key if it was for one.
func TestLoadsAreTold(t *testing.T) {
	bubble(t, func(t *testing.T) {
		source := new(whenAsked)
		observer, events := recorded(observe.LoadStarted, observe.LoadEnded)
		f := memoize.Must(memoize.NewBatched(source.load, with(observer)...))
		tells := func(key string, count int, cause observe.Cause, took time.Duration, err error) {
			t.Helper()
			settled(t, f)
			got := events()
			if len(got) != 2 || got[0].Kind != observe.LoadStarted || got[1].Kind != observe.LoadEnded {
				t.Fatalf("told is %+v", got)
			}
			for i, e := range got {
				if e.Key != key || e.Count != count || e.Cause != cause || i == 0 && (e.Duration != 0 || e.Err != nil) || i == 1 && (e.Duration != took || !errors.Is(e.Err, err)) {
					t.Errorf("told is %+v", e)
				}
			}
		}
		many := func(keys ...string) {
			t.Helper()
			if _, err := f.CallMany(t.Context(), keys); err != nil {
				t.Error(err)
			}
		}
		many("a", "b")
		tells("", 2, observe.Miss, 0, nil)
		many("c")
		tells(`"c"`, 1, observe.Miss, 0, nil)
		time.Sleep(time.Minute)
		many("a", "b")
		tells("", 2, observe.Refresh, 0, nil)
		source.does = func(context.Context, []string) (map[string]int, error) {
			time.Sleep(time.Second)
			return nil, errOutage
		}
		_, err := f.Refresh(t.Context(), "a")
		loadError(t, err, memoize.Failed, errOutage)
		tells(`"a"`, 1, observe.Forced, time.Second, errOutage)
		if st := f.Stats(); st.Loads != 4 || st.Refreshes != 1 || st.LoadsFailed != 1 {
			t.Errorf("%+v", st)
		}
		noError(t, f.Close(t.Context()))
	})
}

// A refresh that brings nothing to be stored puts the next one off, whether it fails,
// has no value or says that it is not to be stored: that is told, and the stale value
// is served meanwhile.
func TestRefreshesThatBringNothingAreDelayed(t *testing.T) {
	for name, c := range map[string]struct {
		value  map[string]int
		err    error
		why    error
		fails  int
		served bool // the function is said to fail
	}{
		"no store": {map[string]int{"a": 2}, memoize.NoStore, memoize.NoStore, 0, false},
		"fails":    {nil, errOutage, errOutage, 1, true},
		"no value": {nil, nil, memoize.ErrNoValue, 1, false},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				source := new(whenAsked)
				observer, events := recorded(observe.Delayed, observe.RefreshFailing)
				f := memoize.Must(memoize.NewBatched(source.load, with(observer)...))
				wants(t, 1)(f.Call(t.Context(), "a"))
				settled(t, f)
				time.Sleep(time.Minute)
				source.does = func(context.Context, []string) (map[string]int, error) { return c.value, c.err }
				wants(t, 1)(f.Call(t.Context(), "a"))
				settled(t, f)
				got := events()
				if failing := len(got) > 0 && got[0].Kind == observe.RefreshFailing; failing != c.served {
					t.Errorf("told is %+v", got)
				} else if failing {
					got = got[1:]
				}
				if len(got) != 1 || got[0].Kind != observe.Delayed || got[0].Key != `"a"` || got[0].Duration <= 0 || !errors.Is(got[0].Err, c.why) {
					t.Fatalf("told is %+v", got)
				}
				st := f.Stats()
				if st.Delayed != 1 || st.Refreshes != 1 || st.LoadsFailed != uint64(c.fails) {
					t.Errorf("%+v", st)
				}
				time.Sleep(got[0].Duration - 1)
				wants(t, 1)(f.Call(t.Context(), "a"))
				settled(t, f)
				if st := f.Stats(); st.Refreshes != 1 {
					t.Error("it is refreshed before its delay is over")
				}
				time.Sleep(time.Nanosecond)
				source.does = nil
				wants(t, 1)(f.Call(t.Context(), "a"))
				settled(t, f)
				if st := f.Stats(); st.Refreshes != 2 {
					t.Error("it is not refreshed when its delay is over")
				}
				noError(t, f.Close(t.Context()))
			})
		})
	}
}

// declines is a storage elsewhere that keeps what it has.
type declines struct{ mockStorage[string, int] }

func (s *declines) Offer(ctx context.Context, key string, e *entry.Entry[int]) error {
	if _, ok := s.holds(key); ok {
		s.add("declined %v", key)
		return nil
	}
	return s.mockStorage.Offer(ctx, key, e)
}

// A stale entry that its storage keeps in spite of a refresh is refreshed again by the
// next who finds it.
func TestStaleEntryThatStaysIsRefreshedAgain(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := new(declines)
		f, _, _ := changing(t, config.Storage[string, int](s))
		each(t, f, "a")
		time.Sleep(time.Minute)
		for i := range 3 {
			each(t, f, "a")
			if n := s.count("declined a"); n != i+1 {
				t.Fatalf("%d refreshes after %d stale hits", n, i+1)
			}
		}
	})
}

// A load that ends in time ends a failure that was told of, and one that was given up
// before it did not.
func TestLateLoadsHealNothing(t *testing.T) {
	bubble(t, func(t *testing.T) {
		source := returning[string](1)
		observer, events := recorded(observe.Failing, observe.Recovered, observe.Late)
		f := memoize.Must(memoize.New(source.load, with(observer, config.MethodTimeout(time.Second))...))
		open := source.holds()
		_, err := f.Call(t.Context(), "a")
		l := loadError(t, err, memoize.TimedOut, memoize.ErrLoadTimeout)
		if l.Key != `"a"` || !strings.Contains(err.Error(), "it is 1s") {
			t.Errorf("the error is %v", err)
		}
		got := events()
		if len(got) != 2 || got[0].Kind != observe.Failing || got[1].Kind != observe.Late {
			t.Fatalf("told is %+v", got)
		}
		for _, e := range got {
			if e.Key != `"a"` || !errors.Is(e.Err, memoize.ErrLoadTimeout) || e.Kind == observe.Late && e.Duration != time.Second {
				t.Errorf("told is %+v", e)
			}
		}
		synctest.Wait()
		if st := f.Stats(); st.Late != 1 || st.LoadsFailed != 0 || st.LoadsRunning != 0 {
			t.Errorf("%+v", st)
		}
		time.Sleep(2 * time.Minute)
		open()
		settled(t, f)
		synctest.Wait()
		if got := events(); len(got) != 0 {
			t.Errorf("told is %+v", got)
		}
		wants(t, 1)(f.Call(t.Context(), "a")) // which was stored all the same
		wants(t, 1)(f.Call(t.Context(), "b"))
		settled(t, f)
		if got := events(); len(got) != 1 || got[0].Kind != observe.Recovered || got[0].Cause != observe.Miss {
			t.Errorf("told is %+v", got)
		}
		noError(t, f.Close(t.Context()))
	})
}

// A batch that is given up is late for each of its keys, and its refreshes are delayed.
func TestLateBatches(t *testing.T) {
	bubble(t, func(t *testing.T) {
		source := new(whenAsked)
		observer, events := recorded(observe.Late, observe.Delayed)
		f := memoize.Must(memoize.NewBatched(source.load, with(observer, config.MethodTimeout(time.Second))...))
		keys := []string{"a", "b"}
		if _, err := f.CallMany(t.Context(), keys); err != nil {
			t.Fatal(err)
		}
		settled(t, f)
		time.Sleep(time.Minute)
		open := make(chan struct{})
		source.does = func(_ context.Context, keys []string) (map[string]int, error) {
			<-open
			return map[string]int{"a": 2, "b": 2}, nil
		}
		if values, err := f.CallMany(t.Context(), keys); err != nil || !slices.Equal(values, []int{1, 1}) {
			t.Errorf("CallMany: %v, %v", values, err)
		}
		synctest.Wait()
		if st := f.Stats(); st.RefreshesRunning != 1 || st.LoadsRunning != 1 {
			t.Errorf("%+v", st)
		}
		time.Sleep(time.Second)
		synctest.Wait()
		var told []string
		for _, e := range events() {
			told = append(told, e.Kind.String()+" "+e.Key)
		}
		if !slices.Equal(told, []string{`delayed "a"`, `late "a"`, `delayed "b"`, `late "b"`}) {
			t.Errorf("told is %q", told)
		}
		if st := f.Stats(); st.Late != 2 || st.RefreshesRunning != 0 || st.LoadsRunning != 0 || st.Delayed != 2 {
			t.Errorf("%+v", st)
		}
		close(open)
		synctest.Wait()
		if values, _ := f.PeekMany(t.Context(), keys); !slices.Equal(values, []int{2, 2}) {
			t.Errorf("what came late is not stored: %v", values)
		}
		noError(t, f.Close(t.Context()))
	})
}

// A source that ends its goroutine is an error for all of a batch, counted once, and
// holds no place any more.
func TestSourceThatEndsItsGoroutine(t *testing.T) {
	bubble(t, func(t *testing.T) {
		source := new(whenAsked)
		f := memoize.Must(memoize.NewBatched(source.load, with(config.Logger(discardLog), config.MaxLoads(2), config.MaxBackground(1))...))
		if _, err := f.CallMany(t.Context(), []string{"c", "d"}); err != nil {
			t.Fatal(err)
		}
		settled(t, f)
		time.Sleep(time.Minute)
		source.does = func(context.Context, []string) (map[string]int, error) { runtime.Goexit(); return nil, nil }
		_, err := f.CallMany(t.Context(), []string{"a", "b", "c", "d"})
		var many *memoize.ManyError
		if !errors.As(err, &many) || !errors.Is(many.At(0), memoize.ErrGoexit) || !errors.Is(many.At(1), memoize.ErrGoexit) || many.At(2) != nil {
			t.Errorf("CallMany: %v", err)
		}
		settled(t, f)
		synctest.Wait()
		if st := f.Stats(); st.Panics != 2 || st.LoadsFailed != 4 || st.LoadsRunning != 0 || st.RefreshesRunning != 0 {
			t.Errorf("%+v", st)
		}
		source.does = nil
		time.Sleep(30 * time.Minute)
		if _, err := f.CallMany(t.Context(), []string{"a", "b", "c", "d"}); err != nil {
			t.Error(err)
		}
		settled(t, f)
		if st := f.Stats(); st.Shed != 0 || st.Refreshes != 2 {
			t.Errorf("%+v", st)
		}
		noError(t, f.Close(t.Context()))
	})
}

// A load that waits for its place when Close gives up never asks its source; nor does
// one that has waited for too long, which claims no key either.
func TestLoadsThatNeverGetAPlace(t *testing.T) {
	bubble(t, func(t *testing.T) {
		source := returning[string](1)
		s := newFencing()
		f, _ := fenced(t, s, source, config.MaxLoads(1), config.QueueTimeout(time.Second), config.MethodTimeout(time.Hour))
		open := source.holds()
		first := begin(1, func() (int, error) { return f.Call(t.Context(), "a") })
		s.reset()
		_, err := f.Call(t.Context(), "b")
		loadError(t, err, memoize.TimedOut, err)
		if !strings.Contains(err.Error(), "waited 1s for one of 1 slots") {
			t.Errorf("the error is %v", err)
		}
		s.hears(t, "get b")
		queued := begin(1, func() (int, error) { return f.Call(t.Context(), "c") })
		ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		defer cancel()
		var left *memoize.CloseError
		if err := f.Close(ctx); !errors.As(err, &left) || left.Running != 2 {
			t.Errorf("Close: %v", err)
		}
		if err := queued()[0].err; err == nil {
			t.Error("a load that never began has a value")
		}
		open()
		first()
		synctest.Wait()
		wantCalls(t, source, 1)
	})
}

// A hit needs no context, also where it begins a refresh.
func TestHitsWithoutAContext(t *testing.T) {
	bubble(t, func(t *testing.T) {
		f, _, _ := changing(t)
		each(t, f, "a")
		var none context.Context
		wants(t, 1)(f.Call(none, "a"))
		time.Sleep(time.Minute)
		wants(t, 1)(f.Call(none, "a"))
		settled(t, f)
		if st := f.Stats(); st.Refreshes != 1 || st.Fresh != 1 || st.Stale != 1 {
			t.Errorf("%+v", st)
		}
	})
}

// Who keeps a load's context and uses it after the load is told of as anybody else, at
// once.
func TestEventsUnderAContextThatIsKept(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := new(mockStorage[string, int])
		observer, events := recorded(observe.StoreFault)
		var kept context.Context
		f := memoize.Must(memoize.New(func(ctx context.Context, _ string) (int, error) {
			kept = ctx
			return 1, nil
		}, with(observer, config.Storage[string, int](s))...))
		wants(t, 1)(f.Call(t.Context(), "a"))
		settled(t, f)
		s.free = func(context.Context, string) error { return errOutage }
		if err := f.Invalidate(context.WithoutCancel(kept), "b"); !errors.Is(err, memoize.ErrUnavailable) {
			t.Errorf("Invalidate: %v", err)
		}
		if got := events(); len(got) != 1 || got[0].Key != `"b"` {
			t.Errorf("told is %+v", got)
		}
		noError(t, f.Close(t.Context()))
	})
}

// Of each entry that a sweep can't drop it is told once.
func TestEventsOfASweep(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := newLooked()
		observer, events := recorded(observe.StoreFault, observe.Dropped)
		f := lives(t, s, observer)
		calls(t, f, "1m", "60s", "60000ms")
		s.stuck.Store(true)
		time.Sleep(time.Minute + time.Second)
		var told []string
		for _, e := range events() {
			told = append(told, e.Kind.String()+" "+e.Key)
		}
		slices.Sort(told)
		if want := []string{`store fault "1m"`, `store fault "60000ms"`, `store fault "60s"`}; !slices.Equal(told, want) {
			t.Errorf("told is %q", told)
		}
	})
}

// Once a storage is in force that is not swept, the sweep that was to come does nothing.
func TestNothingIsSweptElsewhere(t *testing.T) {
	bubble(t, func(t *testing.T) {
		f, live, told := changing(t)
		each(t, f, "a")
		noError(t, live.Apply(config.Storage[string, int](new(mockStorage[string, int]))))
		each(t, f, "a")
		told.reset()
		time.Sleep(2 * time.Hour)
		synctest.Wait()
		told.hears(t)
		if st := f.Stats(); st.Panics != 0 || st.Expired != 0 {
			t.Errorf("%+v", st)
		}
	})
}

// A call that finds nothing, and begins its load when another call has stored a value
// since, or a Set has, takes that and asks its source for nothing.
func TestWhatIsStoredBetweenTheLookAndTheLoad(t *testing.T) {
	other := map[string]func(ctx context.Context, f *memoize.Func[string, int]) error{
		"call": func(ctx context.Context, f *memoize.Func[string, int]) error { return lastOf(f.Call(ctx, "a")) },
		"set":  func(ctx context.Context, f *memoize.Func[string, int]) error { return f.Set(ctx, "a", 1) },
	}
	call := map[string]func(ctx context.Context, f *memoize.Func[string, int]) (int, error){
		"one": func(ctx context.Context, f *memoize.Func[string, int]) (int, error) { return f.Call(ctx, "a") },
		"many": func(ctx context.Context, f *memoize.Func[string, int]) (int, error) {
			values, err := f.CallMany(ctx, []string{"a"})
			return values[0], err
		},
	}
	for how, other := range other {
		for which, call := range call {
			t.Run(how+" "+which, func(t *testing.T) {
				bubble(t, func(t *testing.T) {
					source, s := returning[string](1), new(mockStorage[string, int])
					f := memoize.Must(memoize.New(source.load, with(config.Storage[string, int](s), config.Logger(discardLog))...))
					s.get = func(context.Context, string) error { // which has found nothing
						s.get = nil
						err := other(context.Background(), f)
						source.returns(2)
						return err
					}
					wants(t, 1)(call(t.Context(), f))
					settled(t, f)
					if how == "set" {
						wantCalls(t, source, 0)
					} else {
						wantCalls(t, source, 1)
					}
					noError(t, f.Close(t.Context()))
				})
			})
		}
	}
}

// listedError is an error that can't be compared.
type listedError []string

func (e listedError) Error() string { return strings.Join(e, ", ") }

// A batch that fails for one reason is told to have failed for it, and one that fails in
// part tells which keys have. Values that come with an error are values all the same.
func TestWhatIsToldOfABatchThatFails(t *testing.T) {
	for name, c := range map[string]struct {
		values map[string]int
		err    error
		one    error // that all have failed with
		each   []error
		kept   []bool
	}{
		"all":               {nil, errOutage, errOutage, []error{errOutage, errOutage}, []bool{false, false}},
		"the first":         {map[string]int{"b": 1}, nil, nil, []error{memoize.ErrNoValue, nil}, []bool{false, true}},
		"the last":          {map[string]int{"a": 1}, errOutage, nil, []error{nil, errOutage}, []bool{true, false}},
		"none":              {map[string]int{"a": 1, "b": 1}, errOutage, nil, []error{nil, nil}, []bool{true, true}},
		"none, not to keep": {map[string]int{"a": 1, "b": 1}, memoize.NoStore, nil, []error{nil, nil}, []bool{false, false}},
		"the last, to keep": {map[string]int{"a": 1}, memoize.NoStore, nil, []error{nil, memoize.ErrNoValue}, []bool{false, false}},
		"each":              {nil, nil, memoize.ErrNoValue, []error{memoize.ErrNoValue, memoize.ErrNoValue}, []bool{false, false}},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				source := &whenAsked{does: func(context.Context, []string) (map[string]int, error) { return c.values, c.err }}
				observer, events := recorded(observe.LoadEnded)
				f := memoize.Must(memoize.NewBatched(source.load, with(observer)...))
				keys, failed := []string{"a", "b"}, 0
				values, err := f.CallMany(t.Context(), keys)
				var many, told *memoize.ManyError
				errors.As(err, &many)
				ended := events()
				if len(ended) != 1 {
					t.Fatalf("told is %+v", ended)
				}
				errors.As(ended[0].Err, &told)
				for i, want := range c.each {
					if want == nil {
						if values[i] != 1 || many != nil && many.At(i) != nil || told != nil && told.At(i) != nil {
							t.Errorf("key %d: %d, %v; told is %v", i, values[i], err, ended[0].Err)
						}
						continue
					}
					failed++
					if many == nil || !errors.Is(many.At(i), want) || c.one == nil && (told == nil || told.At(i) != want) {
						t.Errorf("key %d: %v; told is %v", i, err, ended[0].Err)
					}
				}
				if c.one != nil && ended[0].Err != c.one || failed == 0 && (err != nil || ended[0].Err != nil) {
					t.Errorf("%v; told is %v", err, ended[0].Err)
				}
				if got := f.HasMany(t.Context(), keys); !slices.Equal(got, c.kept) {
					t.Errorf("kept are %v", got)
				}
				noError(t, f.Close(t.Context()))
			})
		})
	}
	bubble(t, func(t *testing.T) {
		source := &whenAsked{does: func(context.Context, []string) (map[string]int, error) { return nil, listedError{"odd"} }}
		observer, events := recorded(observe.LoadEnded)
		f := memoize.Must(memoize.NewBatched(source.load, with(observer)...))
		_, err := f.CallMany(t.Context(), []string{"a", "b"})
		var odd listedError
		if !errors.As(err, &odd) || f.Stats().Panics != 0 {
			t.Errorf("CallMany: %v", err)
		}
		if got := events(); len(got) != 1 || !errors.As(got[0].Err, &odd) {
			t.Errorf("told is %+v", got)
		}
		noError(t, f.Close(t.Context()))
	})
}
