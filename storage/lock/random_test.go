package lock

import (
	"context"
	"math/rand/v2"
	"testing"

	"github.com/redis/go-redis/v9"

	"github.com/perennial-go/perennial/internal/redisask"
	"github.com/perennial-go/perennial/internal/servers"
)

// Whatever a server sends, at whatever speed, to who asks for a lock, waits, holds or
// releases, nothing panics, and every call returns once its context ends.
func TestRandomServer(t *testing.T) {
	t.Parallel()
	for range servers.Rounds(t, 20) {
		rdb := newClient(t, servers.Random(t, rand.Uint64()), func(o *redis.Options) {
			o.MaxRetries = -1
			o.Dialer = redisask.Guard(redis.NewDialer(o), 100_000) // else it makes room for what never comes
		})
		locks := newTestLocks(t, rdb, Hold(leastHold))
		servers.Returns(t, "Acquire", func(ctx context.Context) {
			if l, err := locks.Acquire(ctx, "a/b"); err == nil {
				_ = l.Release(ctx)
			}
		})
		servers.Returns(t, "Held", func(ctx context.Context) { _, _ = locks.Held(ctx, "a") })
	}
}
