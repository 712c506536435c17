package synced_test

import (
	"context"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/perennial-go/perennial/internal/servers"
	"github.com/perennial-go/perennial/storage/synced"
)

// Whatever a server sends, at whatever speed, nothing panics, every call returns once
// its context ends, and so does Close.
func TestRandomServer(t *testing.T) {
	t.Parallel()
	for range servers.Rounds(t, 5) {
		where := synced.URL("redis://" + servers.Random(t, rand.Uint64()) + "?max-value=100000&timeout=50ms")
		opening, cancel := context.WithTimeout(t.Context(), time.Second)
		m, err := synced.Open(opening, where, quiet)
		cancel()
		if err != nil {
			continue // it refuses
		}
		v, l, d := variable[any](t, m, "v"), list[int](t, m, "l"), dict[int](t, m, "d")
		for name, call := range map[string]func(context.Context){
			"Get":    func(ctx context.Context) { _, _ = v.Get(ctx) },
			"Set":    func(ctx context.Context) { _ = v.Set(ctx, 1) },
			"Delete": func(ctx context.Context) { _ = v.Delete(ctx) },
			"Append": func(ctx context.Context) { _ = l.Append(ctx, 1) },
			"Pop":    func(ctx context.Context) { _, _ = l.Pop(ctx) },
			"Put":    func(ctx context.Context) { _ = d.Put(ctx, "k", 1) },
			"Remove": func(ctx context.Context) { _, _ = d.Remove(ctx, "k") },
			"Names":  func(ctx context.Context) { _, _ = m.Names(ctx) },
			"Flush":  func(ctx context.Context) { _ = m.Flush(ctx) },
			"Watch":  func(ctx context.Context) { _ = m.Watch(ctx, nil) },
			"Close":  func(ctx context.Context) { _ = m.Close(ctx) },
		} {
			if name != "Close" {
				servers.Returns(t, name, call)
			}
		}
		servers.Returns(t, "Close", func(ctx context.Context) { _ = m.Close(ctx) })
	}
}
