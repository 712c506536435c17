package resilient

import (
	"context"
	"errors"
	"sync"
	"time"
)

// mostTimeouts is how many timeouts a call may take where the link is slow.
const mostTimeouts = 8

// allowed is how long a call may take: the timeout, or twice what the last probe took,
// which had to connect first. So one that has to connect, too, is no sign that the
// store is away.
func (s *Store) allowed() time.Duration { return time.Duration(s.limit.Load()) }

// allow sets that, within bounds.
func (s *Store) allow(d time.Duration) {
	s.limit.Store(int64(min(max(d, s.timeout), mostTimeouts*s.timeout)))
}

// call asks the store beneath, within the timeout, and sees to the breaker. The
// era is that of the breaker when it was found closed. A verdict of zero, with an
// error, says that the caller has left.
func (s *Store) call(ctx context.Context, era uint64, key string, do func(ctx context.Context) error) (Verdict, error) {
	limited, cancel := s.clock.WithTimeout(ctx, s.allowed())
	defer cancel()
	var once sync.Once // whoever comes second waits, so that it is known when the call returns
	overdue := func() { once.Do(func() { s.overdue(ctx, era, key) }) }
	stop := context.AfterFunc(limited, overdue)
	err := ask(limited, do)
	inTime := stop()
	if err == nil {
		if inTime {
			s.answered()
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
	verdict := s.judge(err)
	switch verdict {
	case Away, Unknown:
		s.trip(era, key, err)
	default:
		s.answered()
	}
	return verdict, err
}

// overdue is called when a call has taken its time, and goes on if the store beneath is
// a client that does not look at contexts: others are not to wait for that, too. Callers
// who leave at their own deadlines may only be impatient.
func (s *Store) overdue(ctx context.Context, era uint64, key string) {
	switch over := ctx.Err(); {
	case over == nil:
		s.trip(era, key, context.DeadlineExceeded)
	case errors.Is(over, context.DeadlineExceeded) && s.late.Add(1) >= patience:
		s.trip(era, key, over)
	}
}

func (s *Store) answered() {
	if s.late.Load() != 0 {
		s.late.Store(0)
	}
}

// trip opens the breaker, unless it has closed after the call began.
func (s *Store) trip(era uint64, key string, err error) {
	s.mu.Lock()
	defer s.unlock()
	if s.breaker.state != StateClosed || s.breaker.era != era {
		return
	}
	s.late.Store(0)
	s.breaker.key = key
	s.opened(err)
}

// opened opens the breaker, or opens it again.
func (s *Store) opened(err error) {
	now := s.clock.Now()
	if s.breaker.state == StateClosed {
		s.counts.trips++
	}
	s.wait = s.backoff(s.breaker.open(err, now))
	s.distrust()
	s.tell(Event{Kind: Opened, Err: err, Wait: s.wait})
	s.arm()
}
