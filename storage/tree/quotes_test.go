package tree_test

import (
	"io"
	"net"
	"strings"
	"testing"

	"github.com/redis/go-redis/v9"

	"github.com/perennial-go/perennial/internal/servers"
)

// What a server quotes of a command is in no error.
func TestArgumentsThatTheServerQuotes(t *testing.T) {
	t.Parallel()
	addr := servers.Fake(t, func(to net.Conn, command []string) bool {
		if servers.Hello(to, command) {
			return true
		}
		_, err := io.WriteString(to, "-ERR unknown command '"+strings.ToUpper(command[0])+"', with args beginning with: '"+strings.Join(command[1:], "' 's3cr3t' '")+"'\r\n")
		return err == nil
	})
	rdb := redis.NewClient(&redis.Options{Addr: addr, ContextTimeoutEnabled: true, MaxRetries: -1})
	defer func() { noError(t, rdb.Close()) }()
	for name, call := range everyCall(newTree(t, rdb)) {
		if err := call(t.Context()); err == nil || strings.Contains(err.Error(), "s3cr3t") || !strings.Contains(err.Error(), "lacks a command") {
			t.Errorf("%s: %v", name, err)
		}
	}
}
