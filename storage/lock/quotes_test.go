package lock

import (
	"io"
	"net"
	"strings"
	"testing"

	"github.com/redis/go-redis/v9"

	"github.com/perennial-go/perennial/internal/servers"
)

// What a server quotes of a command, tokens among it, is in no error.
func TestArgumentsThatTheServerQuotes(t *testing.T) {
	t.Parallel()
	rdb := newClient(t, servers.Fake(t, func(to net.Conn, command []string) bool {
		if servers.Hello(to, command) {
			return true
		}
		_, err := io.WriteString(to, "-ERR unknown command '"+strings.ToUpper(command[0])+"', with args beginning with: '"+strings.Join(command[1:], "' 's3cr3t' '")+"'\r\n")
		return err == nil
	}), func(o *redis.Options) { o.MaxRetries = -1 })
	locks := newTestLocks(t, rdb)
	_, acquired := locks.Acquire(t.Context(), "a/b")
	_, held := locks.Held(t.Context(), "a/b")
	for call, err := range map[string]error{"Acquire": acquired, "Held": held} {
		if err == nil || strings.Contains(err.Error(), "s3cr3t") || !strings.Contains(err.Error(), "lacks a command") {
			t.Errorf("%s: %v", call, err)
		}
	}
}
