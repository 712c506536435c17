package lock

import (
	"context"
	"errors"
	"fmt"

	"github.com/perennial-go/perennial/internal/redisask"
)

// Errors that callers tell apart with errors.Is.
var (
	// ErrLockTimeout says that the context ended before the lock was acquired. It comes
	// with the context's error and, if the last request failed, the reason.
	ErrLockTimeout = errors.New("lock: it could not be acquired in time: wait longer, or see who holds it")
	// ErrHeld says that somebody else holds the lock, or one above or below it.
	ErrHeld = errors.New("lock: somebody holds it, or one above or below it: try later, or wait with Acquire")
	// ErrNotHeld says that a lock was released before, or lost. The work under it may
	// have overlapped with that of the next holder, unless the resource checks fencing
	// tokens.
	ErrNotHeld = errors.New("lock: it is not held any more: acquire it anew, and look at what was done meanwhile")
	// ErrPath says that a path can't be locked. The server was not called.
	ErrPath = errors.New("lock: the path is wrong")
)

// Reasons for which a lock is lost, told by the cause of its context.
var (
	errGone    = errors.New("the server has lost it, or has given it to somebody else")
	errExpired = errors.New("it could not be renewed in time")
)

var errLate = errors.New("the answer came when the hold was over: raise lock.Hold, or see why the server is slow")

// transient reports whether an error of the server may pass by itself. It speaks
// of what comes after a first answer: before it, any error is returned at once.
func transient(err error) bool {
	switch redisask.CauseOf(err) {
	case redisask.Unknown, redisask.Unreachable, redisask.Busy, redisask.Replica, redisask.TooFew:
		return true
	}
	return false
}

// explain wraps an error with what was being done, and what to do about it.
func explain(ctx context.Context, verb string, p place, err error) error {
	_, err = redisask.Explain(ctx, string(p), err)
	return fmt.Errorf("lock: %s %q: %w", verb, string(p), err)
}
