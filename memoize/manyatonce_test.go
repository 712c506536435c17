package memoize_test

import (
	"bytes"
	"context"
	"errors"
	"runtime"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/perennial-go/perennial/config"
	"github.com/perennial-go/perennial/memoize"
	"github.com/perennial-go/perennial/observe"
)

// unhurried is a storage in memory that takes a second to release.
type unhurried struct{ listed }

func (s *unhurried) Release(ctx context.Context, key string) error {
	time.Sleep(time.Second)
	return s.listed.Release(ctx, key)
}

// Verbs for many change up to 16 keys side by side where that takes trips, and one
// after another in memory.
func TestHowManyKeysAreChangedAtOnce(t *testing.T) {
	keys := make([]string, 40)
	for i := range keys {
		keys[i] = string(rune('A' + i))
	}
	for n, want := range map[int]time.Duration{1: time.Second, 2: time.Second, 16: time.Second, 17: 2 * time.Second, 40: 3 * time.Second} {
		bubble(t, func(t *testing.T) {
			s := &mockStorage[string, int]{free: func(context.Context, string) error { time.Sleep(time.Second); return nil }}
			f, _, _ := changing(t, config.Storage[string, int](s), config.StoreBudget(time.Minute, time.Minute))
			began := time.Now()
			noError(t, f.InvalidateMany(t.Context(), keys[:n]))
			if took := time.Since(began); took != want || len(s.all()) != n {
				t.Errorf("%d keys elsewhere took %v, want %v", n, took, want)
			}
			f, _, _ = changing(t, config.Storage[string, int](&unhurried{*newListed()}))
			began = time.Now()
			noError(t, f.InvalidateMany(t.Context(), keys[:n]))
			if took := time.Since(began); took != time.Duration(n)*time.Second {
				t.Errorf("%d keys in memory took %v", n, took)
			}
		})
	}
}

// Keys that can't be made are errors of their own, also where that ends the goroutine.
func TestManyKeysOfWhichSomeCantBeMade(t *testing.T) {
	bubble(t, func(t *testing.T) {
		keys := config.KeyFunc[string, string](func(_ context.Context, arg string) (string, error) {
			switch arg {
			case "bad":
				return "", errOutage
			case "exit":
				runtime.Goexit()
			}
			return arg, nil
		})
		s := new(mockStorage[string, int])
		f, _, _ := changing(t, config.Storage[string, int](s), config.Keys[string, string](keys))
		at := func(err error, want ...error) {
			t.Helper()
			var many *memoize.ManyError
			if !errors.As(err, &many) {
				t.Fatalf("%v", err)
			}
			for i, want := range want {
				if got := many.At(i); (want == nil) != (got == nil) || !errors.Is(got, want) {
					t.Errorf("at %d: %v, want %v", i, got, want)
				}
			}
		}
		at(f.InvalidateMany(t.Context(), []string{"a", "exit", "bad"}), nil, memoize.ErrGoexit, errOutage)
		touched, err := f.TouchMany(t.Context(), []string{"bad", "a"})
		at(err, errOutage, nil)
		if len(touched) != 2 {
			t.Errorf("%v", touched)
		}
		values, err := f.CallMany(t.Context(), []string{"a", "bad", "b", "bad"})
		at(err, nil, errOutage, nil, errOutage)
		if !slices.Equal(values, []int{1, 0, 1, 0}) {
			t.Errorf("%v", values)
		}
		if st := f.Stats(); st.Failed != 2 || st.Loaded != 2 || st.Calls != 4 {
			t.Errorf("%+v", st)
		}
		if _, found := f.PeekMany(t.Context(), []string{"bad", "a"}); !slices.Equal(found, []bool{false, true}) {
			t.Errorf("%v", found)
		}
		if err := f.SetMany(t.Context(), []string{"a"}, nil); err == nil {
			t.Error("values that are missing are no error")
		}
	})
}

// Under a context that has ended a call for many serves what is there, and leaves for
// the rest.
func TestCallManyUnderAContextThatHasEnded(t *testing.T) {
	bubble(t, func(t *testing.T) {
		source := returning[string](1)
		f := memoize.Must(memoize.New(source.load, with(config.Logger(discardLog))...))
		calls(t, f, "a")
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		values, err := f.CallMany(ctx, []string{"b", "a", "c"})
		if !errors.Is(err, context.Canceled) || !slices.Equal(values, []int{0, 1, 0}) {
			t.Errorf("%v, %v", values, err)
		}
		settled(t, f)
		wantCalls(t, source, 1)
		if st := f.Stats(); st.Left != 2 || st.Fresh != 1 || st.Calls != 4 {
			t.Errorf("%+v", st)
		}
		noError(t, f.Close(t.Context()))
	})
}

// A source of one key is asked for each stale one by a refresh of its own; one of many
// for all of them.
func TestRefreshesOfManyStaleValues(t *testing.T) {
	for name, batched := range map[string]bool{"one by one": false, "in a batch": true} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				var told journal
				opts := with(config.Observe(observe.Func(func(_ context.Context, e observe.Event) {
					if e.Kind == observe.LoadStarted && e.Cause == observe.Refresh {
						told.add("of %d", e.Count)
					}
				})))
				hold := make(chan struct{})
				waits := false
				load := func(key string) int {
					if waits {
						<-hold
					}
					return len(key)
				}
				f := memoize.Must(memoize.New(func(_ context.Context, key string) (int, error) { return load(key), nil }, opts...))
				running := 3
				if batched {
					running = 1
					f = memoize.Must(memoize.NewBatched(func(_ context.Context, keys []string) (map[string]int, error) {
						found := map[string]int{}
						for _, key := range keys {
							found[key] = load(key)
						}
						return found, nil
					}, opts...))
				}
				args := []string{"a", "b", "c"}
				if _, err := f.CallMany(t.Context(), args); err != nil {
					t.Error(err)
				}
				settled(t, f)
				time.Sleep(time.Minute)
				waits = true
				for range 2 { // the second finds that they run
					if values, err := f.CallMany(t.Context(), args); err != nil || !slices.Equal(values, []int{1, 1, 1}) {
						t.Errorf("%v, %v", values, err)
					}
					synctest.Wait()
					if st := f.Stats(); st.RefreshesRunning != running || st.Refreshes != uint64(running) || st.Shed != 0 {
						t.Errorf("%d refreshes run, %d have begun", st.RefreshesRunning, st.Refreshes)
					}
				}
				close(hold)
				settled(t, f)
				want := []string{"of 1", "of 1", "of 1"}
				if batched {
					want = []string{"of 3"}
				}
				told.hears(t, want...)
				if st := f.Stats(); st.Stale != 6 || st.RefreshesRunning != 0 {
					t.Errorf("%+v", st)
				}
				noError(t, f.Close(t.Context()))
			})
		})
	}
}

// A load that runs while its key is restored is stored in the end; a change of settings
// while a restore reads lets nothing come back that is invalidated after it.
func TestRestoreAmidOtherThings(t *testing.T) {
	bubble(t, func(t *testing.T) {
		data := snapshotOf(t, "a", "b")
		live := mutable(with()...)
		source := returning[string](5)
		f := memoize.Must(memoize.Memoize(source.load, live, config.Name("changing"), config.Logger(discardLog)))
		open := source.holds()
		finish := begin(1, func() (int, error) { return f.Call(t.Context(), "a") })
		raw := make([]byte, data.Len())
		_, _ = data.Read(raw)
		n, err := f.Restore(t.Context(), bytes.NewReader(raw))
		if n != 2 || err != nil {
			t.Errorf("restored %d, %v", n, err)
		}
		open()
		allWant(t, 5, finish())
		settled(t, f)
		wants(t, 5)(f.Call(t.Context(), "a"))
		if st := f.Stats(); st.Fenced != 0 {
			t.Errorf("%d are fenced", st.Fenced)
		}
		noError(t, f.InvalidateAll(t.Context()))
		n, err = f.Restore(t.Context(), &interrupted{bytes.NewReader(raw), func() {
			noError(t, live.Apply(config.MethodTimeout(time.Second)))
			noError(t, f.Invalidate(t.Context(), "b"))
		}})
		if n != 1 || err != nil || f.Has(t.Context(), "b") || !f.Has(t.Context(), "a") {
			t.Errorf("restored %d, %v", n, err)
		}
		noError(t, f.Close(t.Context()))
	})
}

// interrupted calls f before it is read.
type interrupted struct {
	*bytes.Reader
	f func()
}

func (r *interrupted) Read(p []byte) (int, error) {
	if r.f != nil {
		r.f()
		r.f = nil
	}
	return r.Reader.Read(p)
}

// A strategy that panics ends a Restore, which says so.
func TestRestoreWithAStrategyThatPanics(t *testing.T) {
	bubble(t, func(t *testing.T) {
		data := snapshotOf(t, "a", "b", "c")
		strategy := new(row)
		strategy.hook = func(what string) {
			if what == "written b" {
				panic("oops")
			}
		}
		f, _, told := changing(t, config.Evict[string](strategy))
		n, err := f.Restore(t.Context(), data)
		var p *memoize.PanicError
		if n != 2 || !errors.As(err, &p) {
			t.Errorf("restored %d, %v", n, err)
		}
		told.hears(t, "panicked")
		strategy.hears(t, "written a", "written b")
	})
}
