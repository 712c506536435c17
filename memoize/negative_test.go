package memoize_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/perennial-go/perennial/config"
	"github.com/perennial-go/perennial/entry"
	"github.com/perennial-go/perennial/eviction"
	"github.com/perennial-go/perennial/memoize"
	"github.com/perennial-go/perennial/serde"
	"github.com/perennial-go/perennial/storage"
)

var (
	errNone = errors.New("there is none")
	errGone = errors.New("it was deleted")
	errDown = errors.New("the source is down")
)

// overStores runs a test over storages of each kind, in virtual time.
func overStores(t *testing.T, test func(t *testing.T, opts ...config.Option)) {
	t.Helper()
	t.Run("in memory", func(t *testing.T) { bubble(t, func(t *testing.T) { test(t) }) })
	t.Run("claimed", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			test(t, config.Store(noErr(storage.Open(t.Context(), "memory://"))(t)), config.Name("function"))
		})
	})
	t.Run("not claimed", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			test(t, config.Store(noErr(storage.Share(plainBytes{noErr(storage.Open(t.Context(), "memory://"))(t).Bytes()}))(t)), config.Name("function"))
		})
	})
}

// plainBytes hides what a store can do besides what it must.
type plainBytes struct{ storage.Bytes }

// madeOf is a function that is closed at the end of the test.
func madeOf[A, V any](t *testing.T, f *memoize.Func[A, V], err error) *memoize.Func[A, V] {
	t.Helper()
	noError(t, err)
	t.Cleanup(func() { _ = f.Close(context.Background()) })
	return f
}

func TestG15RememberedErrorsAreAnswers(t *testing.T) {
	overStores(t, func(t *testing.T, opts ...config.Option) {
		var log bytes.Buffer
		s := returning[string](0)
		wrapped := fmt.Errorf("user 7: %w", errNone)
		s.fails(wrapped)
		f, err := memoize.New(s.load, append(opts, config.Remember(30*time.Second, errNone), config.Logger(slog.New(slog.NewTextHandler(&log, nil))))...)
		madeOf(t, f, err)
		ctx := t.Context()
		open := s.holds()
		calls := begin(3, func() (int, error) { return f.Call(ctx, "a") })
		open()
		for _, r := range calls() {
			if r.err != wrapped {
				t.Fatalf("who waits gets %v, want the source's own error", r.err)
			}
		}
		wantCalls(t, s, 1)
		r, err := f.Result(ctx, "a")
		if !errors.Is(err, errNone) || errors.Is(err, memoize.ErrLoadFailed) || r.State != entry.Fresh || r.Why != memoize.Hit || r.Age != 0 {
			t.Errorf("a later call gets %v with %+v, want the answer, a fresh hit", err, r)
		}
		if _, ok := f.Peek(ctx, "a"); ok || f.Has(ctx, "a") {
			t.Error("Peek or Has finds an answer")
		}
		if touched, err := f.Touch(ctx, "a"); touched || err != nil {
			t.Errorf("Touch of an answer is %v, %v", touched, err)
		}
		time.Sleep(11 * time.Second)
		if r, err = f.Result(ctx, "a"); !errors.Is(err, errNone) || r.State != entry.Stale || r.Why != memoize.Stale || r.Age != 11*time.Second || r.FreshFor() != 0 || r.ExpiresIn().Round(time.Second) != 19*time.Second {
			t.Errorf("after a third of its time the answer is %v with %+v, want a stale one", err, r)
		}
		settled(t, f)
		wantCalls(t, s, 2)
		time.Sleep(29 * time.Second) // the first would be over
		s.returns(5)
		if _, err := f.Call(ctx, "a"); !errors.Is(err, errNone) {
			t.Errorf("a refreshed answer is %v", err)
		}
		settled(t, f)
		wants(t, 5)(f.Call(ctx, "a")) // which that has refreshed
		st := f.Stats()
		if st.Negative != 6 || st.Failed != 0 || st.LoadsFailed != 0 || st.Delayed != 0 || st.Calls != 7 || st.Fresh != 1 {
			t.Errorf("the counters are %+v", st)
		}
		if log.Len() > 0 {
			t.Errorf("the log has\n%s", log.String())
		}
	})
}

func TestG15AnAnswerTakesThePlaceOfAValue(t *testing.T) {
	overStores(t, func(t *testing.T, opts ...config.Option) {
		s := returning[string](1)
		f, err := memoize.New(s.load, append(opts, config.Remember(time.Minute, errNone), config.UpdateAfter(time.Second), config.ExpireAfter(time.Hour))...)
		madeOf(t, f, err)
		ctx := t.Context()
		wants(t, 1)(f.Call(ctx, "a"))
		time.Sleep(2 * time.Second)
		s.fails(errNone)
		wants(t, 1)(f.Call(ctx, "a")) // stale
		settled(t, f)
		if _, err := f.Call(ctx, "a"); !errors.Is(err, errNone) {
			t.Errorf("after the refresh the call gets %v", err)
		}
		wantCalls(t, s, 2)
		time.Sleep(time.Minute)
		s.fails(errDown)
		if _, err := f.Call(ctx, "a"); !errors.Is(err, errDown) {
			t.Errorf("after the answer's time the call gets %v, and the old value is gone", err)
		}
		noError(t, f.Set(ctx, "a", 7))
		s.fails(errNone)
		if _, err := f.Refresh(ctx, "a"); !errors.Is(err, errNone) {
			t.Errorf("a forced load gets %v", err)
		}
		noError(t, f.Set(ctx, "a", 8)) // over an answer
		wants(t, 8)(f.Call(ctx, "a"))
		_, _ = f.Refresh(ctx, "a")
		s.returns(9)
		noError(t, f.Invalidate(ctx, "a"))
		wants(t, 9)(f.Call(ctx, "a"))
		s.fails(errNone)
		_, _ = f.Refresh(ctx, "a")
		s.returns(10)
		if err := f.InvalidateAll(ctx); errors.Is(err, memoize.ErrUnsupported) {
			noError(t, f.Invalidate(ctx, "a"))
		} else {
			noError(t, err)
		}
		wants(t, 10)(f.Call(ctx, "a"))
		s.fails(errNone)
		_, _ = f.Refresh(ctx, "a")
		s.returns(11)
		wants(t, 11)(f.Refresh(ctx, "a")) // whatever is stored
	})
}

// An invalidation fences an answer as it does a value.
func TestG15AnAnswerIsFenced(t *testing.T) {
	overStores(t, func(t *testing.T, opts ...config.Option) {
		s := returning[string](0)
		s.fails(errNone)
		f, err := memoize.New(s.load, append(opts, config.Remember(time.Minute, errNone))...)
		madeOf(t, f, err)
		open := s.holds()
		calls := begin(1, func() (int, error) { return f.Call(t.Context(), "a") })
		s.lets()
		noError(t, f.Invalidate(t.Context(), "a"))
		s.returns(5)
		open()
		if r := calls()[0]; !errors.Is(r.err, errNone) {
			t.Errorf("who waited gets %v", r.err)
		}
		wants(t, 5)(f.Call(t.Context(), "a"))
		wantCalls(t, s, 2)
	})
}

func TestG15AnswersOfBatches(t *testing.T) {
	overStores(t, func(t *testing.T, opts ...config.Option) {
		var asked [][]int
		var whole error
		f, err := memoize.NewBatched(func(_ context.Context, keys []int) (map[int]int, error) {
			asked = append(asked, keys)
			values := map[int]int{1: 11}
			if whole != nil {
				return values, whole
			}
			return values, fmt.Errorf("some: %w", memoize.KeyErrors[int]{2: fmt.Errorf("two: %w", errNone), 3: errDown, 5: nil})
		}, append(opts, config.Remember(time.Minute, errNone, memoize.ErrNoValue))...)
		madeOf(t, f, err)
		ctx := t.Context()
		check := func(loads int) {
			t.Helper()
			values, err := f.CallMany(ctx, []int{1, 2, 3, 4, 5})
			var many *memoize.ManyError
			if !errors.As(err, &many) {
				t.Fatalf("the error is %v", err)
			}
			if values[0] != 11 || many.At(0) != nil || !errors.Is(many.At(1), errNone) || !errors.Is(many.At(2), errDown) || !errors.Is(many.At(3), memoize.ErrNoValue) || !errors.Is(many.At(4), memoize.ErrNoValue) {
				t.Errorf("got %v, %v", values, err)
			}
			if errors.Is(many.At(1), memoize.ErrLoadFailed) || !errors.Is(many.At(2), memoize.ErrLoadFailed) {
				t.Errorf("the answer is %v, the failure %v", many.At(1), many.At(2))
			}
			if len(asked) != loads {
				t.Errorf("the source was asked for %v, want %d times", asked, loads)
			}
		}
		check(1)
		check(2) // for 3 alone
		if err := fmt.Errorf("x: %w", memoize.KeyErrors[int]{1: errNone, 2: errDown}); !errors.Is(err, errNone) || !errors.Is(err, errDown) || errors.Is(err, errGone) {
			t.Errorf("%v does not match the errors in it", err)
		}
		if last := asked[1]; len(last) != 1 || last[0] != 3 {
			t.Errorf("then it was asked for %v, want [3]", last)
		}
		if st := f.Stats(); st.Negative != 6 || st.Failed != 2 || st.Calls != 10 {
			t.Errorf("the counters are %+v", st)
		}
		whole = errNone // of all keys: a failure
		for range 2 {
			_, err := f.Call(ctx, 9)
			loadError(t, err, memoize.Failed, errNone)
		}
		if len(asked) != 4 {
			t.Errorf("the error of a batch is remembered: asked for %v", asked)
		}
	})
}

// What a context, a panic or a refusal of this library has to do with is a failure,
// whatever else it is.
func TestG15WhatIsNeverRemembered(t *testing.T) {
	slow := memoize.Must(memoize.New(func(ctx context.Context, _ int) (int, error) {
		<-ctx.Done()
		return 0, ctx.Err()
	}, config.MethodTimeout(time.Millisecond), config.Logger(nil)))
	inner := memoize.Must(memoize.New(func(context.Context, int) (int, error) { return 0, errNone }, config.Logger(nil)))
	for name, c := range map[string]struct {
		fail     func(ctx context.Context) error
		remember bool
	}{
		"canceled":            {func(context.Context) error { return errors.Join(errNone, context.Canceled) }, false},
		"deadline":            {func(context.Context) error { return fmt.Errorf("%w: %w", errNone, context.DeadlineExceeded) }, false},
		"panic":               {func(context.Context) error { panic(errNone) }, false},
		"too many":            {func(context.Context) error { return errors.Join(errNone, memoize.ErrRunaway) }, false},
		"closed":              {func(context.Context) error { return errors.Join(errNone, memoize.ErrClosed) }, false},
		"a nested timeout":    {func(ctx context.Context) error { _, err := slow.Call(ctx, 1); return errors.Join(errNone, err) }, false},
		"a nested load fails": {func(ctx context.Context) error { _, err := inner.Call(ctx, 1); return err }, true},
		"the error":           {func(context.Context) error { return errNone }, true},
		"another":             {func(context.Context) error { return errDown }, false},
	} {
		t.Run(name, func(t *testing.T) {
			loads := 0
			f := memoize.Must(memoize.New(func(ctx context.Context, _ int) (int, error) {
				loads++
				return 0, c.fail(ctx)
			}, config.Remember(time.Minute, errNone), config.Logger(nil)))
			for range 2 {
				if _, err := f.Call(t.Context(), 1); err == nil {
					t.Error("there is no error")
				}
			}
			if remembered := loads == 1; remembered != c.remember {
				t.Errorf("the source was asked %d times, want remembered: %v", loads, c.remember)
			}
		})
	}
}

func TestGoneDropsTheValue(t *testing.T) {
	overStores(t, func(t *testing.T, opts ...config.Option) {
		s := returning[string](1)
		f, err := memoize.New(s.load, append(opts, config.Gone(errGone), config.Remember(time.Hour, errGone, errNone), config.StaleIfError(time.Hour), config.ExpireAfter(time.Minute), config.UpdateAfter(time.Second))...)
		madeOf(t, f, err)
		ctx := t.Context()
		wants(t, 1)(f.Call(ctx, "a"))
		time.Sleep(2 * time.Second)
		s.fails(errGone)
		wants(t, 1)(f.Call(ctx, "a"))
		settled(t, f)
		if f.Has(ctx, "a") {
			t.Error("what is gone is still there")
		}
		for range 2 { // comes before Remember
			if _, err := f.Call(ctx, "a"); err != errGone {
				t.Errorf("the call gets %v, want the error as it is", err)
			}
		}
		wantCalls(t, s, 4)
		if st := f.Stats(); st.Negative != 2 || st.LoadsFailed != 0 {
			t.Errorf("the counters are %+v", st)
		}
	})
}

func TestRememberIf(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := returning[string](0)
		f, err := memoize.New(s.load, config.Logger(nil), config.RememberIf(func(err error) (entry.Life, bool) {
			switch err.Error() {
			case "boom":
				panic("in the user's code")
			case "short":
				return entry.Life{UpdateAfter: time.Second, ExpireAfter: time.Second}, true
			}
			return entry.Life{}, false
		}))
		madeOf(t, f, err)
		call := func(want string, loads int) {
			t.Helper()
			if _, err := f.Call(t.Context(), "a"); err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("got %v, want %s", err, want)
			}
			wantCalls(t, s, loads)
		}
		s.fails(errors.New("short"))
		call("short", 1)
		call("short", 1)
		time.Sleep(time.Second)
		call("short", 2)
		time.Sleep(time.Second)
		s.fails(errors.New("other"))
		call("other", 3)
		call("other", 4)
		s.fails(errors.New("boom"))
		call("panic in user code", 5)
	})
}

// An answer that another process stored is known by its text. What is not known is
// loaded.
func TestG15AnswersAreShared(t *testing.T) {
	bubble(t, func(t *testing.T) {
		store := noErr(storage.Open(t.Context(), "memory://"))(t)
		process := func(s *scripted[string, int], sentinel error) *memoize.Func[string, int] {
			share := noErr(storage.Share(store.Bytes()))(t)
			f, err := memoize.New(s.load, config.Store(share), config.Name("f"), config.Remember(time.Minute, sentinel))
			return madeOf(t, f, err)
		}
		first, second, third := returning[string](1), returning[string](2), returning[string](3)
		first.fails(fmt.Errorf("secret details: %w", errNone))
		a, here, b := process(first, errNone), errors.New(errNone.Error()), (*memoize.Func[string, int])(nil)
		b = process(second, here)
		c := process(third, errors.New("another"))
		_, err := a.Call(t.Context(), "k")
		if !errors.Is(err, errNone) {
			t.Fatalf("the first gets %v", err)
		}
		time.Sleep(10 * time.Second)
		r, err := b.Result(t.Context(), "k")
		if err != here || r.State != entry.Fresh || r.Age.Round(time.Second) != 10*time.Second {
			t.Errorf("the second gets %v with %+v, want its own error of that text", err, r)
		}
		wantCalls(t, second, 0)
		wants(t, 3)(c.Call(t.Context(), "k"))
		wants(t, 3)(b.Call(t.Context(), "k")) // which is newer
	})
}

// An answer counts for the capacity, and is evicted and swept as a value is.
func TestG15AnswersAreBounded(t *testing.T) {
	bubble(t, func(t *testing.T) {
		f, err := memoize.New(func(_ context.Context, n int) (int, error) { return 0, errNone }, config.Remember(time.Minute, errNone), config.Evict(eviction.LeastRecentlyUsed[int](10)))
		madeOf(t, f, err)
		for n := range 100 {
			_, _ = f.Call(t.Context(), n)
		}
		settled(t, f)
		if n := f.Len(); n != 10 {
			t.Errorf("%d answers are held, want 10", n)
		}
		time.Sleep(2 * time.Minute)
		if n := f.Len(); n != 0 {
			t.Errorf("%d answers are held after their time, want none", n)
		}
	})
}

func TestSnapshotsLeaveAnswersOut(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := returning[string](0)
		f, err := memoize.New(s.load, config.Remember(time.Minute, errNone))
		madeOf(t, f, err)
		s.fails(errNone)
		_, _ = f.Call(t.Context(), "none")
		s.returns(1)
		_, _ = f.Call(t.Context(), "one")
		if n, err := f.Save(t.Context(), io.Discard); n != 1 || err != nil {
			t.Errorf("saved %d, %v; want the value alone", n, err)
		}
	})
}

func TestRememberIsLive(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := returning[string](0)
		s.fails(errNone)
		c := config.Mutable(config.InMemory[string, int]())
		f, err := memoize.Memoize(s.load, c)
		madeOf(t, f, err)
		call := func(loads int) {
			t.Helper()
			_, _ = f.Call(t.Context(), "a")
			wantCalls(t, s, loads)
		}
		call(1)
		call(2)
		noError(t, c.Apply(config.Remember(time.Minute, errNone)))
		call(3)
		call(3)
		if err := c.Apply(config.Remember(time.Minute, context.Canceled)); err == nil {
			t.Error("a change to what can't be remembered is taken")
		}
		noError(t, c.Apply(config.Remember(time.Second, errDown), config.Remember(time.Second, errGone)))
		noError(t, f.Invalidate(t.Context(), "a"))
		call(4)
		call(5)
		s.fails(errDown)
		call(6)
		call(6)
		noError(t, c.Apply(config.RememberNothing()))
		noError(t, f.Invalidate(t.Context(), "a"))
		call(7)
		call(8)
	})
}

func TestDirectTellsAnswersFromFailures(t *testing.T) {
	var log bytes.Buffer
	s := returning[string](0)
	s.fails(errNone)
	f := memoize.Must(memoize.New(s.load, config.Remember(time.Minute, errNone), config.Logger(slog.New(slog.NewTextHandler(&log, nil)))))
	if _, err := f.Direct(t.Context(), "a"); err != errNone {
		t.Errorf("Direct gets %v", err)
	}
	if st := f.Stats(); st.Negative != 1 || st.LoadsFailed != 0 || log.Len() > 0 {
		t.Errorf("the counters are %+v, the log %q", st, log.String())
	}
}

func TestBadAnswers(t *testing.T) {
	store := func() config.Option { return config.Store(noErr(storage.Open(t.Context(), "memory://"))(t)) }
	matching := func(target error) error { return matches{target} }
	for name, c := range map[string]struct {
		opts []config.Option
		want string
	}{
		"no error":         {[]config.Option{config.Remember(time.Second)}, "given no error"},
		"a nil error":      {[]config.Option{config.Remember(time.Second, nil)}, "nil error"},
		"below zero":       {[]config.Option{config.Remember(-1, errNone)}, "zero or more"},
		"nanoseconds":      {[]config.Option{config.Remember(5, errNone)}, "less than a microsecond"},
		"canceled":         {[]config.Option{config.Remember(time.Second, context.Canceled)}, "no answer"},
		"matches deadline": {[]config.Option{config.Remember(time.Second, fmt.Errorf("x: %w", context.DeadlineExceeded))}, "no answer"},
		"is matched":       {[]config.Option{config.Remember(time.Second, matching(memoize.ErrRunaway))}, "no answer"},
		"every failure":    {[]config.Option{config.Remember(time.Second, memoize.ErrLoadFailed)}, "every failure"},
		"closed":           {[]config.Option{config.Gone(memoize.ErrClosed)}, "no answer"},
		"gone nothing":     {[]config.Option{config.Gone()}, "given no error"},
		"gone nil":         {[]config.Option{config.Gone(nil)}, "nil error"},
		"equal texts":      {[]config.Option{store(), config.Name("f"), config.Remember(time.Second, errNone, errors.New(errNone.Error()))}, "can't tell apart"},
		"no text":          {[]config.Option{store(), config.Name("f"), config.Remember(time.Second, errors.New(""))}, "without a text"},
		"if over a store":  {[]config.Option{store(), config.Name("f"), config.RememberIf(func(error) (entry.Life, bool) { return entry.Life{}, true })}, "memory alone"},
		"python's format":  {[]config.Option{store(), config.Name("f"), config.SerDe(serde.EntryJSON[int]()), config.Remember(time.Second, errNone)}, "serde.Whole"},
		"kept in python's": {[]config.Option{store(), config.Name("f"), config.SerDe(serde.EntryJSON[int]()), config.StaleIfError(time.Second)}, "serde.Whole"},
		"keep below zero":  {[]config.Option{config.StaleIfError(-1)}, "zero or more"},
		"keep of 5":        {[]config.Option{config.StaleIfError(5)}, "less than a microsecond"},
		"soft alone":       {[]config.Option{config.SoftTimeout(time.Second)}, "give StaleIfError too"},
		"soft too long":    {[]config.Option{config.StaleIfError(time.Hour), config.MethodTimeout(time.Second), config.SoftTimeout(2 * time.Second)}, "more than the method timeout"},
		"soft below zero":  {[]config.Option{config.StaleIfError(time.Hour), config.SoftTimeout(-1)}, "zero or more"},
		"when alone":       {[]config.Option{config.StaleWhen(func(error) bool { return true })}, "give StaleIfError too"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := memoize.New(func(context.Context, string) (int, error) { return 0, nil }, c.opts...)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want an error with %q", err, c.want)
			}
		})
	}
	if _, err := memoize.New(func(context.Context, string) (int, error) { return 0, nil }, config.Remember(time.Second, memoize.ErrNoValue, errNone, errors.New(errNone.Error()))); err != nil {
		t.Errorf("ErrNoValue, and equal texts in memory, are refused: %v", err)
	}
}

// matches is an error that a target matches.
type matches struct{ of error }

func (m matches) Error() string        { return "matches " + m.of.Error() }
func (m matches) Is(target error) bool { return target == m.of }

func ExampleKeyErrors() {
	users := memoize.Must(memoize.NewBatched(func(_ context.Context, ids []string) (map[string]string, error) {
		found, failed := map[string]string{}, memoize.KeyErrors[string]{}
		for _, id := range ids {
			if id == "ann" {
				found[id] = "user " + id
			} else {
				failed[id] = errNone
			}
		}
		return found, failed
	}, config.Remember(5*time.Second, errNone)))
	values, err := users.CallMany(context.Background(), []string{"ann", "bob"})
	fmt.Printf("%q\n%v\n", values, err)
	// Output:
	// ["user ann" ""]
	// memoize: 1 of 2 keys failed; there is none
}
