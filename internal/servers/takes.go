package servers

import (
	"context"
	"testing"
	"time"
)

// Returns calls what asks a server, with a context that ends soon, and fails the test
// if it takes more than a second longer.
func Returns(t testing.TB, name string, call func(context.Context)) {
	t.Helper()
	const soon, patience = 20 * time.Millisecond, time.Second
	ctx, cancel := context.WithTimeout(t.Context(), soon)
	defer cancel()
	began := time.Now()
	call(ctx)
	if took := time.Since(began); took > soon+patience {
		t.Errorf("%s takes %v, with a context that ends after %v", name, took, soon)
	}
}
