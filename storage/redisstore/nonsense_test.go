package redisstore_test

import (
	"context"
	"io"
	"math"
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

// What the server says of times is never more than there is, and never less than none.
func TestTimesThatAreNone(t *testing.T) {
	t.Parallel()
	for _, ms := range []int64{9223372036854, 9223372036855, math.MaxInt64, math.MinInt64, -9223372036854, -9223372036855, math.MinInt64 / 2, -3, -2, -1, 0} {
		number := strconv.FormatInt(ms, 10)
		addr := servers.Fake(t, func(to net.Conn, command []string) bool {
			says := ":" + number + "\r\n"
			switch {
			case servers.Hello(to, command):
				return true
			case command[0] == "get":
				says = servers.Bulk("value")
			case command[0] == "time":
				says = servers.Array(servers.Bulk(number), servers.Bulk(number))
			case command[0] == "hmget" && command[2] == "i":
				says = servers.Array(servers.Bulk("version"), servers.Bulk("1000"), servers.Bulk("value"))
			case command[0] == "hmget":
				says = servers.Array(servers.Bulk("1000"), servers.Bulk("1000"), servers.Bulk("value"))
			case command[0] == "evalsha":
				says = servers.Array(servers.Bulk("1"), servers.Bulk("g"), ":"+number+"\r\n", servers.Bulk("value"), ":1\r\n", ":1\r\n")
			}
			_, err := io.WriteString(to, says)
			return err == nil
		})
		rdb := redis.NewClient(&redis.Options{Addr: addr, ContextTimeoutEnabled: true, MaxRetries: -1})
		defer closes(t, rdb)
		entries := redisstore.New(rdb)
		for name, b := range map[string]storage.Bytes{"entry": entries, "string": redisstore.NewStrings(rdb), "value": redisstore.NewValues(rdb)} {
			r, err := b.Get(t.Context(), "a")
			if r.Left < 0 || r.Found && r.Left == 0 || name != "string" && r.Left > time.Second && ms != -1 {
				t.Errorf("%d ms, %s: %+v, %v", ms, name, r, err)
			}
		}
		claims, err := entries.Claim(t.Context(), time.Second, "a")
		if err == nil && (claims[0].Left < 0 || claims[0].Found && claims[0].Left == 0) || ms < -1 && err == nil {
			t.Errorf("%d ms: a claim finds %+v, %v", ms, claims, err)
		}
	}
}
