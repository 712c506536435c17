package memoize_test

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/perennial-go/perennial/config"
	"github.com/perennial-go/perennial/memoize"
	"github.com/perennial-go/perennial/observe"
)

// What the owner of a service reads in the log.

// lines is how many lines of the log have all the words.
func lines(log *strings.Builder, words ...string) int {
	n := 0
next:
	for line := range strings.Lines(log.String()) {
		for _, word := range words {
			if !strings.Contains(line, word) {
				continue next
			}
		}
		n++
	}
	return n
}

func wantLines(t *testing.T, log *strings.Builder, want int, words ...string) {
	t.Helper()
	synctest.Wait() // for whoever writes
	if n := lines(log, words...); n != want {
		t.Fatalf("%d lines have %q, want %d:\n%s", n, words, want, log)
	}
}

// An outage is told within a minute of a failure that means nothing.
func TestLogOutageAfterABenignError(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var log strings.Builder
		err := errors.New("no such user")
		f := memoize.Must(memoize.New(func(context.Context, int) (int, error) { return 0, err }, config.Logger(textLog(&log))))
		_, _ = f.Call(t.Context(), 404)
		err = errors.New("connection refused")
		for range 120 {
			_, _ = f.Call(t.Context(), 1)
			time.Sleep(time.Second)
		}
		wantLines(t, &log, 1, "callers get the error", "no such user")
		wantLines(t, &log, 1, "callers get the error", "connection refused", "times=61")
	})
}

// Keys that fail beside keys that succeed are a line a minute.
func TestLogMixedKeys(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var log strings.Builder
		f := memoize.Must(memoize.New(func(_ context.Context, key int) (int, error) {
			if key%2 == 0 {
				return 0, errors.New("bad key")
			}
			return key, nil
		}, config.Logger(textLog(&log)), config.Capacity(0)))
		for range 90 {
			for key := range 10 {
				_, _ = f.Call(t.Context(), key)
			}
			time.Sleep(time.Second)
		}
		wantLines(t, &log, 2, "bad key")
		wantLines(t, &log, 0, "succeed again")
		time.Sleep(time.Minute)
		_, _ = f.Call(t.Context(), 1)
		wantLines(t, &log, 1, "succeed again")
	})
}

// That callers get errors is told apart from refreshes that fail.
func TestLogStaleRunsOut(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var log strings.Builder
		source := returning[string](1)
		f := memoize.Must(memoize.New(source.load, with(config.Logger(textLog(&log)))...))
		wants(t, 1)(f.Call(t.Context(), "key"))
		source.fails(errOutage)
		time.Sleep(time.Minute)
		wants(t, 1)(f.Call(t.Context(), "key"))
		settled(t, f)
		wantLines(t, &log, 1, "refreshes fail, stale values are served")
		wantLines(t, &log, 0, "callers get the error")
		time.Sleep(time.Hour)
		_, _ = f.Call(t.Context(), "key")
		wantLines(t, &log, 1, "callers get the error")
	})
}

// A result that comes too late heals nothing.
func TestLogLateResultsDoNotHeal(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var log strings.Builder
		f := memoize.Must(memoize.New(func(context.Context, int) (int, error) {
			time.Sleep(2 * time.Minute)
			return 1, nil
		}, config.MethodTimeout(time.Second), config.Logger(textLog(&log))))
		for key := range 5 {
			if _, err := f.Call(t.Context(), key); !errors.Is(err, memoize.ErrLoadTimeout) || !strings.Contains(err.Error(), "1s") {
				t.Fatal(err)
			}
		}
		time.Sleep(10 * time.Minute)
		wantLines(t, &log, 0, "succeed again")
		wantLines(t, &log, 1, "callers get the error", "method timeout")
	})
}

// Shedding is a line a minute, however many loads succeed meanwhile.
func TestLogShedding(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var log strings.Builder
		f := memoize.Must(memoize.New(func(context.Context, int) (int, error) {
			time.Sleep(10 * time.Millisecond)
			return 1, nil
		}, config.UpdateAfter(time.Millisecond), config.ExpireAfter(time.Hour), config.MaxBackground(1), config.Logger(textLog(&log))))
		for range 300 {
			for key := range 20 {
				_, _ = f.Call(t.Context(), key)
			}
			time.Sleep(100 * time.Millisecond)
		}
		wantLines(t, &log, 1, "at their limit")
		settled(t, f)
	})
}

// Calls past the cache are told of too.
func TestLogBypassAndDirect(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var log strings.Builder
		live := mutable(with(config.Bypass(true))...)
		source := returning[string](1)
		source.fails(errOutage)
		f := memoize.Must(memoize.Memoize(source.load, live, config.Logger(textLog(&log))))
		_, _ = f.Call(t.Context(), "key")
		_, _ = f.Direct(t.Context(), "key")
		wantLines(t, &log, 1, "callers get the error", "cause=direct", "outage")
	})
}

// A load that has waited too long for its slot says so.
func TestTimeoutNamesTheLimitOfLoads(t *testing.T) {
	bubble(t, func(t *testing.T) {
		hold := make(chan struct{})
		f := memoize.Must(memoize.New(func(_ context.Context, key int) (int, error) {
			<-hold
			return key, nil
		}, config.MaxLoads(1), config.MethodTimeout(time.Second), config.QueueTimeout(100*time.Millisecond), config.Logger(discardLog)))
		first := begin(1, func() (int, error) { return f.Call(t.Context(), 1) })
		time.Sleep(500 * time.Millisecond)
		_, err := f.Call(t.Context(), 2)
		if !errors.Is(err, memoize.ErrLoadTimeout) || !strings.Contains(err.Error(), "config.MaxLoads") {
			t.Errorf("got %v", err)
		}
		if err := first()[0].err; strings.Contains(err.Error(), "MaxLoads") {
			t.Errorf("the one that had the place got %v", err)
		}
		close(hold)
	})
}

// An error that wraps NoStore is an error.
func TestErrorThatWrapsNoStoreIsNotLost(t *testing.T) {
	f := memoize.Must(memoize.New(func(context.Context, int) (int, error) {
		return 0, errors.Join(errOutage, memoize.NoStore)
	}, config.Logger(discardLog)))
	if _, err := f.Call(t.Context(), 1); !errors.Is(err, errOutage) {
		t.Errorf("got %v", err)
	}
}

// The log is written beside every observer that is given, unless it is switched off.
func TestLogBesideObservers(t *testing.T) {
	failing := func(context.Context, int) (int, error) { return 0, errOutage }
	for name, c := range map[string]struct {
		more  []config.Option
		lines int
	}{
		"to a logger":         {nil, 1},
		"with Logger(nil)":    {[]config.Option{config.Logger(nil)}, 0},
		"with a nil observer": {[]config.Option{config.Observe(nil)}, 1},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				var log strings.Builder
				var first, second int
				opts := []config.Option{
					config.Observe(observe.Func(func(context.Context, observe.Event) { first++; panic("an observer's") })),
					config.Logger(textLog(&log)),
					config.Observe(observe.Func(func(context.Context, observe.Event) { second++ })),
				}
				f := memoize.Must(memoize.New(failing, append(opts, c.more...)...))
				if _, err := f.Call(t.Context(), 1); !errors.Is(err, errOutage) {
					t.Error(err)
				}
				settled(t, f)
				wantLines(t, &log, c.lines, "callers get the error")
				if first == 0 || first != second {
					t.Errorf("the observers are told of %d and %d events", first, second)
				}
				if lines := strings.Count(log.String(), "panic in an observer"); lines != c.lines*first {
					t.Errorf("%d panics of %d are logged", lines, first)
				}
			})
		})
	}
}

// The log is slog.Default() of the moment where an observer alone is given.
func TestDefaultLogBesideAnObserver(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var log strings.Builder
		was := slog.Default()
		defer slog.SetDefault(was)
		f := memoize.Must(memoize.New(func(context.Context, int) (int, error) { return 0, errOutage }, config.Observe(observe.Discard)))
		slog.SetDefault(textLog(&log))
		_, _ = f.Call(t.Context(), 1)
		settled(t, f)
		wantLines(t, &log, 1, "callers get the error")
	})
}
