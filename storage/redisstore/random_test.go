package redisstore_test

import (
	"context"
	"math/rand/v2"
	"runtime"
	"testing"

	"github.com/perennial-go/perennial/internal/servers"
	"github.com/perennial-go/perennial/storage"
)

// Whatever a server sends, at whatever speed, nothing panics, every call of every
// layout returns once its context ends, and it takes no memory that a URL does not allow.
func TestRandomServer(t *testing.T) {
	t.Parallel()
	for _, layout := range layouts {
		t.Run(layout, func(t *testing.T) {
			t.Parallel()
			for range servers.Rounds(t, 4) {
				store := open(t, "redis://%s?max-value=100000&layout=%s", servers.Random(t, rand.Uint64()), layout)
				// Each call alone, or a drip takes the time of all.
				for name := range everyCall(cancelled(t), store.Bytes()) {
					servers.Returns(t, layout+" from "+name, func(ctx context.Context) { everyCall(ctx, store.Bytes()) })
				}
				if w, ok := store.Bytes().(storage.WatcherBytes); ok {
					servers.Returns(t, "Watch", func(ctx context.Context) { _ = w.Watch(ctx, "a", func(storage.Changed) {}) })
				}
				var memory runtime.MemStats
				if runtime.ReadMemStats(&memory); memory.HeapSys > 1<<30 {
					t.Errorf("the heap has %d MiB", memory.HeapSys>>20)
				}
			}
		})
	}
}

func cancelled(t *testing.T) context.Context {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	return ctx
}
