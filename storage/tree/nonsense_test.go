package tree_test

import (
	"context"
	"io"
	"net"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/perennial-go/perennial/internal/servers"
	"github.com/perennial-go/perennial/storage/tree"
)

// Whatever a server answers, no call panics, and each returns.
func TestNonsenseIsAnError(t *testing.T) {
	t.Parallel()
	var all sync.WaitGroup // at once, for each waits most of the time
	defer all.Wait()
	for i, says := range servers.Nonsense {
		for _, polite := range []bool{true, false} {
			all.Go(func() {
				t.Run(strconv.Quote(says)+" polite "+strconv.FormatBool(polite), func(t *testing.T) {
					addr := servers.Fake(t, func(to net.Conn, command []string) bool {
						if polite && servers.Hello(to, command) {
							return true
						}
						_, err := io.WriteString(to, says)
						return err == nil
					})
					rdb := redis.NewClient(&redis.Options{Addr: addr, Protocol: 2 + i%2, ContextTimeoutEnabled: true, MaxRetries: -1, PoolSize: 1000})
					t.Cleanup(func() { noError(t, rdb.Close()) })
					for name, call := range everyCall(newTree(t, rdb)) {
						ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
						if call(ctx); ctx.Err() != nil {
							t.Logf("%s waits for more", name)
						}
						cancel()
					}
				})
			})
		}
	}
}

// everyCall is all that asks a server.
func everyCall(tr *tree.Tree) map[string]func(context.Context) error {
	path := at("a.b")
	return map[string]func(context.Context) error{
		"Set":     func(ctx context.Context) error { return tr.Set(ctx, path, 1) },
		"Get":     func(ctx context.Context) error { _, err := tr.Get(ctx, path); return err },
		"Get int": func(ctx context.Context) error { _, err := tree.Get[int](ctx, tr, path); return err },
		"Add":     func(ctx context.Context) error { _, err := tr.Add(ctx, path, 1); return err },
		"Delete":  func(ctx context.Context) error { _, err := tr.Delete(ctx, path); return err },
		"Expire":  func(ctx context.Context) error { _, err := tr.Expire(ctx, path, time.Hour); return err },
		"Exists":  func(ctx context.Context) error { _, err := tr.Exists(ctx, path); return err },
		"TTL":     func(ctx context.Context) error { _, err := tr.TimeToLive(ctx, path); return err },
		"Clear":   tr.Clear,
		"Children": func(ctx context.Context) (err error) {
			for _, err = range tr.Children(ctx, path) {
			}
			return err
		},
		"Leaves": func(ctx context.Context) (err error) {
			for _, err = range tr.Leaves(ctx, path) {
			}
			return err
		},
	}
}
