package memoize_test

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/perennial-go/perennial/config"
	"github.com/perennial-go/perennial/memoize"
)

// G13: a miss allocates the entry, the load and its update, in a cache that is
// full too.
func TestG13AMissAllocatesThrice(t *testing.T) {
	const v = 1_000_000 // it would be allocated in an interface
	f := memoize.Must(memoize.New(func(context.Context, int) (int, error) { return v, nil }, config.Capacity(100)))
	key := 0
	for ; key < 1000; key++ {
		wants(t, v)(f.Call(t.Context(), key))
	}
	ctx := context.Background() // one that can end costs another
	if n := testing.AllocsPerRun(1000, func() { key++; _, _ = f.Call(ctx, key) }); n > 3 {
		t.Errorf("a miss allocates %v times, want 3", n)
	}
	noError(t, f.Close(t.Context()))
}

// Loads that begin at once may be taken by each other's goroutines.
func TestLoadsThatBeginAtOnce(t *testing.T) {
	f := memoize.Must(memoize.New(func(_ context.Context, key int) (int, error) { return -key, nil }, config.Capacity(100)))
	var failed atomic.Int64
	var wg sync.WaitGroup
	for w := range 8 {
		wg.Go(func() {
			for i := range 5000 {
				key := w*5000 + i
				if v, err := f.Call(t.Context(), key); v != -key || err != nil {
					failed.Add(1)
				}
			}
		})
	}
	wg.Wait()
	if n := failed.Load(); n > 0 {
		t.Errorf("%d of 40000 calls failed or got another key's value", n)
	}
	noError(t, f.Close(t.Context()))
}
