package redisstore_test

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
	"github.com/perennial-go/perennial/storage"
	"github.com/perennial-go/perennial/storage/redisstore"
)

// Whatever a server answers, to the first command or only after it has been
// connected, nothing panics, every call of every layout returns, and a watch ends.
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
					defer closes(t, rdb)
					for _, b := range []storage.Bytes{redisstore.New(rdb), redisstore.NewStrings(rdb), redisstore.NewFields(rdb, "h"), redisstore.NewValues(rdb)} {
						ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
						defer cancel()
						everyCall(ctx, b)
					}
					ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
					defer cancel()
					if err := redisstore.NewValues(rdb).Watch(ctx, "a", func(storage.Changed) {}); err == nil {
						t.Error("a watch ends without an error")
					}
				})
			})
		}
	}
}
