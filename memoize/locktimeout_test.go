package memoize_test

import (
	"errors"
	"testing"
	"time"

	"github.com/perennial-go/perennial/config"
	"github.com/perennial-go/perennial/memoize"
	"github.com/perennial-go/perennial/statuses"
)

// A registry of one's own may have a lock timeout that is shorter than the
// method timeout: those who wait get an error that says so, the key can be
// loaded again, and the late value is stored where there is nothing newer.
func TestLockTimeoutWithWaiters(t *testing.T) {
	bubble(t, func(t *testing.T) {
		source := returning[string](1)
		open := source.holds()
		f := memoize.Must(memoize.New(source.load, config.MethodTimeout(time.Hour),
			config.UpdateStatuses(statuses.NewInMemory[string, int](time.Minute, nil))))
		for i, r := range together(3, func() (int, error) { return f.Call(t.Context(), "key") }) {
			if !errors.Is(r.err, statuses.ErrLockTimeout) {
				t.Fatalf("call %d: got %v, %v; want ErrLockTimeout", i, r.value, r.err)
			}
		}
		open()
		settled(t, f)
		wants(t, 1)(f.Call(t.Context(), "key"))
		wantCalls(t, source, 1)
	})
}

// Func.Call promises a *LoadError for a load that failed; one that the
// registry's lock timeout has ended is no exception.
func TestLockTimeoutIsALoadError(t *testing.T) {
	bubble(t, func(t *testing.T) {
		source := returning[string](1)
		open := source.holds()
		f := memoize.Must(memoize.New(source.load, config.MethodTimeout(time.Hour),
			config.UpdateStatuses(statuses.NewInMemory[string, int](time.Minute, nil))))
		_, err := f.Call(t.Context(), "key")
		open()
		settled(t, f)
		var l *memoize.LoadError
		if !errors.As(err, &l) || !errors.Is(err, memoize.ErrLoadFailed) {
			t.Fatalf("got %v (%T), want a *LoadError that matches ErrLoadFailed", err, err)
		}
	})
}
