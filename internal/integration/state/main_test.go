package state

import (
	"context"
	"fmt"
	"os"
	"testing"

	"github.com/redis/go-redis/v9"
	"go.uber.org/goleak"
)

// TestMain runs the tests, or one of the other processes that they start.
func TestMain(m *testing.M) {
	redis.SetLogger(silence{})
	if text := os.Getenv(memberEnv); text != "" {
		if err := serveMember(text, os.Stdin, os.Stdout); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	goleak.VerifyTestMain(m)
}

// silence keeps go-redis from logging that a server is away.
type silence struct{}

func (silence) Printf(context.Context, string, ...any) {}

func noError(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
