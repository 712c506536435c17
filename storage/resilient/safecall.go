package resilient

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
)

// errPanic says that the underlying store has panicked, as a client may on a malformed
// answer. It is Unknown, as other errors are.
var errPanic = errors.New("resilient: the underlying store panicked: check that the server is the expected one")

// safely calls do and turns a panic into an error. All calls of the backend go through
// safely or safelyYielding.
func safely(ctx context.Context, do func(ctx context.Context) error) (err error) {
	defer func() { err = panicError(recover(), err) }()
	return do(ctx)
}

// safelyYielding is safely for a call that calls back. A panic of a function that is
// called by back is not the store's and goes on.
func safelyYielding(do func(back func(call func())) error) (err error) {
	calledBack := false
	defer func() {
		if !calledBack {
			err = panicError(recover(), err)
		}
	}()
	return do(func(call func()) {
		calledBack = true
		call()
		calledBack = false
	})
}

// panicError returns the error for a recovered panic, or err if there was none.
func panicError(p any, err error) error {
	if p == nil {
		return err
	}
	return fmt.Errorf("%w: %v\n%s", errPanic, p, debug.Stack())
}
