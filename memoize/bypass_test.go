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
	"github.com/perennial-go/perennial/memoize"
)

var errBad = errors.New("bad argument")

// lengths is a source that knows how long a text is, unless it is bad.
func lengths(_ context.Context, arg string) (int, error) {
	if arg == "bad" {
		return 0, errBad
	}
	return len(arg), nil
}

// A bypassed call returns the source's value or error, postprocessed, and stores
// nothing.
func TestBypassReturnsWhatTheSourceDoes(t *testing.T) {
	bubble(t, func(t *testing.T) {
		live := config.Mutable(config.InMemory[string, int](config.ExpireAfter(time.Hour), config.Bypass(true),
			config.Postprocess(config.CopyBy(func(n int) int { return 10 * n }))))
		f := memoize.Must(memoize.Memoize(lengths, live, config.Logger(discardLog)))
		wants(t, 30)(f.Call(t.Context(), "abc"))
		_, err := f.Call(t.Context(), "bad")
		loadError(t, err, memoize.Failed, errBad)
		values, err := f.CallMany(t.Context(), []string{"a", "bad", "abc"})
		var many *memoize.ManyError
		if !slices.Equal(values, []int{10, 0, 30}) || !errors.As(err, &many) || many.At(0) != nil || !errors.Is(many.At(1), errBad) || many.At(2) != nil {
			t.Errorf("CallMany returns %v, %v; want 10 and 30, and the error of the second", values, err)
		}
		if values, err := f.CallMany(t.Context(), []string{"a", "ab"}); err != nil || !slices.Equal(values, []int{10, 20}) {
			t.Errorf("CallMany returns %v, %v", values, err)
		}
		if _, ok := f.Peek(t.Context(), "abc"); ok || f.Has(t.Context(), "abc") || f.Len() != 0 {
			t.Errorf("something is found, of %d that are stored", f.Len())
		}
		wants(t, false)(f.Touch(t.Context(), "abc"))
		synctest.Wait()
		if s := f.Stats(); s.Failed != 2 || s.Loaded != 5 || s.LoadsFailed != 2 || s.Loads != 7 || s.LoadsRunning != 0 {
			t.Errorf("counted %+v", s)
		}
		noError(t, f.Close(t.Context()))
		if _, err := f.Call(t.Context(), "abc"); !errors.Is(err, memoize.ErrClosed) {
			t.Errorf("once closed it returns %v", err)
		}
	})
}

// What errors say of a bypassed call is what the options say.
func TestBypassErrors(t *testing.T) {
	bubble(t, func(t *testing.T) {
		opts := []config.Option{config.ExpireAfter(time.Hour), config.Bypass(true), config.Logger(discardLog)}
		hidden := memoize.Must(memoize.New(lengths, append(opts, config.HideKeys())...))
		_, err := hidden.Call(t.Context(), "bad")
		if e := loadError(t, err, memoize.Failed, errBad); strings.Contains(err.Error(), `"bad"`) || e.Key != "(hidden)" {
			t.Errorf("the error says %v of key %s", err, e.Key)
		}
		shown := memoize.Must(memoize.New(lengths, opts...))
		_, err = shown.Call(t.Context(), "bad")
		if e := loadError(t, err, memoize.Failed, errBad); e.Key != `"bad"` {
			t.Errorf("the error is of key %s", e.Key)
		}
		plain := memoize.Must(memoize.New(lengths, append(opts, config.PlainErrors())...))
		if _, err := plain.Call(t.Context(), "bad"); err != errBad {
			t.Errorf("the plain error is %v", err)
		}
	})
}

// Loads that were given up and still run are limited for bypassed calls too, and
// count no more once they have come back.
func TestBypassLimitsRunaways(t *testing.T) {
	bubble(t, func(t *testing.T) {
		source := returning[string](1)
		f := memoize.Must(memoize.New(source.load, config.ExpireAfter(time.Hour), config.Bypass(true),
			config.MethodTimeout(time.Second), config.MaxRunaway(1), config.Logger(discardLog)))
		for range 3 {
			open := source.holds()
			_, err := f.Call(t.Context(), "key")
			loadError(t, err, memoize.TimedOut, memoize.ErrLoadTimeout)
			_, err = f.Call(t.Context(), "key")
			loadError(t, err, memoize.Failed, memoize.ErrRunaway)
			open()
			synctest.Wait()
			wants(t, 1)(f.Call(t.Context(), "key"))
		}
		synctest.Wait()
		if s := f.Stats(); s.Late != 3 {
			t.Errorf("%d loads were late, want 3", s.Late)
		}
	})
}

// A bypassed call ends with its caller's context.
func TestBypassEndsWithItsContext(t *testing.T) {
	bubble(t, func(t *testing.T) {
		source := returning[string](1)
		f := memoize.Must(memoize.New(source.load, config.ExpireAfter(time.Hour), config.Bypass(true)))
		open := source.holds()
		ctx, cancel := context.WithCancel(t.Context())
		call := begin(1, func() (int, error) { return f.Call(ctx, "key") })
		synctest.Wait()
		cancel()
		if r := call()[0]; !errors.Is(r.err, context.Canceled) {
			t.Errorf("got %v, %v", r.value, r.err)
		}
		if _, err := f.Call(ctx, "key"); !errors.Is(err, context.Canceled) {
			t.Errorf("with a context that has ended: %v", err)
		}
		wantCalls(t, source, 1)
		if s := f.Stats(); s.Left != 2 {
			t.Errorf("%d have left, want 2", s.Left)
		}
		open()
		settled(t, f)
	})
}
