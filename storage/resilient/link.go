package resilient

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"
)

// link calls the backend, each call within a timeout, and trips the breaker when the
// backend does not answer. It needs no lock.
type link struct {
	*config
	limit atomic.Int64 // how long a call may take, in ns: see allowed
	late  atomic.Int32 // callers in succession whose deadlines came before the answer
	trip  func(generation uint64, key string, err error)
}

// maxTimeouts is how many timeouts a call may take on a slow link.
const maxTimeouts = 8

// patience is how many callers in succession may leave at their own deadlines, which
// are shorter than the timeout, until the store counts as away.
const patience = 3

// allowed returns how long a call may take: the timeout, or twice what the last probe
// took, which had to connect first. So a call that has to connect, too, is no sign that
// the store is away.
func (l *link) allowed() time.Duration { return time.Duration(l.limit.Load()) }

// allow sets how long a call may take, within bounds.
func (l *link) allow(d time.Duration) {
	l.limit.Store(int64(min(max(d, l.timeout), maxTimeouts*l.timeout)))
}

// call calls the backend. Generation is that of the breaker when the caller found it
// closed. With an error, a verdict of zero says that the caller has left.
func (l *link) call(ctx context.Context, generation uint64, key string, do func(ctx context.Context) error) (Verdict, error) {
	limited, cancel := l.clock.WithTimeout(ctx, l.allowed())
	defer cancel()
	var once sync.Once // the second caller waits, so that the effect is there when the call returns
	overdue := func() { once.Do(func() { l.overdue(ctx, generation, key) }) }
	stop := context.AfterFunc(limited, overdue)
	err := safely(limited, do)
	inTime := stop()
	if err == nil {
		if inTime {
			l.answered()
		} else {
			overdue()
		}
		return 0, nil
	}
	if over := ctx.Err(); over != nil {
		overdue()
		if errors.Is(err, over) {
			return 0, err
		}
		return 0, errors.Join(over, err)
	}
	verdict := l.judge(err)
	if verdict.away() {
		l.trip(generation, key, err)
	} else {
		l.answered()
	}
	return verdict, err
}

// overdue is called when the time of a call is over. The call itself goes on if the
// client ignores its context, but others need not wait for that. Callers who leave at
// their own deadlines may only be impatient.
func (l *link) overdue(ctx context.Context, generation uint64, key string) {
	switch over := ctx.Err(); {
	case over == nil:
		l.trip(generation, key, context.DeadlineExceeded)
	case errors.Is(over, context.DeadlineExceeded) && l.late.Add(1) >= patience:
		l.trip(generation, key, over)
	}
}

// answered notes that the backend has answered in time.
func (l *link) answered() {
	if l.late.Load() != 0 {
		l.late.Store(0)
	}
}
