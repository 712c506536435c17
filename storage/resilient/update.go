package resilient

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"time"

	"github.com/perennial-go/perennial/storage"
)

// Update replaces the key's record by what change makes of it: a value and how long it
// is kept, or a deletion if that is zero or less. It returns the new record. No change
// of others is lost: the store takes the value only if the record is still the one that
// change was given, else change is called again. If change returns ErrNoChange, the
// record stays as it is; any other error is returned, and nothing changes.
//
// If the store is away, or changes to the key wait already, change is applied to what
// Get returns and queued, and Update returns storage.ErrQueued with the new record.
// Change is applied again later, to what the store has then, so it must be right for
// that too: append to what is there, and do not store what was there before. It is
// called until it has succeeded once, later on another goroutine, and must neither use
// the Store nor wait for it. If it fails or panics later, the update is Dropped. What
// change holds counts for the bound of the Queue if the caller says so: see Holds.
//
// Other errors: those of Set, and ErrNoVersions.
func (s *Store) Update(ctx context.Context, key string, change func(now storage.Record) (value []byte, keep time.Duration, err error), opts ...UpdateOption) (storage.Record, error) {
	if !s.backend.versioned {
		return storage.Record{}, ErrNoVersions
	}
	one := part{kind: updates, apply: change}
	for _, o := range opts {
		if o.set == nil {
			return storage.Record{}, errors.New("resilient: a zero UpdateOption: make one with Holds")
		}
		o.set(&one)
	}
	return s.writer.update(ctx, key, one)
}

// UpdateOption is an option of an Update.
type UpdateOption struct {
	set func(one *part)
}

// Holds says how many bytes the function of an Update holds while it waits, such as what
// it appends, so that they count for the bound of the Queue. Bytes is called each time
// the function has been called on the caller's goroutine.
func Holds(bytes func() int) UpdateOption {
	return UpdateOption{func(one *part) { one.size = bytes }}
}

// applyNow calls the function on the caller's goroutine, and asks what it holds then.
func (p *part) applyNow(r storage.Record) (value []byte, keep time.Duration, err error) {
	value, keep, err = p.apply(cloned(r))
	if p.size != nil {
		p.holds = max(p.size(), 0)
	}
	value, keep = stored(value, keep)
	return value, keep, err
}

// applyLater calls the function of an Update on a goroutine of its own, so that it may
// panic or call runtime.Goexit. It does not wait for longer than the context allows.
func applyLater(ctx context.Context, change func(storage.Record) ([]byte, time.Duration, error), r storage.Record) (value []byte, keep time.Duration, err error) {
	type result struct {
		value []byte
		keep  time.Duration
		err   error
	}
	done := make(chan result, 1)
	go func() {
		out := result{err: errors.New("resilient: the function of an Update has ended its goroutine")}
		defer func() {
			if r := recover(); r != nil {
				out.err = fmt.Errorf("resilient: the function of an Update panicked: %v\n%s", r, debug.Stack())
			}
			done <- out
		}()
		value, keep, err := change(cloned(r))
		value, keep = stored(value, keep)
		out = result{value, keep, err}
	}()
	select {
	case out := <-done:
		return out.value, out.keep, out.err
	case <-ctx.Done():
		return nil, 0, errAbandoned
	}
}

// errAbandoned says that a delivery has ended early.
var errAbandoned = errors.New("resilient: the delivery was given up")
