package state

import (
	"fmt"
	"os"
	"testing"

	"go.uber.org/goleak"

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
