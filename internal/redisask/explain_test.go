package redisask

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"
)

type serverError string

func (e serverError) Error() string { return string(e) }
func (serverError) RedisError()     {}

func TestExplain(t *testing.T) {
	own := Remedy{Says: "OWN", Cause: Foreign, Do: "do this"}
	for _, c := range []struct {
		err   error
		cause Cause
		says  string
	}{
		{serverError("NOAUTH Authentication required."), Login, "set it"},
		{serverError("ERR Error running script: OWN word"), Foreign, ": do this"},
		{serverError("OOM command not allowed"), NoRoom, "maxmemory"},
		{serverError("ERR of no kind"), Answer, "ERR of no kind"},
		{errors.New("dial tcp: lookup OWN: no such host"), Unreachable, "correct the address"},
		{errors.New("redis: client is closed"), Closed, "nothing uses it"},
		{os.ErrDeadlineExceeded, Unknown, "raise the timeout"},
		{errors.New("READONLY is not what a connection says"), Unknown, "READONLY is not what a connection says"},
	} {
		cause, err := Explain(t.Context(), "key", c.err, own)
		if cause != c.cause || !errors.Is(err, c.err) || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%v is explained as %d: %v, want %d: %s", c.err, cause, err, c.cause, c.says)
		}
		if got := CauseOf(fmt.Errorf("wrapped: %w", err)); got != c.cause {
			t.Errorf("the cause of %v is %d, want %d", err, got, c.cause)
		}
	}
}

// The end of the context is told with an error that does not tell it, and is no reason
// for what a server has answered.
func TestExplainUnderAContextThatHasEnded(t *testing.T) {
	ctx, cancel := context.WithDeadline(t.Context(), time.Now().Add(-time.Second))
	defer cancel()
	for err, over := range map[error]bool{os.ErrDeadlineExceeded: true, serverError("ERR of no kind"): false} {
		_, got := Explain(ctx, "key", err)
		if errors.Is(got, context.DeadlineExceeded) != over || !errors.Is(got, err) {
			t.Errorf("%v is explained as %v", err, got)
		}
	}
	if err := Ended(t.Context()); err != nil {
		t.Errorf("a context that goes on has ended: %v", err)
	}
}
