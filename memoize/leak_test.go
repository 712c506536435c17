package memoize_test

import (
	"log/slog"
	"testing"

	"go.uber.org/goleak"
)

// TestMain fails if a goroutine outlives the tests. What they make go wrong on
// purpose is not logged.
func TestMain(m *testing.M) {
	slog.SetDefault(slog.New(slog.DiscardHandler))
	goleak.VerifyTestMain(m)
}
