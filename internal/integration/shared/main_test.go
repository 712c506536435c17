package shared

import (
	"fmt"
	"os"
	"testing"

	"github.com/redis/go-redis/v9"
	"go.uber.org/goleak"

	"github.com/perennial-go/perennial/internal/servers"
	_ "github.com/perennial-go/perennial/internal/servers/quiet"
)

// TestMain runs the tests, or one of the other processes that they start.
func TestMain(m *testing.M) {
	if text := os.Getenv(memberEnv); text != "" {
		if err := serveMember(text, os.Stdin, os.Stdout); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	goleak.VerifyTestMain(m)
}

func noError(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// newClient is a client of a server, for what the tests ask of it themselves.
func newClient(t testing.TB, s *servers.Server) *redis.Client {
	t.Helper()
	rdb := redis.NewClient(&redis.Options{Addr: s.Addr(), ContextTimeoutEnabled: true})
	t.Cleanup(func() { noError(t, rdb.Close()) })
	return rdb
}
