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
	"github.com/perennial-go/perennial/storage"
)

// watching makes a function, and a journal of its events with all that they say.
func watching(t *testing.T, source *scripted[string, int], opts ...config.Option) (*memoize.Func[string, int], *journal) {
	t.Helper()
	told := new(journal)
	f, err := memoize.New(source.load, append(with(config.Name("watched"), config.Observe(observe.Func(func(_ context.Context, e observe.Event) {
		line := e.Kind.String()
		if e.Func != "watched" || time.Until(e.Time) != 0 {
			line += " of another"
		}
		if e.Key != "" {
			line += " " + e.Key
		}
		if e.Cause != 0 {
			line += " " + e.Cause.String()
		}
		if e.First {
			line += " first"
		}
		if e.Kind == observe.Delayed {
			e.Duration = 0 // which is chance
		}
		if e.Duration != 0 {
			line += " " + e.Duration.String()
		}
		if e.Err != nil {
			line += ": " + strings.SplitN(e.Err.Error(), "\n", 2)[0]
		}
		told.add("%s", line)
	}))), opts...)...)
	noError(t, err)
	t.Cleanup(func() { _ = f.Close(context.Background()) })
	return f, told
}

// What is told of a load, from its start to what comes of it.
func TestWhatIsToldOfLoads(t *testing.T) {
	bubble(t, func(t *testing.T) {
		source := returning[string](1)
		source.takes = 3 * time.Second
		f, told := watching(t, source)
		calls(t, f, "a")
		told.hears(t, `load started "a" miss`, `load ended "a" miss 3s`, `stored "a"`)
		wants(t, 1)(f.Refresh(t.Context(), "a"))
		settled(t, f)
		told.hears(t, `load started "a" forced`, `load ended "a" forced 3s`, `stored "a"`)
		wants(t, 1)(f.Direct(t.Context(), "a"))
		told.hears(t, `load started "a" direct`, `load ended "a" direct 3s`)
		source.fails(errOutage)
		time.Sleep(time.Minute)
		calls(t, f, "a")
		told.hears(t, `load started "a" refresh`, `load ended "a" refresh 3s: outage`, `refresh failing "a" refresh first: outage`, `delayed "a": outage`)
		if _, err := f.Call(t.Context(), "b"); err == nil {
			t.Error("no error")
		}
		settled(t, f)
		told.hears(t, `load started "b" miss`, `load ended "b" miss 3s: outage`, `failing "b" miss first: outage`)
		source.fails(memoize.NoStore)
		if v, err := f.Call(t.Context(), "c"); err != nil || v != 0 {
			t.Errorf("%v, %v", v, err)
		}
		settled(t, f)
		told.reset()
		time.Sleep(time.Minute)
		calls(t, f, "a")
		got := told.all()
		if len(got) == 0 || !strings.HasPrefix(got[len(got)-1], `delayed "a": `) {
			t.Errorf("a refresh that is not to be stored: told %q", got)
		}
		if s := f.Stats(); s.Delayed != 2 || s.LoadsFailed != 2 || s.Loads != 7 || s.Refreshes != 2 {
			t.Errorf("%+v", s)
		}
	})
}

// At the method timeout those who wait are let go, Wait too; what comes late is stored,
// or dropped for something newer.
func TestWhatIsToldOfLateLoads(t *testing.T) {
	for name, set := range map[string]bool{"nothing newer": false, "something newer": true} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				source := returning[string](1)
				f, told := watching(t, source, config.MethodTimeout(10*time.Second))
				open := source.holds()
				began := time.Now()
				call := begin(1, func() (int, error) { return f.Call(t.Context(), "a") })
				noError(t, f.Wait(t.Context()))
				if took := time.Since(began); took != 10*time.Second {
					t.Errorf("Wait took %v", took)
				}
				if l := loadError(t, call()[0].err, memoize.TimedOut, memoize.ErrLoadTimeout); !strings.Contains(l.Error(), "it is 10s") {
					t.Errorf("%v", l)
				}
				synctest.Wait()
				if s := f.Stats(); s.Late != 1 || s.LoadsFailed != 0 || s.LoadsRunning != 0 || s.SupersededRunning != 1 {
					t.Errorf("%+v", s)
				}
				if set {
					noError(t, f.Set(t.Context(), "a", 2))
				}
				told.reset()
				time.Sleep(time.Second)
				open()
				noError(t, f.Close(t.Context())) // waits for it
				if v, ok := f.Peek(t.Context(), "a"); ok {
					t.Errorf("%v is found once it is closed", v)
				}
				s := f.Stats()
				if set {
					told.hears(t, `load ended "a" miss 11s`, `superseded "a"`)
				} else {
					told.hears(t, `load ended "a" miss 11s`, `stored "a"`)
				}
				if dropped := s.Superseded == 1; dropped != set || s.Fenced != 0 || s.Entries != 1 || s.SupersededRunning != 0 {
					t.Errorf("%+v", s)
				}
			})
		})
	}
}

// Loads that hang are bounded: a call that would be one too many fails, and says so.
func TestWhatIsToldOfRunaways(t *testing.T) {
	bubble(t, func(t *testing.T) {
		source := returning[string](1)
		f, told := watching(t, source, config.MethodTimeout(time.Second), config.MaxRunaway(1))
		open := source.holds()
		for range 3 {
			if _, err := f.Call(t.Context(), "a"); err == nil {
				t.Error("no error")
			}
		}
		_, err := f.Call(t.Context(), "a")
		loadError(t, err, memoize.Failed, memoize.ErrRunaway)
		_, err = f.Direct(t.Context(), "b")
		loadError(t, err, memoize.Failed, memoize.ErrRunaway)
		if got := told.all(); !slices.ContainsFunc(got, func(line string) bool { return strings.HasPrefix(line, `runaway "a" first: `) }) {
			t.Errorf("told %q", got)
		}
		open()
		noError(t, f.Close(t.Context()))
	})
}

// A storage that fails is told of, and that it is back once a minute has passed without.
func TestWhatIsToldOfAStorage(t *testing.T) {
	bubble(t, func(t *testing.T) {
		source := returning[string](1)
		s := new(mockStorage[string, int])
		f, told := watching(t, source, config.Storage[string, int](s), config.FailOnStoreError(true))
		s.get = func(context.Context, string) error { return errOutage }
		for range 2 {
			if _, err := f.Call(t.Context(), "a"); !errors.Is(err, memoize.ErrUnavailable) || !errors.Is(err, errOutage) {
				t.Errorf("%v", err)
			}
		}
		if values, err := f.CallMany(t.Context(), []string{"a", "b"}); !errors.Is(err, memoize.ErrUnavailable) || len(values) != 2 {
			t.Errorf("%v, %v", values, err)
		}
		if st := f.Stats(); st.Failed != 4 || st.Left != 0 || st.Calls != 4 || st.StoreFaults != 3 {
			t.Errorf("%+v", st)
		}
		told.hears(t, `store fault "a" first: outage`, `store fault "a": outage`, `store fault "a": outage`)
		s.get = nil
		time.Sleep(time.Minute - 1)
		calls(t, f, "a")
		told.hears(t, `load started "a" miss`, `load ended "a" miss`, `stored "a"`)
		time.Sleep(time.Nanosecond)
		calls(t, f, "a")
		told.hears(t, "store ok")
		ctx, cancel := context.WithCancel(t.Context())
		s.get = func(context.Context, string) error { cancel(); time.Sleep(time.Second); return nil }
		if _, err := f.Call(ctx, "a"); err != context.Canceled {
			t.Errorf("%v", err)
		}
		time.Sleep(time.Minute)
		if st := f.Stats(); st.Failed != 4 || st.Left != 1 || st.StoreFaults != 3 {
			t.Errorf("%+v", st)
		}
	})
}

// A panic of an observer is counted once.
func TestPanicsOfAnObserverAreCounted(t *testing.T) {
	bubble(t, func(t *testing.T) {
		f := memoize.Must(memoize.New(returning[string](1).load, config.Logger(discardLog), config.Observe(observe.Func(func(_ context.Context, e observe.Event) {
			if e.Kind == observe.LoadEnded {
				panic("oops")
			}
		}))))
		calls(t, f, "a", "b")
		if n := f.Stats().Panics; n != 2 {
			t.Errorf("%d panics", n)
		}
		noError(t, f.Close(t.Context()))
	})
}

// anyOf is a generic function of which each instance has the same name.
func anyOf[T any](_ context.Context, arg string) (int, error) { return len(arg), nil }

type named struct{}

func (named) load(_ context.Context, arg string) (int, error) { return len(arg), nil }

// Functions are named as people write them.
func TestNamesOfFunctions(t *testing.T) {
	for want, f := range map[string]*memoize.Func[string, int]{
		"memoize_test.anyOf":      memoize.Must(memoize.New(anyOf[int])),
		"memoize_test.named.load": memoize.Must(memoize.New(named{}.load)),
		"other":                   memoize.Must(memoize.New(anyOf[int], config.Name("other"))),
	} {
		if text, err := f.Key("a"); err != nil || text != want+`:0:"a"` {
			t.Errorf("%q, %v; want the name %s", text, err, want)
		}
	}
}

// Strategies are given the time to a few milliseconds.
func TestStrategiesAreGivenTheTime(t *testing.T) {
	strategy := new(row)
	f := memoize.Must(memoize.New(returning[string](1).load, config.Evict[string](strategy), config.Logger(discardLog)))
	wants(t, 1)(f.Call(t.Context(), "a")) // which may start a clock that is coarse
	for range 3 {
		runtime.Gosched()
		if off := time.Since(strategy.ticks().Time()); off < -time.Minute || off > time.Minute {
			t.Errorf("the strategy's time is %v off", off)
		}
	}
	noError(t, f.Close(t.Context()))
}

// twice is a storage that reads and writes many at once.
type twice struct{ mockStorage[string, int] }

func (s *twice) GetMany(ctx context.Context, keys []string) ([]*entry.Entry[int], error) {
	found := make([]*entry.Entry[int], len(keys))
	var errs []error
	for i, key := range keys {
		var err error
		if found[i], err = s.Get(ctx, key); err != nil {
			errs = append(errs, &storage.ItemError{Item: i, Err: err})
		}
	}
	return found, errors.Join(errs...)
}

func (s *twice) OfferMany(ctx context.Context, keys []string, entries []*entry.Entry[int]) error {
	s.add("offer %v", keys)
	var errs []error
	for i, key := range keys {
		if err := s.Offer(ctx, key, entries[i]); err != nil {
			errs = append(errs, &storage.ItemError{Item: i, Err: err})
		}
	}
	return errors.Join(errs...)
}

func (s *twice) ReleaseMany(ctx context.Context, keys []string) error {
	s.add("release %v", keys)
	for _, key := range keys {
		_ = s.Release(ctx, key)
	}
	return nil
}

// Of a call for many whose keys can be read in part those are loaded that can't, and
// their faults are theirs.
func TestCallManyOfKeysThatCantBeRead(t *testing.T) {
	for name, fail := range map[string]bool{"reads as a miss": false, "fails": true} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				s := new(twice)
				var told journal
				f := memoize.Must(memoize.NewBatched(func(_ context.Context, keys []string) (map[string]int, error) {
					found := map[string]int{}
					for _, key := range keys {
						found[key] = 501
					}
					return found, nil
				}, with(config.Storage[string, int](s), config.FailOnStoreError(fail), config.Observe(observe.Func(func(_ context.Context, e observe.Event) {
					if e.Kind == observe.StoreFault || e.Kind == observe.Unstorable {
						told.add("%v %s", e.Kind, e.Key)
					}
				})))...))
				ctx := t.Context()
				noError(t, f.SetMany(ctx, []string{"a", "b", "c", "d"}, []int{1, 2, 3, 4}))
				s.get = func(_ context.Context, key string) error {
					switch key {
					case "b":
						return errOutage
					case "c":
						return storage.ErrUnreadable
					}
					return nil
				}
				values, err := f.CallMany(ctx, []string{"a", "b", "c", "d"})
				want := []int{1, 501, 501, 4}
				if fail {
					want[1] = 0
				}
				if !slices.Equal(values, want) || fail != errors.Is(err, memoize.ErrUnavailable) || !fail && err != nil {
					t.Errorf("%v, %v", values, err)
				}
				var many *memoize.ManyError
				if fail && (!errors.As(err, &many) || len(many.Unwrap()) != 1 || many.At(1) == nil || many.At(2) != nil) {
					t.Errorf("%v", err)
				}
				told.hears(t, `store fault "b"`)
				s.get = nil
				// The batch is stored together, and a fault of one is that one's.
				s.reset()
				s.offer = func(_ context.Context, key string) error {
					if key == "f" {
						return errOutage
					}
					return nil
				}
				if values, err := f.CallMany(ctx, []string{"e", "f", "g"}); err != nil || !slices.Equal(values, []int{501, 501, 501}) {
					t.Errorf("%v, %v", values, err)
				}
				settled(t, f)
				s.exactly(t, "offer [e f g]", 1)
				told.hears(t, `store fault "f"`)
				if has := f.HasMany(ctx, []string{"e", "f", "g"}); !slices.Equal(has, []bool{true, false, true}) {
					t.Errorf("stored: %v", has)
				}
				// What is in doubt is dropped before something is offered in its place.
				s.offer = func(context.Context, string) error { return errOutage }
				_, _ = f.RefreshMany(ctx, []string{"e", "f"})
				settled(t, f)
				s.offer = nil
				s.reset()
				if values, err := f.RefreshMany(ctx, []string{"e", "f"}); err != nil || !slices.Equal(values, []int{501, 501}) {
					t.Errorf("%v, %v", values, err)
				}
				settled(t, f)
				s.exactly(t, "release [e f]", 1)
				s.exactly(t, "offer [e f]", 1)
				noError(t, f.Close(ctx))
			})
		})
	}
}

// The start of a load is told before the source is asked, and its end at once where
// nobody is held up; a batch is no one key's.
func TestWhenLoadsAreTold(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var told journal
		watch := config.Observe(observe.Func(func(_ context.Context, e observe.Event) {
			if e.Kind == observe.LoadStarted || e.Kind == observe.LoadEnded {
				told.add("%v %q of %d", e.Kind, e.Key, e.Count)
			}
		}))
		f := memoize.Must(memoize.NewBatched(func(_ context.Context, keys []string) (map[string]int, error) {
			told.add("asked for %d", len(keys))
			found := map[string]int{}
			for _, key := range keys {
				found[key] = 1
			}
			return found, nil
		}, watch))
		if _, err := f.CallMany(t.Context(), []string{"a", "b"}); err != nil {
			t.Error(err)
		}
		settled(t, f)
		told.hears(t, `load started "" of 2`, "asked for 2", `load ended "" of 2`)
		calls(t, f, "c")
		told.hears(t, `load started "\"c\"" of 1`, "asked for 1", `load ended "\"c\"" of 1`)
		g := memoize.Must(memoize.New(func(context.Context, string) (int, error) {
			told.add("asked")
			return 1, nil
		}, watch))
		calls(t, g, "c")
		told.hears(t, `load started "\"c\"" of 1`, "asked", `load ended "\"c\"" of 1`)
		noError(t, f.Close(t.Context()))
		noError(t, g.Close(t.Context()))
	})
}

// An observer that is told of the end of a load's goroutine may call for its key.
func TestGoexitIsToldOnceTheLoadHasEnded(t *testing.T) {
	bubble(t, func(t *testing.T) {
		exits, told := true, 0
		var f *memoize.Func[string, int]
		f = memoize.Must(memoize.New(func(context.Context, string) (int, error) {
			if exits {
				exits = false
				runtime.Goexit()
			}
			return 1, nil
		}, config.Observe(observe.Func(func(_ context.Context, e observe.Event) {
			if e.Kind == observe.Panicked {
				told++
				wants(t, 1)(f.Call(context.Background(), "a"))
			}
		}))))
		began := time.Now()
		_, err := f.Call(t.Context(), "a")
		loadError(t, err, memoize.Failed, memoize.ErrGoexit)
		settled(t, f)
		if took := time.Since(began); took != 0 || told != 1 {
			t.Errorf("it took %v, and was told %d times", took, told)
		}
		noError(t, f.Close(t.Context()))
	})
}

// What is not to be stored is not fenced, and what is fenced is so once.
func TestWhatIsNotStored(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s, source := newFencing(), returning[string](1)
		f, told := fenced(t, s, source)
		source.fails(memoize.NoStore)
		for range 2 {
			if _, err := f.Call(t.Context(), "a"); err != nil {
				t.Error(err)
			}
		}
		settled(t, f)
		s.hears(t, "get a", "claim a for "+held2m, "get a", "claim a for "+held2m)
		told.hears(t)
		source.returns(1)
		open := source.holds()
		finish := begin(1, func() (int, error) { return f.Call(t.Context(), "a") })
		noError(t, f.Invalidate(t.Context(), "a"))
		open()
		allWant(t, 1, finish())
		settled(t, f)
		told.hears(t, `fenced "a"`)
		if n := f.Stats().Fenced; n != 1 {
			t.Errorf("%d are counted as fenced", n)
		}
		// A stale value whose refresh could not be stored is refreshed again at once.
		calls(t, f, "b")
		time.Sleep(time.Minute)
		s.does(func(op string) error {
			if op == "claim" {
				return errOutage
			}
			return nil
		})
		before := source.count()
		calls(t, f, "b")
		calls(t, f, "b")
		wantCalls(t, source, before+2)
	})
}
