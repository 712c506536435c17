package memoize_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/perennial-go/perennial/config"
	"github.com/perennial-go/perennial/memoize"
	"github.com/perennial-go/perennial/storage"
)

// Functions at package level are made outside of every testing/synctest bubble and are
// used within some and outside: nothing of a bubble stays with them, or the runtime ends
// the test binary.
func TestFunctionInBubblesAndOutside(t *testing.T) {
	memory := storage.NewMemory()
	defer memory.Close()
	shared, err := storage.Share(memory)
	noError(t, err)
	for name, opts := range map[string][]config.Option{
		"memory":      {config.UpdateAfter(time.Millisecond), config.ExpireAfter(time.Minute)},
		"exact clock": {config.ExactClock(), config.ExpireAfter(time.Minute)},
		"store":       {config.Store(shared), config.Name("f"), config.ExpireAfter(time.Minute)},
	} {
		t.Run(name, func(t *testing.T) {
			key := 0
			f := memoize.Must(memoize.New(func(ctx context.Context, k int) (int, error) {
				if k < 0 {
					<-ctx.Done()
					return 0, ctx.Err()
				}
				return k, nil
			}, append(opts, config.MethodTimeout(time.Hour), config.Logger(discardLog))...))
			use := func(t *testing.T) {
				for range 20 {
					key++
					var all sync.WaitGroup
					for range 4 {
						all.Go(func() {
							if v, err := f.Call(t.Context(), key); v != key || err != nil {
								t.Errorf("%d: %d, %v", key, v, err)
							}
						})
					}
					all.Wait()
					_, err := f.Refresh(t.Context(), key)
					noError(t, err)
					ctx, cancel := context.WithCancel(t.Context())
					cancel()
					_, _ = f.Refresh(ctx, key) // leaves
					noError(t, f.Set(t.Context(), key, key))
					noError(t, f.Invalidate(t.Context(), key))
				}
				noError(t, f.Wait(t.Context()))
			}
			use(t)
			for range 2 {
				synctest.Test(t, func(t *testing.T) {
					use(t)
					began := time.Now() // the method timeout is the bubble's
					if _, err := f.Call(t.Context(), -key); !errors.Is(err, memoize.ErrLoadTimeout) || time.Since(began) != time.Hour {
						t.Errorf("after %v: %v", time.Since(began), err)
					}
					noError(t, f.Wait(t.Context()))
					synctest.Wait()
				})
				use(t)
			}
			noError(t, f.Close(context.Background()))
		})
	}
}
