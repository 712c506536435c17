package memoize_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/perennial-go/perennial/config"
	"github.com/perennial-go/perennial/memoize"
	"github.com/perennial-go/perennial/observe"
	"github.com/perennial-go/perennial/storage"
)

// User is on a Page.
type User struct {
	Name, Team string
}

// Page is a value with a version, as a source of conditional requests has it.
type Page struct {
	Version int
	Users   []User
}

// conditional is a source that says "unchanged" while its version is that of the old
// value.
type conditional struct {
	version int
	seen    []memoize.Load[*Page]
}

func (s *conditional) load(ctx context.Context, _ string) (*Page, error) {
	l, ok := memoize.LoadOf[*Page](ctx)
	if !ok {
		return nil, errors.New("no load")
	}
	s.seen = append(s.seen, l)
	if l.HasOld && l.Old.Version == s.version {
		return l.Unchanged()
	}
	return &Page{Version: s.version}, nil
}

func TestUnchangedRenewsTheLife(t *testing.T) {
	for name, opts := range map[string]func() []config.Option{
		"in memory": func() []config.Option { return nil },
		"claimed": func() []config.Option {
			return []config.Option{config.Store(noErr(storage.Open(t.Context(), "memory://"))(t)), config.Name("page")}
		},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				s := &conditional{version: 1}
				ctx := t.Context()
				f := memoize.Must(memoize.New(s.load, append(opts(), config.UpdateAfter(10*time.Second), config.ExpireAfter(time.Minute))...))
				defer f.Close(context.Background())
				first, err := f.Call(ctx, "a")
				noError(t, err)
				time.Sleep(20 * time.Second)
				r, err := f.Result(ctx, "a") // stale: refreshes
				noError(t, err)
				if r.Why != memoize.Stale {
					t.Fatalf("the second call is a %v", r.Why)
				}
				settled(t, f)
				time.Sleep(50 * time.Second) // the first life is over
				r, err = f.Result(ctx, "a")
				noError(t, err)
				if r.Why != memoize.Stale || r.Age != 50*time.Second || r.Value.Version != first.Version {
					t.Errorf("after unchanged got %+v of age %v, want the old value, confirmed 50 s ago", r, r.Age)
				}
				settled(t, f)
				s.version = 2
				got, err := f.Refresh(ctx, "a")
				noError(t, err)
				if got.Version != 2 {
					t.Errorf("a changed page is version %d", got.Version)
				}
				want := []struct {
					cause observe.Cause
					old   bool
					age   time.Duration
				}{{observe.Miss, false, 0}, {observe.Refresh, true, 20 * time.Second}, {observe.Refresh, true, 50 * time.Second}, {observe.Forced, true, 0}}
				if len(s.seen) != len(want) {
					t.Fatalf("the source was asked %d times, want %d", len(s.seen), len(want))
				}
				for i, w := range want {
					if l := s.seen[i]; l.Cause != w.cause || l.HasOld != w.old || l.OldAge != w.age {
						t.Errorf("load %d is %v with old %v of age %v, want %v, %v, %v", i+1, l.Cause, l.HasOld, l.OldAge, w.cause, w.old, w.age)
					}
				}
				noError(t, f.Invalidate(ctx, "a"))
				_, err = f.Call(ctx, "a")
				noError(t, err)
				if l := s.seen[len(s.seen)-1]; l.HasOld {
					t.Errorf("after an invalidation the old value is %v", l.Old)
				}
				time.Sleep(2 * time.Minute)
				_, err = f.Call(ctx, "a")
				noError(t, err)
				if l := s.seen[len(s.seen)-1]; l.HasOld {
					t.Errorf("after its end, and nothing that keeps it, the old value is %v", l.Old)
				}
			})
		})
	}
}

// noErr gives what was made, or fails the test.
func noErr[T any](made T, err error) func(t *testing.T) T {
	return func(t *testing.T) T {
		t.Helper()
		noError(t, err)
		return made
	}
}

func TestUnchangedWithoutAnOldValueIsAnError(t *testing.T) {
	f := memoize.Must(memoize.New(func(ctx context.Context, _ int) (int, error) {
		l, _ := memoize.LoadOf[int](ctx)
		return l.Unchanged()
	}))
	_, err := f.Call(t.Context(), 1)
	loadError(t, err, memoize.Failed, memoize.ErrNoOld)
	noError(t, f.Set(t.Context(), 1, 7))
	wants(t, 7)(f.Refresh(t.Context(), 1))
}

// Wrapped it is an error like any other, which says what is wrong.
func TestUnchangedIsReturnedAsItStands(t *testing.T) {
	f := memoize.Must(memoize.New(func(ctx context.Context, _ int) (int, error) {
		l, _ := memoize.LoadOf[int](ctx)
		v, err := l.Unchanged()
		return v, fmt.Errorf("wrapped: %w", err)
	}))
	noError(t, f.Set(t.Context(), 1, 7))
	if _, err := f.Refresh(t.Context(), 1); err == nil {
		t.Error("a wrapped Unchanged is taken for one")
	}
	wants(t, 7)(f.Call(t.Context(), 1))
}

func TestLoadOfWithoutAnOldValue(t *testing.T) {
	var loads []memoize.Load[int]
	fails := true
	f := memoize.Must(memoize.New(func(ctx context.Context, _ int) (int, error) {
		l, ok := memoize.LoadOf[int](ctx)
		if !ok {
			t.Error("there is no load")
		}
		if loads = append(loads, l); fails {
			return 0, errNone
		}
		return 1, nil
	}, config.Remember(time.Hour, errNone)))
	for range 2 {
		if _, err := f.Refresh(t.Context(), 1); err != errNone {
			t.Errorf("the call gets %v", err)
		}
	}
	fails = false
	wants(t, 1)(f.Direct(t.Context(), 1))
	wants(t, 1)(f.Refresh(t.Context(), 1))
	wants(t, 1)(f.Direct(t.Context(), 1))
	for i, cause := range []observe.Cause{observe.Forced, observe.Forced, observe.Direct, observe.Forced, observe.Direct} {
		if l := loads[i]; l.Cause != cause || l.HasOld {
			t.Errorf("load %d is %+v, want a %v one without an old value", i+1, l, cause)
		}
	}
}

func TestLoadOfIsTheInnermost(t *testing.T) {
	var inner *memoize.Func[string, string]
	outer := memoize.Must(memoize.New(func(ctx context.Context, n int) (int, error) {
		if _, ok := memoize.LoadOf[string](ctx); ok {
			t.Error("a load of ints is one of strings")
		}
		if _, err := inner.Call(ctx, "key"); err != nil {
			return 0, err
		}
		l, ok := memoize.LoadOf[int](ctx)
		if !ok || l.Cause != observe.Forced || !l.HasOld || l.Old != 5 {
			t.Errorf("after a nested call the load is %+v, %v", l, ok)
		}
		return n, nil
	}))
	inner = memoize.Must(memoize.New(func(ctx context.Context, _ string) (string, error) {
		if l, ok := memoize.LoadOf[string](ctx); !ok || l.Cause != observe.Miss || l.HasOld {
			t.Errorf("the inner load is %+v, %v", l, ok)
		}
		if _, ok := memoize.LoadOf[int](ctx); ok {
			t.Error("the outer load is taken for the innermost")
		}
		return "x", nil
	}))
	noError(t, outer.Set(t.Context(), 1, 5))
	wants(t, 1)(outer.Refresh(t.Context(), 1))
	if _, ok := memoize.LoadOf[int](t.Context()); ok {
		t.Error("there is a load outside of any")
	}
}

// A source that was given up has no load any more, and may keep what it had of it.
func TestLoadOfAfterTheMethodTimeout(t *testing.T) {
	bubble(t, func(t *testing.T) {
		said := make(chan bool, 2)
		f := memoize.Must(memoize.New(func(ctx context.Context, _ int) (int, error) {
			l, ok := memoize.LoadOf[int](ctx)
			said <- ok && l.HasOld
			time.Sleep(time.Minute)
			_, ok = memoize.LoadOf[int](ctx)
			said <- ok
			return l.Unchanged()
		}, config.MethodTimeout(time.Second), config.ExpireAfter(time.Hour)))
		noError(t, f.Set(t.Context(), 1, 7))
		_, err := f.Refresh(t.Context(), 1)
		loadError(t, err, memoize.TimedOut, memoize.ErrLoadTimeout)
		noError(t, f.Close(t.Context()))
		if !<-said || <-said {
			t.Error("want a load before the method timeout, and none after")
		}
	})
}

func TestBatchOf(t *testing.T) {
	for name, opts := range map[string]func() []config.Option{
		"in memory": func() []config.Option { return nil },
		"claimed": func() []config.Option {
			return []config.Option{config.Store(noErr(storage.Open(t.Context(), "memory://"))(t)), config.Name("batch")}
		},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				var kept *memoize.Batch[string, string]
				f := memoize.Must(memoize.NewBatched(func(ctx context.Context, keys []string) (map[string]string, error) {
					b, ok := memoize.BatchOf[string, string](ctx)
					if !ok {
						return nil, errors.New("no batch")
					}
					if _, ok := memoize.LoadOf[string](ctx); ok {
						t.Error("a batch is a load of one key")
					}
					kept = b
					values := map[string]string{}
					for _, key := range keys {
						switch old, age, ok := b.Old(ctx, key); {
						case ok && key == "1":
							noError(t, b.Unchanged(ctx, key))
						case ok:
							values[key] = fmt.Sprint(old, " then ", age)
						case key == "4":
							if err := b.Unchanged(ctx, key); !errors.Is(err, memoize.ErrNoOld) {
								t.Errorf("unchanged without an old value is %v", err)
							}
						default:
							values[key] = "new " + key
						}
					}
					if err := b.Unchanged(ctx, "99"); !errors.Is(err, memoize.ErrNoOld) {
						t.Errorf("unchanged of a key that is not asked for is %v", err)
					}
					return values, nil
				}, append(opts(), config.ExpireAfter(time.Hour))...))
				defer f.Close(context.Background())
				ctx := t.Context()
				_, err := f.CallMany(ctx, []string{"1", "2", "3"})
				noError(t, err)
				time.Sleep(time.Second)
				got, err := f.RefreshMany(ctx, []string{"1", "2", "4"})
				var many *memoize.ManyError
				if !errors.As(err, &many) || many.At(0) != nil || many.At(1) != nil || !errors.Is(many.At(2), memoize.ErrNoValue) {
					t.Fatalf("the errors are %v", err)
				}
				if got[0] != "new 1" || got[1] != "new 2 then 1s" {
					t.Errorf("the values are %q", got)
				}
				r, err := f.Result(ctx, "1")
				noError(t, err)
				if r.Age != 0 {
					t.Errorf("what was called unchanged just now is %v old", r.Age)
				}
				if err := kept.Unchanged(ctx, "1"); err == nil {
					t.Error("a batch that is over can still be told")
				}
				if _, ok := memoize.BatchOf[string, string](ctx); ok {
					t.Error("there is a batch outside of any")
				}
			})
		})
	}
}

func ExampleLoadOf() {
	modified := false
	read := func(ctx context.Context, url string) (string, error) {
		l, _ := memoize.LoadOf[string](ctx)
		if l.HasOld && !modified { // a server would answer 304 to If-None-Match
			fmt.Println("not modified")
			return l.Unchanged()
		}
		return "the page", nil
	}
	pages := memoize.Must(memoize.New(read))
	ctx := context.Background()
	first, _ := pages.Call(ctx, "/index")
	again, _ := pages.Refresh(ctx, "/index")
	fmt.Println(first == again)
	// Output:
	// not modified
	// true
}

func ExampleBatchOf() {
	prices := memoize.Must(memoize.NewBatched(func(ctx context.Context, items []string) (map[string]int, error) {
		b, _ := memoize.BatchOf[string, int](ctx)
		found := map[string]int{}
		for _, item := range items {
			if _, _, ok := b.Old(ctx, item); ok {
				_ = b.Unchanged(ctx, item) // and left out
				continue
			}
			found[item] = 3 * len(item)
		}
		return found, nil
	}))
	ctx := context.Background()
	_, _ = prices.CallMany(ctx, []string{"pear", "plum"})
	values, err := prices.RefreshMany(ctx, []string{"pear", "fig"})
	fmt.Println(values, err)
	// Output: [12 9] <nil>
}
