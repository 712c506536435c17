package memoize_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/perennial-go/perennial/config"
	"github.com/perennial-go/perennial/entry"
	"github.com/perennial-go/perennial/eviction"
	"github.com/perennial-go/perennial/memoize"
	"github.com/perennial-go/perennial/observe"
)

// rescuing are settings under which values expire after 10 seconds and are kept for a
// minute more.
func rescuing(opts ...config.Option) []config.Option {
	return append(opts, config.UpdateAfter(10*time.Second), config.ExpireAfter(10*time.Second), config.StaleIfError(time.Minute), config.Logger(nil))
}

func TestG14ARescueHasABound(t *testing.T) {
	overStores(t, func(t *testing.T, opts ...config.Option) {
		var events []observe.Event
		s := returning[string](1)
		f, err := memoize.New(s.load, append(rescuing(opts...), config.Observe(observe.Func(func(_ context.Context, ev observe.Event) {
			if ev.Kind == observe.Rescued {
				events = append(events, ev)
			}
		})))...)
		madeOf(t, f, err)
		ctx := t.Context()
		wants(t, 1)(f.Call(ctx, "a"))
		s.fails(errDown)
		for passed := 10 * time.Second; passed < 70*time.Second; passed += 10 * time.Second { // no failure moves the bound
			time.Sleep(10 * time.Second)
			r, err := f.Result(ctx, "a")
			if err != nil || r.Value != 1 || r.Why != memoize.Rescued || r.State != entry.Expired || r.Age.Round(time.Second) != passed {
				t.Fatalf("after %v got %+v, %v", passed, r, err)
			}
		}
		if _, ok := f.Peek(ctx, "a"); ok {
			t.Error("Peek finds what has expired")
		}
		time.Sleep(9900 * time.Millisecond)
		wants(t, 1)(f.Call(ctx, "a"))
		time.Sleep(100 * time.Millisecond)
		_, err = f.Call(ctx, "a")
		loadError(t, err, memoize.Failed, errDown)
		wantCalls(t, s, 9)
		st := f.Stats()
		if st.Rescued != 7 || st.Failed != 1 || st.LoadsFailed != 8 || st.Calls != 9 || len(events) != 7 || events[0].Key != `"a"` || !errors.Is(events[0].Err, errDown) || events[0].Duration.Round(time.Second) != 10*time.Second {
			t.Errorf("the counters are %+v, the events %v", st, events)
		}
	})
}

// Successes move the bound: a load, a Set, a Touch, and Unchanged.
func TestG14SuccessesMoveTheBound(t *testing.T) {
	for name, renew := range map[string]func(ctx context.Context, f *memoize.Func[string, int]) error{
		"a load": func(ctx context.Context, f *memoize.Func[string, int]) error {
			_, err := f.Refresh(ctx, "a")
			return err
		},
		"Set": func(ctx context.Context, f *memoize.Func[string, int]) error { return f.Set(ctx, "a", 1) },
		"SetFor": func(ctx context.Context, f *memoize.Func[string, int]) error {
			return f.SetFor(ctx, "a", 1, entry.Life{ExpireAfter: 10 * time.Second})
		},
		"Update": func(ctx context.Context, f *memoize.Func[string, int]) error {
			_, err := f.Update(ctx, "a", func(int, bool) (int, error) { return 1, nil })
			if errors.Is(err, memoize.ErrUnsupported) {
				return f.Set(ctx, "a", 1)
			}
			return err
		},
		"Touch": func(ctx context.Context, f *memoize.Func[string, int]) error {
			if ok, err := f.Touch(ctx, "a"); !ok || err != nil {
				return fmt.Errorf("touched %v, %w", ok, err)
			}
			return nil
		},
	} {
		t.Run(name, func(t *testing.T) {
			overStores(t, func(t *testing.T, opts ...config.Option) {
				s := returning[string](1)
				f, err := memoize.New(s.load, rescuing(opts...)...)
				madeOf(t, f, err)
				ctx := t.Context()
				wants(t, 1)(f.Call(ctx, "a"))
				time.Sleep(9 * time.Second)
				noError(t, renew(ctx, f))
				s.fails(errDown)
				time.Sleep(69900 * time.Millisecond)
				wants(t, 1)(f.Call(ctx, "a"))
				time.Sleep(200 * time.Millisecond)
				if _, err := f.Call(ctx, "a"); !errors.Is(err, errDown) {
					t.Errorf("past the bound the call gets %v", err)
				}
			})
		})
	}
	t.Run("Unchanged", func(t *testing.T) {
		overStores(t, func(t *testing.T, opts ...config.Option) {
			down, asked := false, 0
			f, err := memoize.New(func(ctx context.Context, _ string) (int, error) {
				asked++
				if down {
					return 0, errDown
				}
				if l, _ := memoize.LoadOf[int](ctx); l.HasOld {
					return l.Unchanged()
				}
				return 1, nil
			}, rescuing(opts...)...)
			madeOf(t, f, err)
			ctx := t.Context()
			wants(t, 1)(f.Call(ctx, "a"))
			time.Sleep(60 * time.Second) // expired, and kept
			r, err := f.Result(ctx, "a")
			if err != nil || r.Value != 1 || r.Why != memoize.Miss || r.Age != 0 {
				t.Fatalf("what was kept and is unchanged is %+v, %v", r, err)
			}
			down = true
			time.Sleep(69900 * time.Millisecond)
			wants(t, 1)(f.Call(ctx, "a"))
			time.Sleep(200 * time.Millisecond)
			if _, err := f.Call(ctx, "a"); !errors.Is(err, errDown) || asked != 4 {
				t.Errorf("past the bound the call gets %v, loads: %d", err, asked)
			}
		})
	})
}

func TestG14NoRescue(t *testing.T) {
	overStores(t, func(t *testing.T, opts ...config.Option) {
		s := returning[string](1)
		f, err := memoize.New(s.load, append(rescuing(opts...), config.Remember(time.Second, errNone), config.MethodTimeout(5*time.Second))...)
		madeOf(t, f, err)
		ctx := t.Context()
		expired := func() {
			t.Helper()
			s.returns(1)
			noError(t, f.Set(ctx, "a", 1))
			time.Sleep(20 * time.Second)
			s.fails(errDown)
		}
		expired()
		if _, err := f.Refresh(ctx, "a"); !errors.Is(err, errDown) {
			t.Errorf("who asks for a new value gets %v", err)
		}
		noError(t, f.Invalidate(ctx, "a"))
		if _, err := f.Call(ctx, "a"); !errors.Is(err, errDown) {
			t.Errorf("after an invalidation the call gets %v", err)
		}

		expired()
		open := s.holds()
		calls := begin(1, func() (int, error) { return f.Call(ctx, "a") })
		noError(t, f.Invalidate(ctx, "a"))
		open()
		if r := calls()[0]; !errors.Is(r.err, errDown) {
			t.Errorf("what is invalidated while its load runs is a rescue: %v, %v", r.value, r.err)
		}

		expired()
		s.fails(errNone)
		if _, err := f.Call(ctx, "a"); err == nil || !errors.Is(err, errNone) {
			t.Errorf("an answer is rescued: %v", err)
		}
		time.Sleep(time.Second)
		s.fails(errDown)
		if _, err := f.Call(ctx, "a"); !errors.Is(err, errDown) {
			t.Errorf("an answer, or what it has replaced, is a rescue: %v", err)
		}

		expired()
		defer s.holds()()
		brief, cancel := context.WithTimeout(ctx, time.Second)
		defer cancel()
		if _, err := f.Call(brief, "a"); err != context.DeadlineExceeded {
			t.Errorf("who leaves gets %v", err)
		}
		if r, err := f.Result(ctx, "a"); err != nil || r.Why != memoize.Rescued { // at the method timeout
			t.Errorf("a load that takes too long gives %+v, %v", r, err)
		}
		s.lets()
		if st := f.Stats(); st.Rescued != 1 || st.Left != 1 {
			t.Errorf("the counters are %+v", st)
		}
	})
}

func TestStaleWhen(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := returning[string](1)
		var seen []error
		f, err := memoize.New(s.load, append(rescuing(), config.StaleWhen(func(err error) bool {
			if seen = append(seen, err); len(seen) == 3 {
				panic("in the user's code")
			}
			return errors.Is(err, errDown)
		}))...)
		madeOf(t, f, err)
		wants(t, 1)(f.Call(t.Context(), "a"))
		time.Sleep(20 * time.Second)
		s.fails(errDown)
		wants(t, 1)(f.Call(t.Context(), "a"))
		s.fails(errGone)
		if _, err := f.Call(t.Context(), "a"); !errors.Is(err, errGone) {
			t.Errorf("what is not to be rescued gives %v", err)
		}
		s.fails(errDown)
		if _, err := f.Call(t.Context(), "a"); !errors.Is(err, errDown) {
			t.Errorf("a panic rescues: %v", err)
		}
		if st := f.Stats(); st.Panics != 1 || st.Rescued != 1 {
			t.Errorf("the counters are %+v", st)
		}
		for _, err := range seen {
			if !errors.Is(err, memoize.ErrLoadFailed) {
				t.Errorf("StaleWhen is given %v, want what the call would return", err)
			}
		}
	})
}

func TestG14SoftTimeout(t *testing.T) {
	overStores(t, func(t *testing.T, opts ...config.Option) {
		s := returning[string](1)
		f, err := memoize.New(s.load, append(rescuing(opts...), config.SoftTimeout(200*time.Millisecond))...)
		madeOf(t, f, err)
		ctx := t.Context()
		s.takes = time.Second
		began := time.Now()
		wants(t, 1)(f.Call(ctx, "a")) // there is nothing else to give
		if d := time.Since(began); d != time.Second {
			t.Errorf("the first call took %v", d)
		}
		time.Sleep(20 * time.Second)
		s.returns(2)
		began = time.Now()
		for _, r := range together(3, func() (memoize.Result[int], error) { return f.Result(ctx, "a") }) {
			if r.err != nil || r.value.Value != 1 || r.value.Why != memoize.Rescued {
				t.Fatalf("got %+v, %v", r.value, r.err)
			}
		}
		if d := time.Since(began); d != 200*time.Millisecond {
			t.Errorf("the rescue took %v", d)
		}
		settled(t, f)
		wants(t, 2)(f.Call(ctx, "a")) // which that load has stored
		wantCalls(t, s, 2)
		time.Sleep(20 * time.Second)
		s.takes = 100 * time.Millisecond
		wants(t, 2)(f.Call(ctx, "a")) // in time
		s.takes = time.Second
		time.Sleep(20 * time.Second)
		brief, cancel := context.WithTimeout(ctx, 100*time.Millisecond)
		defer cancel()
		if _, err := f.Call(brief, "a"); err != context.DeadlineExceeded {
			t.Errorf("who leaves before it gets %v", err)
		}
		settled(t, f)
		if st := f.Stats(); st.Rescued != 3 || st.Left != 1 {
			t.Errorf("the counters are %+v", st)
		}
		time.Sleep(20 * time.Second)
		s.returns(3)
		began = time.Now()
		calls := begin(1, func() (int, error) { return f.Call(ctx, "a") })
		noError(t, f.Invalidate(ctx, "a")) // now there is nothing to give, so it waits on
		if r := calls()[0]; r.err != nil || r.value != 3 || time.Since(began) != time.Second {
			t.Errorf("after an invalidation got %v, %v in %v", r.value, r.err, time.Since(began))
		}
		wants(t, 3)(f.Call(ctx, "a"))
	})
}

func TestG14RescuesOfMany(t *testing.T) {
	overStores(t, func(t *testing.T, opts ...config.Option) {
		var down bool
		f, err := memoize.NewBatched(func(ctx context.Context, keys []string) (map[string]int, error) {
			if down {
				time.Sleep(time.Second)
				return nil, errDown
			}
			values := map[string]int{}
			for _, key := range keys {
				values[key] = len(key)
			}
			return values, nil
		}, append(rescuing(opts...), config.SoftTimeout(200*time.Millisecond))...)
		madeOf(t, f, err)
		ctx := t.Context()
		_, err = f.CallMany(ctx, []string{"a", "bb"})
		noError(t, err)
		time.Sleep(20 * time.Second)
		down = true
		began := time.Now()
		values, err := f.CallMany(ctx, []string{"a", "ccc", "bb"})
		var many *memoize.ManyError
		if !errors.As(err, &many) || many.At(0) != nil || many.At(2) != nil || !errors.Is(many.At(1), errDown) || values[0] != 1 || values[2] != 2 {
			t.Errorf("got %v, %v", values, err)
		}
		if d := time.Since(began); d != time.Second {
			t.Errorf("it took %v, that of the key that has nothing", d)
		}
		began = time.Now()
		values, err = f.CallMany(ctx, []string{"a", "bb"})
		if err != nil || values[1] != 2 || time.Since(began) != 200*time.Millisecond {
			t.Errorf("got %v, %v in %v", values, err, time.Since(began))
		}
	})
}

// What is kept is not held for longer than that, counts for the capacity, and goes
// first.
func TestG14WhatIsKeptIsBounded(t *testing.T) {
	bubble(t, func(t *testing.T) {
		f, err := memoize.New(func(_ context.Context, n int) (int, error) { return n, nil }, append(rescuing(), config.Evict(eviction.LeastRecentlyUpdated[int](10)))...)
		madeOf(t, f, err)
		ctx := t.Context()
		for n := range 10 {
			wants(t, n)(f.Call(ctx, n))
		}
		time.Sleep(69 * time.Second)
		if n := f.Len(); n != 10 {
			t.Errorf("%d values are kept, want 10", n)
		}
		for n := range 5 {
			wants(t, 100+n)(f.Call(ctx, 100+n))
		}
		settled(t, f)
		for n := range 5 {
			if !f.Has(ctx, 100+n) {
				t.Errorf("a fresh value went before one that has expired")
			}
		}
		if n := f.Len(); n != 10 {
			t.Errorf("%d values are held, want 10", n)
		}
		time.Sleep(2 * time.Second)
		if n := f.Len(); n != 5 {
			t.Errorf("%d values are held after their time, want 5", n)
		}
	})
}

func TestG14SnapshotsCarryWhatIsKept(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := returning[string](1)
		make := func() *memoize.Func[string, int] {
			f, err := memoize.New(s.load, append(rescuing(), config.Name("f"))...)
			return madeOf(t, f, err)
		}
		ctx, saver, restorer := t.Context(), make(), make()
		wants(t, 1)(saver.Call(ctx, "a"))
		time.Sleep(30 * time.Second)
		var file bytes.Buffer
		if n, err := saver.Save(ctx, &file); n != 1 || err != nil {
			t.Fatalf("saved %d, %v", n, err)
		}
		time.Sleep(30 * time.Second)
		if n, err := restorer.Restore(ctx, strings.NewReader(file.String())); n != 1 || err != nil {
			t.Fatalf("restored %d, %v", n, err)
		}
		s.fails(errDown)
		wants(t, 1)(restorer.Call(ctx, "a"))
		time.Sleep(10 * time.Second)
		if _, err := restorer.Call(ctx, "a"); !errors.Is(err, errDown) {
			t.Errorf("past its bound the restored value is a rescue: %v", err)
		}
		if n, err := make().Restore(ctx, strings.NewReader(file.String())); n != 0 || err != nil {
			t.Errorf("past its bound %d are restored, %v", n, err)
		}
	})
}

func TestStaleIfErrorIsLive(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := returning[string](1)
		c := config.Mutable(config.InMemory[string, int](rescuing()[:3]...))
		f, err := memoize.Memoize(s.load, c, config.Logger(nil))
		madeOf(t, f, err)
		wants(t, 1)(f.Call(t.Context(), "a"))
		time.Sleep(30 * time.Second)
		s.fails(errDown)
		wants(t, 1)(f.Call(t.Context(), "a"))
		noError(t, c.Apply(config.StaleIfError(15*time.Second)))
		if _, err := f.Call(t.Context(), "a"); !errors.Is(err, errDown) {
			t.Errorf("a shorter time is not in force: %v", err)
		}
		noError(t, c.Apply(config.StaleIfError(time.Hour)))
		wants(t, 1)(f.Call(t.Context(), "a"))
		time.Sleep(41 * time.Second)
		if _, err := f.Call(t.Context(), "a"); !errors.Is(err, errDown) {
			t.Errorf("a value is kept for longer than it was stored for: %v", err)
		}
		if err := c.Apply(config.StaleIfError(0), config.SoftTimeout(time.Second)); err == nil {
			t.Error("a soft timeout without anything to rescue with is taken")
		}
	})
}

func ExampleLoad_Unchanged() {
	etag := "v1"
	pages := memoize.Must(memoize.New(func(ctx context.Context, url string) (string, error) {
		l, _ := memoize.LoadOf[string](ctx)
		if l.HasOld && l.Old == etag {
			return l.Unchanged()
		}
		return etag, nil
	}, config.StaleIfError(time.Hour)))
	_, _ = pages.Call(context.Background(), "/")
	fmt.Println(pages.Refresh(context.Background(), "/"))
	// Output: v1 <nil>
}

// Nor is a Refresh whose load an invalidation has superseded, where another has stored a
// value since that is kept.
func TestG14ARefreshThatIsFencedIsNotRescued(t *testing.T) {
	overStores(t, func(t *testing.T, opts ...config.Option) {
		s := returning[string](1)
		f, err := memoize.New(s.load, rescuing(opts...)...)
		madeOf(t, f, err)
		s.fails(errDown)
		open := s.holds()
		calls := begin(1, func() (int, error) { return f.Refresh(t.Context(), "a") })
		noError(t, f.Invalidate(t.Context(), "a"))
		s.lets()
		s.returns(2)
		wants(t, 2)(f.Call(t.Context(), "a"))
		time.Sleep(20 * time.Second) // it has expired, and is kept
		open()
		if r := calls()[0]; !errors.Is(r.err, errDown) {
			t.Errorf("who asks for a new value gets %v, %v", r.value, r.err)
		}
		s.fails(errDown)
		wants(t, 2)(f.Call(t.Context(), "a"))
	})
}
