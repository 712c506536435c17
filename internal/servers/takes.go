package servers

import (
	"context"
	"testing"
	"time"
)

// Returns calls what asks a server, with a context that ends soon, and fails the test
// if it takes far longer, as where it hangs.
func Returns(t testing.TB, name string, call func(context.Context)) {
	t.Helper()
	const soon, patience = 20 * time.Millisecond, 5 * time.Second
	ctx, cancel := context.WithTimeout(t.Context(), soon)
	defer cancel()
	began := time.Now()
	call(ctx)
	if took := time.Since(began); took > soon+patience {
		t.Errorf("%s takes %v, with a context that ends after %v", name, took, soon)
	}
}
