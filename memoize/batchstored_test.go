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
	"github.com/perennial-go/perennial/memoize"
	"github.com/perennial-go/perennial/observe"
	"github.com/perennial-go/perennial/storage"
)

// batched makes a function over a storage whose source takes many keys, of which some
// are not built as others are, and what is told of the keys that are stored.
func batched(t *testing.T, s storage.Storage[string, int], how map[string]string, opts ...config.Option) (*memoize.Func[string, int], *whenAsked, func() string) {
	t.Helper()
	source, told := new(whenAsked), new(journal)
	f := memoize.Must(memoize.NewBatched(source.load, append(opts, lifeOf(how), config.Storage(s), config.Observe(observe.Func(func(_ context.Context, e observe.Event) {
		switch e.Kind {
		case observe.Stored, observe.Fenced, observe.Superseded, observe.StoreFault, observe.Panicked, observe.Evicted:
			told.add("%v %s", e.Kind, strings.Trim(e.Key, `"`))
		}
	})))...))
	t.Cleanup(func() { _ = f.Close(context.Background()) })
	return f, source, func() string {
		settled(t, f)
		defer told.reset()
		return strings.Join(told.all(), ", ")
	}
}

// lifeOf builds values that live for an hour, but for keys that are said to be otherwise.
func lifeOf(how map[string]string) config.Option {
	return config.Builder(entry.BuilderFunc[string, int](func(key string, v int, now entry.Instant) *entry.Entry[int] {
		switch how[key] {
		case "panics":
			panic("oops")
		case "nothing":
			return nil
		case "no life":
			return entry.New(v, now, entry.Life{})
		}
		return entry.New(v, now, entry.Life{UpdateAfter: time.Minute, ExpireAfter: time.Hour})
	}))
}

// Of a batch each key has its own fate: one that can't be built costs no other its
// value, nor does one without a life, and the rest is stored, in one round trip if the
// storage can.
func TestKeysOfABatchHaveTheirOwnFate(t *testing.T) {
	for name, c := range map[string]struct {
		s     storage.Storage[string, int]
		lines []string
	}{
		"in memory":          {storage.NewInMemory[string, int](), nil},
		"one by one":         {new(mockStorage[string, int]), []string{"offer a=1", "release d", "offer e=1"}},
		"in one round trip":  {new(crate), []string{"offer [a e]", "release d"}},
		"under their claims": {newFencing(), []string{"fill a=1 e=1", "release d"}},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				f, _, told := batched(t, c.s, map[string]string{"b": "panics", "c": "nothing", "d": "no life"})
				values, err := f.CallMany(t.Context(), []string{"a", "b", "c", "d", "e"})
				var many *memoize.ManyError
				var p *memoize.PanicError
				if !slices.Equal(values, []int{1, 0, 0, 1, 1}) || !errors.As(err, &many) || !errors.As(many.At(1), &p) || many.At(2) == nil || many.At(0) != nil || many.At(3) != nil || many.At(4) != nil {
					t.Errorf("CallMany: %v, %v", values, err)
				}
				if got := strings.ReplaceAll(told(), "stored d, ", ""); got != "panicked , stored a, stored e" { // which was written, and dropped
					t.Errorf("told is %q", got)
				}
				if found := f.HasMany(t.Context(), []string{"a", "b", "c", "d", "e"}); !slices.Equal(found, []bool{true, false, false, false, true}) {
					t.Errorf("found %v", found)
				}
				if st := f.Stats(); st.Panics != 1 || st.LoadsFailed != 2 || st.Fenced != 0 || st.Loads != 1 {
					t.Errorf("%+v", st)
				}
				var got []string
				if s, ok := c.s.(interface{ all() []string }); ok {
					got = slices.DeleteFunc(s.all(), func(line string) bool {
						return strings.HasPrefix(line, "get") || strings.HasPrefix(line, "claim")
					})
				}
				if !slices.Equal(got, c.lines) {
					t.Errorf("the storage was asked %q, want %q", got, c.lines)
				}
			})
		})
	}
}

// Of a batch that is stored in part, the strategy learns of what is stored, with its
// weight, and makes room; the rest is a fault of its own.
func TestBatchThatIsStoredInPart(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s, strategy := &crate{write: map[string]error{"b": errOutage}}, new(sizable)
		strategy.room = 2
		f, source, told := batched(t, s, nil, config.Evict[string](strategy), config.Weigh(func(key string, _ int) int { return int(key[0]-'a') + 1 }))
		if values, err := f.CallMany(t.Context(), []string{"a", "b", "c", "d"}); err != nil || !slices.Equal(values, []int{1, 1, 1, 1}) {
			t.Errorf("CallMany: %v, %v", values, err)
		}
		if got := told(); got != "store fault b, stored a, stored c, stored d, evicted a" {
			t.Errorf("told is %q", got)
		}
		strategy.hears(t, "weighed a 1", "weighed c 3", "weighed d 4", "released a")
		if st := f.Stats(); st.StoreFaults != 1 || st.Evicted != 1 {
			t.Errorf("%+v", st)
		}
		time.Sleep(time.Minute)
		source.does = func(_ context.Context, keys []string) (map[string]int, error) {
			return map[string]int{"c": 2, "d": 2}, nil
		}
		strategy.hook = func(what string) {
			if strings.HasPrefix(what, "weighed c") {
				panic("oops")
			}
		}
		_, err := f.RefreshMany(t.Context(), []string{"c", "d"})
		var many *memoize.ManyError
		if !errors.As(err, &many) || many.At(0) == nil || many.At(1) != nil {
			t.Errorf("RefreshMany: %v", err)
		}
	})
}

// A batch whose fills are refused in part has stored the others: what is refused is
// told and counted, and its value is that of who led the load.
func TestBatchWhoseFillsAreRefusedInPart(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := newFencing()
		f, source, told := batched(t, s, nil)
		source.does = func(_ context.Context, keys []string) (map[string]int, error) {
			s.fence("b") // by another process
			return map[string]int{"a": 1, "b": 1, "c": 1}, nil
		}
		if values, err := f.CallMany(t.Context(), []string{"a", "b", "c"}); err != nil || !slices.Equal(values, []int{1, 1, 1}) {
			t.Errorf("CallMany: %v, %v", values, err)
		}
		if got := told(); got != "fenced b, stored a, stored c" {
			t.Errorf("told is %q", got)
		}
		if st := f.Stats(); st.Fenced != 1 || st.StoreFaults != 0 {
			t.Errorf("%+v", st)
		}
		s.exactly(t, "fill a=1 b=1 c=1", 1)
		if found := f.HasMany(t.Context(), []string{"a", "b", "c"}); !slices.Equal(found, []bool{true, false, true}) {
			t.Errorf("found %v", found)
		}
		s.reset()
		s.does(func(op string) error {
			if op == "fill" {
				return errOutage
			}
			return nil
		})
		source.does = nil
		if _, err := f.RefreshMany(t.Context(), []string{"a", "c"}); err != nil {
			t.Errorf("RefreshMany: %v", err)
		}
		if got := told(); got != "store fault a" {
			t.Errorf("told is %q", got)
		}
	})
}

// A key of a batch that is invalidated or set while the source runs is not stored, and
// the others are.
func TestBatchThatIsOvertakenInPart(t *testing.T) {
	for name, s := range map[string]storage.Storage[string, int]{"in one round trip": new(crate), "one by one": new(mockStorage[string, int])} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				f, source, told := batched(t, s, nil)
				source.does = func(ctx context.Context, keys []string) (map[string]int, error) {
					noError(t, f.Invalidate(context.Background(), "b"))
					noError(t, f.Set(context.Background(), "c", 3))
					return map[string]int{"a": 1, "b": 1, "c": 1, "d": 1}, nil
				}
				if values, err := f.CallMany(t.Context(), []string{"a", "b", "c", "d"}); err != nil || !slices.Equal(values, []int{1, 1, 3, 1}) {
					t.Errorf("CallMany: %v, %v", values, err)
				}
				if got := told(); got != "fenced b, fenced c, stored a, stored d" {
					t.Errorf("told is %q", got)
				}
				if st := f.Stats(); st.Fenced != 2 || st.Superseded != 0 {
					t.Errorf("%+v", st)
				}
				if values, _ := f.PeekMany(t.Context(), []string{"a", "b", "c", "d"}); !slices.Equal(values, []int{1, 0, 3, 1}) {
					t.Errorf("stored is %v", values)
				}
			})
		})
	}
}

// What a claim finds is not asked of the source, and where it finds all the source is
// not asked at all.
func TestBatchWhoseClaimsFindValues(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := newFencing()
		f, source, told := batched(t, s, nil)
		asked := new(journal)
		source.does = func(_ context.Context, keys []string) (map[string]int, error) {
			asked.add("%v", keys)
			return map[string]int{"a": 1, "b": 1, "c": 1}, nil
		}
		finds := func(keys ...string) {
			s.does(func(op string) error {
				for _, key := range keys {
					if op == "claim" {
						s.another(key, 7, time.Hour)
					}
				}
				return nil
			})
		}
		finds("b")
		if values, err := f.CallMany(t.Context(), []string{"a", "b", "c"}); err != nil || !slices.Equal(values, []int{1, 7, 1}) {
			t.Errorf("CallMany: %v, %v", values, err)
		}
		asked.hears(t, "[a c]")
		if got := told(); got != "stored a, stored c" {
			t.Errorf("told is %q", got)
		}
		finds("d", "e")
		if values, err := f.CallMany(t.Context(), []string{"d", "e"}); err != nil || !slices.Equal(values, []int{7, 7}) {
			t.Errorf("CallMany: %v, %v", values, err)
		}
		asked.hears(t)
		synctest.Wait()
		if st := f.Stats(); st.Loads != 1 || st.LoadsRunning != 0 {
			t.Errorf("%+v", st)
		}
	})
}

// A key of a batch that another is busy with keeps none of the others waiting: they
// are stored together, and that one alone once it is free.
func TestBatchWithABusyKey(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := new(crate)
		f, _, told := batched(t, s, nil, config.StoreBudget(time.Hour, time.Hour))
		filled(t, f, "a", "b", "c")
		hold := make(chan struct{})
		s.offer = func(_ context.Context, key string) error {
			if key == "b" {
				<-hold
			}
			return nil
		}
		touch := begin(1, func() (bool, error) { return f.Touch(t.Context(), "b") })
		s.reset()
		refresh := begin(1, func() ([]int, error) { return f.RefreshMany(t.Context(), []string{"a", "b", "c"}) })
		if got := s.count("offer [a c]"); got != 1 {
			t.Errorf("the storage was asked %q", s.all())
		}
		if values, _ := f.PeekMany(t.Context(), []string{"a", "b", "c"}); !slices.Equal(values, []int{1, 11, 1}) {
			t.Errorf("stored is %v", values)
		}
		close(hold)
		allWant(t, true, touch())
		if got := refresh()[0]; got.err != nil || !slices.Equal(got.value, []int{1, 1, 1}) {
			t.Errorf("RefreshMany: %v", got)
		}
		if got := told(); got != "stored a, stored b, stored c" {
			t.Errorf("told is %q", got)
		}
		if v, _ := f.Peek(t.Context(), "b"); v != 1 || s.count("offer b=1") != 1 {
			t.Errorf("%d is stored", v)
		}
	})
}
