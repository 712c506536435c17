package redisstore_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"runtime"
	"testing"
	"time"

	"github.com/perennial-go/perennial/internal/servers"
	"github.com/perennial-go/perennial/storage"
)

// Whatever a server sends, at whatever speed, nothing panics, every call of every
// layout returns once its context ends, and it takes no memory that a URL does not allow.
func TestRandomServer(t *testing.T) {
	t.Parallel()
	for i, layout := range layouts {
		urls := []string{"redis://%s", "redis+cluster://%s", "redis+sentinel://%s/main"}
		for _, url := range []string{urls[0], urls[1+i%2]} {
			t.Run(layout+"/"+url, func(t *testing.T) {
				t.Parallel()
				for range servers.Rounds(t, 2) {
					randomServer(t, url+"?max-value=100000&layout="+layout)
				}
			})
		}
	}
}

func randomServer(t *testing.T, url string) {
	store, err := storage.Open(t.Context(), fmt.Sprintf(url, servers.Random(t, rand.Uint64())))
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		began := time.Now()
		_ = store.Close() // which says where it does not end in time
		if took := time.Since(began); took > 8*time.Second {
			t.Errorf("Close takes %v", took)
		}
	}()
	// All calls are made as often as there are, for a drip takes the time of those after it.
	for name := range everyCall(cancelled(t), store.Bytes()) {
		servers.Returns(t, url+" from "+name, func(ctx context.Context) { everyCall(ctx, store.Bytes()) })
	}
	if w, ok := store.Bytes().(storage.WatcherBytes); ok {
		servers.Returns(t, "Watch", func(ctx context.Context) { _ = w.Watch(ctx, "a", func(storage.Changed) {}) })
	}
	var memory runtime.MemStats
	if runtime.ReadMemStats(&memory); memory.HeapSys > 1<<30 {
		t.Errorf("the heap has %d MiB", memory.HeapSys>>20)
	}
}

func cancelled(t *testing.T) context.Context {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	return ctx
}
