package lock

import (
	"context"
	"io"
	"net"
	"strconv"
	"sync"
	"testing"

	"github.com/redis/go-redis/v9"

	"github.com/perennial-go/perennial/internal/servers"
)

// Whatever a server answers, to who asks for a lock, waits for it, holds it or
// releases it, nothing panics, and calls return.
func TestNonsenseIsAnError(t *testing.T) {
	t.Parallel()
	var all sync.WaitGroup // at once, for each waits most of the time
	defer all.Wait()
	held := servers.Array(":0\r\n", ":-1\r\n")
	given := servers.Array(":7\r\n", ":0\r\n")
	for i, says := range servers.Nonsense {
		// From which script on it is nonsense, and what is answered before.
		for name, before := range map[string][]string{"at once": nil, "to who waits": {held}, "to who holds": {given}} {
			all.Go(func() {
				t.Run(strconv.Quote(says)+" "+name, func(t *testing.T) {
					scripts := make(chan string, len(before))
					for _, b := range before {
						scripts <- b
					}
					addr := servers.Fake(t, func(to net.Conn, command []string) bool {
						if servers.Hello(to, command) {
							return true
						}
						says := says
						if command[0] == "evalsha" {
							select {
							case says = <-scripts:
							default:
							}
						}
						_, err := io.WriteString(to, says)
						return err == nil
					})
					rdb := newClient(t, addr, func(o *redis.Options) {
						o.MaxRetries, o.PoolSize, o.Protocol = -1, 1000, 2+i%2
					})
					locks := newTestLocks(t, rdb, Hold(leastHold))
					ctx, cancel := context.WithTimeout(t.Context(), leastHold)
					defer cancel()
					l, err := locks.Acquire(ctx, "a/b")
					if err == nil {
						<-ctx.Done() // it is renewed meanwhile
						_ = l.Release(t.Context())
					}
					_, _ = locks.Held(t.Context(), "a")
				})
			})
		}
	}
}
