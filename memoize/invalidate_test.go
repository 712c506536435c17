package memoize_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/perennial-go/perennial/config"
	"github.com/perennial-go/perennial/memoize"
)

// An invalidation reaches a storage that comes into force while it runs, which may
// hold something from when it was in force before.
func TestG4InvalidateReachesAStorageThatComesIntoForce(t *testing.T) {
	bubble(t, func(t *testing.T) {
		released := make(chan struct{})
		first := &mockStorage[string, int]{}
		second := &mockStorage[string, int]{free: func(context.Context, string) error { <-released; return nil }}
		live := config.Mutable(config.InMemory[string, int](config.ExpireAfter(time.Hour), config.Storage[string, int](first)))
		source := returning[string](1)
		f := memoize.Must(memoize.Memoize(source.load, live, config.Logger(discardLog)))
		wants(t, 1)(f.Call(t.Context(), "key"))
		noError(t, live.Apply(config.Storage[string, int](second)))
		source.returns(2)
		done := begin(1, func() (int, error) { return 0, f.Invalidate(t.Context(), "key") })
		synctest.Wait()
		noError(t, live.Apply(config.Storage[string, int](first)))
		close(released)
		allWant(t, 0, done())
		wants(t, 2)(f.Call(t.Context(), "key"))
	})
}
