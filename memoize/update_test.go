package memoize_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/perennial-go/perennial/config"
	"github.com/perennial-go/perennial/entry"
	"github.com/perennial-go/perennial/eviction"
	"github.com/perennial-go/perennial/memoize"
	"github.com/perennial-go/perennial/storage"
)

func increment(old int, _ bool) (int, error) { return old + 1, nil }

// A hundred Updates at once lose none, whether change takes no time or long, and run once
// each.
func TestUpdatesLoseNothing(t *testing.T) {
	for name, takes := range map[string]time.Duration{"at once": 0, "slow": time.Second} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				source := returning[string](1000)
				f := memoize.Must(memoize.New(source.load, with()...))
				var runs atomic.Int32
				began := time.Now()
				all := together(100, func() (int, error) {
					return f.Update(t.Context(), "key", func(old int, ok bool) (int, error) {
						runs.Add(1)
						time.Sleep(takes)
						return old + 1, nil
					})
				})
				seen := map[int]bool{}
				for _, r := range all {
					noError(t, r.err)
					seen[r.value] = true
				}
				if v, ok := f.Peek(t.Context(), "key"); v != 100 || !ok || len(seen) != 100 || runs.Load() != 100 {
					t.Errorf("after 100 increments there is %d, %v, with %d results of %d runs", v, ok, len(seen), runs.Load())
				}
				if took := time.Since(began); took != 100*takes {
					t.Errorf("it took %v", took)
				}
				wantCalls(t, source, 0)
			})
		})
	}
}

// Without a bubble, and beside everything else that leaves the key's count alone.
func TestUpdatesAtOnce(t *testing.T) {
	f := memoize.Must(memoize.New(func(context.Context, int) (int, error) { return 0, nil }, config.Capacity(4), config.Logger(discardLog)))
	noError(t, f.Set(t.Context(), 1, 0))
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for range 200 {
				_, err := f.Update(t.Context(), 1, increment)
				noErrorIn(t, err)
				_, err = f.Touch(t.Context(), 1)
				noErrorIn(t, err)
				_, err = f.Call(t.Context(), 1)
				noErrorIn(t, err)
			}
		})
	}
	all.Wait()
	if v, ok := f.Peek(t.Context(), 1); v != 1600 {
		t.Errorf("after 1600 increments there is %d, %v", v, ok)
	}
}

// What changes the key while change runs is seen: it runs again with what is there then.
func TestUpdateSeesWhatComesMeanwhile(t *testing.T) {
	for name, test := range map[string]struct {
		stored bool
		comes  func(t *testing.T, f *memoize.Func[string, int])
		want   int // after change has added 1
		saw    string
	}{
		"nothing":                  {true, func(*testing.T, *memoize.Func[string, int]) {}, 6, "[5 true]"},
		"a Set":                    {true, func(t *testing.T, f *memoize.Func[string, int]) { noError(t, f.Set(t.Context(), "key", 9)) }, 10, "[5 true 9 true]"},
		"an Invalidate":            {true, func(t *testing.T, f *memoize.Func[string, int]) { noError(t, f.Invalidate(t.Context(), "key")) }, 1, "[5 true 0 false]"},
		"an InvalidateAll":         {true, func(t *testing.T, f *memoize.Func[string, int]) { noError(t, f.InvalidateAll(t.Context())) }, 1, "[5 true 0 false]"},
		"an Invalidate of nothing": {false, func(t *testing.T, f *memoize.Func[string, int]) { noError(t, f.Invalidate(t.Context(), "key")) }, 1, "[0 false 0 false]"},
		"a Set and an Invalidate": {false, func(t *testing.T, f *memoize.Func[string, int]) {
			noError(t, f.Set(t.Context(), "key", 9))
			noError(t, f.Invalidate(t.Context(), "key"))
		}, 1, "[0 false 0 false]"},
		"a Set of the same": {true, func(t *testing.T, f *memoize.Func[string, int]) { noError(t, f.Set(t.Context(), "key", 5)) }, 6, "[5 true 5 true]"},
		"a load": {true, func(t *testing.T, f *memoize.Func[string, int]) {
			_, err := f.Refresh(t.Context(), "key")
			noError(t, err)
		}, 1001, "[5 true 1000 true]"},
		"a Touch": {true, func(t *testing.T, f *memoize.Func[string, int]) {
			_, err := f.Touch(t.Context(), "key")
			noError(t, err)
		}, 6, "[5 true 5 true]"},
		"an eviction": {true, func(t *testing.T, f *memoize.Func[string, int]) {
			for i := range 10 {
				noError(t, f.Set(t.Context(), fmt.Sprint(i), i))
			}
		}, 1, "[5 true 0 false]"},
		"its expiry": {true, func(*testing.T, *memoize.Func[string, int]) { time.Sleep(2 * time.Hour) }, 1, "[5 true 0 false]"},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				source := returning[string](1000)
				f := memoize.Must(memoize.New(source.load, with(config.Evict(eviction.LeastRecentlyUsed[string](4)))...))
				if test.stored {
					noError(t, f.Set(t.Context(), "key", 5))
				}
				var saw []any
				v, err := f.Update(t.Context(), "key", func(old int, ok bool) (int, error) {
					if saw = append(saw, old, ok); len(saw) == 2 {
						done := make(chan struct{}) // on another goroutine: on this one it would be refused
						go func() {
							defer close(done)
							test.comes(t, f)
						}()
						<-done
						synctest.Wait()
					}
					return old + 1, nil
				})
				noError(t, err)
				stored, ok := f.Peek(t.Context(), "key")
				if v != test.want || stored != v || !ok || fmt.Sprint(saw) != test.saw {
					t.Errorf("change saw %v, returned %d, and %d, %v is stored; want %s and %d", saw, v, stored, ok, test.saw, test.want)
				}
			})
		})
	}
}

// A load that began before an Update ends does not replace what that has stored, and who
// waits for it gets what is newer.
func TestUpdateSupersedesLoads(t *testing.T) {
	bubble(t, func(t *testing.T) {
		source := returning[string](1000)
		f := memoize.Must(memoize.New(source.load, with()...))
		open := source.holds()
		calls := begin(3, func() (int, error) { return f.Call(t.Context(), "key") })
		_, err := f.Update(t.Context(), "key", increment)
		noError(t, err)
		open()
		for _, r := range calls() {
			wants(t, 1)(r.value, r.err)
		}
		wants(t, 1)(f.Call(t.Context(), "key"))
		wantCalls(t, source, 1)
	})
}

// An error or a panic of change changes nothing, and harms nobody: not the load that runs.
func TestUpdateThatFails(t *testing.T) {
	bubble(t, func(t *testing.T) {
		no := errors.New("no")
		source := returning[string](1000)
		f := memoize.Must(memoize.New(source.load, with(config.Logger(discardLog))...))
		open := source.holds()
		calls := begin(3, func() (int, error) { return f.Call(t.Context(), "key") })
		for what, change := range map[string]func(int, bool) (int, error){
			"an error": func(int, bool) (int, error) { return 7, no },
			"a panic":  func(int, bool) (int, error) { panic(no) },
		} {
			v, err := f.Update(t.Context(), "key", change)
			if v != 0 || !errors.Is(err, no) || !strings.Contains(err.Error(), `"key"`) || f.Has(t.Context(), "key") {
				t.Errorf("%s: %d, %v", what, v, err)
			}
		}
		done := make(chan struct{})
		go func() {
			defer close(done)
			_, _ = f.Update(t.Context(), "key", func(int, bool) (int, error) { runtime.Goexit(); return 0, nil })
		}()
		<-done
		open()
		for _, r := range calls() {
			wants(t, 1000)(r.value, r.err)
		}
		if s := f.Stats(); s.Fenced != 0 || s.Panics != 1 || s.Loads != 1 {
			t.Errorf("the counters are %+v", s)
		}
		wants(t, 1001)(f.Update(t.Context(), "key", increment)) // the turn was given back
	})
}

// Who waits for the turn leaves when its context ends; and who never succeeds, for the key
// changes each time, does so as well.
func TestUpdateKeepsItsDeadline(t *testing.T) {
	bubble(t, func(t *testing.T) {
		f := memoize.Must(memoize.New(returning[string](1).load, with()...))
		slow := begin(1, func() (int, error) {
			return f.Update(t.Context(), "key", func(old int, _ bool) (int, error) {
				time.Sleep(time.Hour)
				return old + 1, nil
			})
		})
		began := time.Now()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := f.Update(ctx, "key", increment); !errors.Is(err, context.DeadlineExceeded) || time.Since(began) != time.Second {
			t.Errorf("after %v: %v", time.Since(began), err)
		}
		wants(t, 1)(slow()[0].value, slow()[0].err)
		ctx, cancel = context.WithTimeout(t.Context(), time.Minute-time.Second/2)
		defer cancel()
		tries := 0
		_, err := f.Update(ctx, "key", func(old int, _ bool) (int, error) {
			tries++
			done := make(chan struct{})
			go func() {
				defer close(done)
				time.Sleep(time.Second)
				noErrorIn(t, f.Set(t.Context(), "key", 5))
			}()
			<-done
			return old + 1, nil
		})
		if !errors.Is(err, context.DeadlineExceeded) || tries != 60 {
			t.Errorf("after %d tries: %v", tries, err)
		}
		wants(t, 5)(f.Call(t.Context(), "key"))
	})
}

// To change its own key from within is an error, by every verb; other keys may be.
func TestUpdateWithinItself(t *testing.T) {
	f := memoize.Must(memoize.New(func(_ context.Context, key string) (int, error) { return len(key), nil }, with()...))
	ctx := t.Context()
	verbs := map[string]func(key string) error{
		"Set":        func(key string) error { return f.Set(ctx, key, 1) },
		"SetFor":     func(key string) error { return f.SetFor(ctx, key, 1, entry.Life{ExpireAfter: time.Hour}) },
		"Invalidate": func(key string) error { return f.Invalidate(ctx, key) },
		"Touch":      func(key string) error { _, err := f.Touch(ctx, key); return err },
		"Refresh":    func(key string) error { _, err := f.Refresh(ctx, key); return err },
		"Update":     func(key string) error { _, err := f.Update(ctx, key, increment); return err },
	}
	for _, name := range slices.Sorted(maps.Keys(verbs)) {
		v, err := f.Update(ctx, "key", func(old int, _ bool) (int, error) {
			if err := verbs[name]("key"); !errors.Is(err, memoize.ErrRecursion) {
				t.Errorf("%s of its own key: %v", name, err)
			}
			if err := verbs[name]("another"); err != nil {
				t.Errorf("%s of another: %v", name, err)
			}
			if _, err := f.Call(ctx, "key"); err != nil {
				t.Errorf("a call: %v", err)
			}
			return old + 10, nil
		})
		if err != nil || v < 10 {
			t.Errorf("%s: %d, %v", name, v, err)
		}
		noError(t, verbs[name]("key")) // outside it is allowed
	}
	if err := f.InvalidateAll(ctx); err != nil {
		t.Error(err)
	}
}

// Where Update can't keep its word it says so, and what it needs.
func TestUpdateRefused(t *testing.T) {
	m := storage.NewMemory()
	defer m.Close()
	load := func(_ context.Context, key float64) (int, error) { return 1, nil }
	shared := memoize.Must(memoize.New(load, config.Name("shared"), sharing(t, struct {
		storage.Bytes
		storage.FencedBytes // which can't swap
	}{m, m})))
	local := memoize.Must(memoize.New(load))
	closed := memoize.Must(memoize.New(load))
	noError(t, closed.Close(t.Context()))
	nan := 0.0
	nan /= nan
	for name, test := range map[string]struct {
		f      *memoize.Func[float64, int]
		key    float64
		change func(int, bool) (int, error)
		want   error
		says   string
	}{
		"a store": {shared, 1, increment, memoize.ErrUnsupported, "storage.Swapper"},
		"NaN":     {local, nan, increment, memoize.ErrKey, ""},
		"closed":  {closed, 1, increment, memoize.ErrClosed, ""},
		"nil":     {local, 1, nil, nil, "give it one"},
	} {
		if _, err := test.f.Update(t.Context(), test.key, test.change); err == nil || test.want != nil && !errors.Is(err, test.want) || !strings.Contains(err.Error(), test.says) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if local.Len() != 0 {
		t.Error("something is stored")
	}
}

// A change of the storage is a change of the key.
func TestUpdateWhileTheStorageIsSwapped(t *testing.T) {
	bubble(t, func(t *testing.T) {
		live := mutable(with()...)
		f := memoize.Must(memoize.Memoize(returning[string](1).load, live))
		noError(t, f.Set(t.Context(), "key", 5))
		tries := 0
		wants(t, 1)(f.Update(t.Context(), "key", func(old int, _ bool) (int, error) {
			if tries++; tries == 1 {
				noError(t, live.Apply(config.Storage[string, int](storage.NewInMemory[string, int]())))
			}
			return old + 1, nil
		}))
		wants(t, 1)(f.Call(t.Context(), "key"))
	})
}

// What Update stores is weighed, evicts and has a life as what Set stores.
func TestUpdateStoresAsSet(t *testing.T) {
	bubble(t, func(t *testing.T) {
		f := memoize.Must(memoize.New(returning[int](1).load, with(config.Capacity(10), config.Weigh(func(_ int, v int) int { return v }), config.Logger(discardLog))...))
		for key := range 20 {
			_, err := f.Update(t.Context(), key, func(int, bool) (int, error) { return 3, nil })
			noError(t, err)
		}
		if n := f.Len(); n != 3 {
			t.Errorf("%d are kept", n)
		}
		if _, err := f.Update(t.Context(), 1, func(int, bool) (int, error) { return -1, nil }); !errors.Is(err, memoize.ErrWeight) {
			t.Errorf("got %v", err)
		}
		time.Sleep(time.Hour + time.Second)
		if n := f.Len(); n != 0 {
			t.Errorf("%d have not expired", n)
		}
	})
}

// An Update whose value learns of a tag that was invalidated while its function ran is
// done again: it may have been made of what is no longer true.
func TestG16UpdateIsDoneAgain(t *testing.T) {
	var f *memoize.Func[string, int]
	runs := 0
	f = memoize.Must(memoize.New(returning[string](1).load, config.Tags(func(string, int) []string { return []string{"t"} })))
	v, err := f.Update(t.Context(), "a", func(int, bool) (int, error) {
		if runs++; runs == 1 {
			noError(t, f.InvalidateTag(t.Context(), "t"))
		}
		return 10 * runs, nil
	})
	if err != nil || v != 20 || runs != 2 {
		t.Errorf("got %v, %v in %d runs, want 20 in 2", v, err, runs)
	}
	noError(t, f.InvalidateTag(t.Context(), "t"))
	if f.Has(t.Context(), "a") {
		t.Error("what Update has stored does not carry its tag")
	}
}
