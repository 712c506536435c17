package tree_test

import (
	"context"
	"math/rand/v2"
	"testing"

	"github.com/redis/go-redis/v9"

	"github.com/perennial-go/perennial/internal/servers"
	"github.com/perennial-go/perennial/storage/redisstore"
)

// Whatever a server sends, at whatever speed, nothing panics, and every call returns
// once its context ends.
func TestRandomServer(t *testing.T) {
	t.Parallel()
	for range servers.Rounds(t, 6) {
		o := &redis.Options{Addr: servers.Random(t, rand.Uint64()), ContextTimeoutEnabled: true, MaxRetries: -1}
		o.Dialer = redisstore.Guard(redis.NewDialer(o), 100_000)
		rdb := redis.NewClient(o)
		for name, call := range everyCall(newTree(t, rdb)) {
			servers.Returns(t, name, func(ctx context.Context) { _ = call(ctx) })
		}
		noError(t, rdb.Close())
	}
}
