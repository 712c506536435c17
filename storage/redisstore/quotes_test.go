package redisstore_test

import (
	"context"
	"errors"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/perennial-go/perennial/internal/checks"
	"github.com/perennial-go/perennial/internal/servers"
	"github.com/perennial-go/perennial/storage"
	"github.com/perennial-go/perennial/storage/redisstore"
)

// What a server quotes of a command is in no error, and the remedy is an error of its
// own, as all is that is shown where keys are hidden.
func TestArgumentsThatTheServerQuotes(t *testing.T) {
	t.Parallel()
	addr := servers.Fake(t, func(to net.Conn, command []string) bool {
		if servers.Hello(to, command) {
			return true
		}
		_, err := io.WriteString(to, "-ERR unknown command '"+strings.ToUpper(command[0])+"', with args beginning with: '"+strings.Join(command[1:], "' 's3cr3t' '")+"'\r\n")
		return err == nil
	})
	rdb := redis.NewClient(&redis.Options{Addr: addr, MaxRetries: -1})
	defer closes(t, rdb)
	for _, b := range []storage.Bytes{redisstore.New(rdb), redisstore.NewStrings(rdb), redisstore.NewFields(rdb, "h"), redisstore.NewValues(rdb)} {
		for call, err := range everyCall(t.Context(), b) {
			if err == nil || strings.Contains(err.Error(), "s3cr3t") || !strings.Contains(strings.Join(checks.Leaves(err), "; "), "lacks a command") {
				t.Errorf("%v, %s: %v", b, call, err)
			}
		}
	}
}

// Nor is it in the error of a Watch that ends while the server refuses it.
func TestChannelsThatTheServerQuotes(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	addr := servers.Fake(t, func(to net.Conn, command []string) bool {
		if servers.Hello(to, command) {
			return true
		}
		_, err := io.WriteString(to, "-ODD server has trouble with '"+strings.Join(command[1:], "' 's3cr3t' '")+"'\r\n")
		timer := time.AfterFunc(10*time.Millisecond, cancel) // once the client has read it, before or after it has rested
		t.Cleanup(func() { timer.Stop() })
		return err == nil
	})
	rdb := redis.NewClient(&redis.Options{Addr: addr, MaxRetries: -1})
	defer closes(t, rdb)
	err := redisstore.NewValues(rdb).Watch(ctx, "s3cr3t", func(storage.Changed) {})
	if !errors.Is(err, context.Canceled) || strings.Contains(err.Error(), "s3cr3t") {
		t.Error(err)
	}
}
