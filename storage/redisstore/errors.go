package redisstore

import (
	"context"
	"errors"
	"fmt"

	"github.com/perennial-go/perennial/internal/redisask"
	"github.com/perennial-go/perennial/storage"
)

// remedies come before those that all packages have.
var remedies = []redisask.Remedy{
	{Says: "OOM", Cause: redisask.NoRoom, Do: "the server's memory is full: set a maxmemory-policy that evicts, such as allkeys-lru, or raise maxmemory"},
	{Says: "WRONGTYPE", Cause: redisask.Foreign, Do: "something else is stored under the key: use a prefix that nobody else has; the next set or claim replaces it"},
	{Says: "unknown command", Cause: redisask.Setup, Do: "the server lacks a command: see the documentation of redisstore for those that are needed; without scripts, use the layout string or field"},
}

// explain wraps an error with what was being done, and what to do about it.
func explain(ctx context.Context, verb, key string, err error) error {
	if errors.Is(err, redisask.ErrLength) {
		return fmt.Errorf("%w: %s: %w", ErrTooLarge, verb, err)
	}
	cause, err := redisask.Explain(ctx, key, err, remedies...)
	what := "redisstore: " + verb
	switch cause {
	case redisask.Rights, redisask.Foreign, redisask.Answer:
		what = fmt.Sprintf("%s %q", what, key)
	}
	switch cause {
	case redisask.Foreign:
		return storage.Refused(fmt.Errorf("%s: %w: %w", what, storage.ErrUnreadable, err))
	case redisask.Login, redisask.Rights, redisask.Setup, redisask.Replica:
		return storage.Refused(fmt.Errorf("%s: %w", what, err))
	}
	return fmt.Errorf("%s: %w", what, err)
}

// faults is what went wrong in a bulk, each text once: a server that is away is
// away for every key.
type faults struct {
	errs []error
	seen map[string]bool
}

func (f *faults) add(err error) {
	if f.seen[err.Error()] {
		return
	}
	if f.seen == nil {
		f.seen = map[string]bool{}
	}
	f.seen[err.Error()] = true
	f.errs = append(f.errs, err)
}

// err is nil, the only error, or all of them joined.
func (f *faults) err() error {
	if len(f.errs) == 1 {
		return f.errs[0]
	}
	return errors.Join(f.errs...)
}
