package lock

import (
	"context"
	"errors"
	"io"
	"math"
	"net"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/perennial-go/perennial/internal/redisask"
	"github.com/perennial-go/perennial/internal/servers"
)

// For however long the server says that a lock is held, who waits asks again in a
// while, and no more often than that.
func TestWaitsAsTheServerSays(t *testing.T) {
	t.Parallel()
	var all sync.WaitGroup
	defer all.Wait()
	for _, ms := range []int64{9223372036854, 9223372036855, math.MaxInt64, math.MinInt64, -9223372036854, -9223372036855, math.MinInt64 / 2, -2, -1, 0, 1, 1000} {
		all.Go(func() {
			t.Run(strconv.FormatInt(ms, 10), func(t *testing.T) {
				var asked atomic.Int64
				addr := servers.Fake(t, func(to net.Conn, command []string) bool {
					says := servers.Array(":0\r\n", ":"+strconv.FormatInt(ms, 10)+"\r\n")
					switch {
					case servers.Hello(to, command):
						return true
					case command[0] == "subscribe":
						says = ""
					default:
						asked.Add(1)
					}
					_, err := io.WriteString(to, says)
					return err == nil
				})
				ctx, cancel := context.WithTimeout(t.Context(), 1500*time.Millisecond)
				defer cancel()
				if _, err := newTestLocks(t, newClient(t, addr)).Acquire(ctx, "a"); !errors.Is(err, ErrLockTimeout) {
					t.Errorf("Acquire says %v, want ErrLockTimeout", err)
				}
				if n := asked.Load(); n > 40 {
					t.Errorf("the server is asked %d times in a second and a half", n)
				}
			})
		})
	}
}

// A token that is none is no lock.
func TestTokenThatIsNone(t *testing.T) {
	t.Parallel()
	addr := servers.Fake(t, func(to net.Conn, command []string) bool {
		if servers.Hello(to, command) {
			return true
		}
		_, err := io.WriteString(to, servers.Array(":-5\r\n", ":0\r\n"))
		return err == nil
	})
	if _, err := newTestLocks(t, newClient(t, addr)).TryAcquire(t.Context(), "a"); !errors.Is(err, redisask.ErrAnswer) {
		t.Errorf("TryAcquire says %v, want %v", err, redisask.ErrAnswer)
	}
}
