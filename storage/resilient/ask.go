package resilient

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
)

// errPanic says that the store beneath has panicked: a client may on an answer that
// is none. It is told from other errors by nobody, and so is Unknown.
var errPanic = errors.New("resilient: the store beneath panicked: see whether what answers is the server that it should be")

// ask asks the store beneath for something: a panic of it is an error. All that is
// asked of it is asked by this, or by askBack.
func ask(ctx context.Context, do func(ctx context.Context) error) (err error) {
	defer func() { err = caught(recover(), err) }()
	return do(ctx)
}

// askBack is ask for what calls back. Who is called back by back may panic, and that
// is not the store's.
func askBack(do func(back func(call func())) error) (err error) {
	theirs := false
	defer func() {
		if !theirs {
			err = caught(recover(), err)
		}
	}()
	return do(func(call func()) {
		theirs = true
		call()
		theirs = false
	})
}

// caught is the error of what was recovered, if anything.
func caught(p any, err error) error {
	if p == nil {
		return err
	}
	return fmt.Errorf("%w: %v\n%s", errPanic, p, debug.Stack())
}
