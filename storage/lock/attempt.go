package lock

import (
	"cmp"
	"context"
	"time"

	"github.com/perennial-go/perennial/internal/redisask"
)

// attempt is one Acquire. The server recognizes its owner, so a request may be repeated.
type attempt struct {
	locks *Locks
	place place
	owner string
	doubt bool // whether the server may have granted the lock in an answer that was lost
}

// poll is how often a waiter asks the server without being woken, at random up to twice as
// often.
const poll = time.Second

// mostSoon is how often the delay of a waiter doubles, from 1 ms on, if the server keeps
// saying that the lock is about to end.
const mostSoon = 6

// acquire asks, and waits if it has to. A caller that has waited for its turn expects to
// find the lock held, and subscribes first.
func (a *attempt) acquire(ctx context.Context, waited bool) (*Lock, error) {
	if waited {
		return a.wait(ctx, 0)
	}
	switch lock, _, err := a.try(ctx); {
	case lock != nil:
		return lock, nil
	case redisask.Ended(ctx) != nil:
		return nil, timeout(ctx, a.place, err)
	case err != nil:
		return nil, err
	}
	return a.wait(ctx, a.locks.jitter.of(poll))
}

// wait asks after the given time, and then whenever the lock may be free: when it is woken,
// when the holder's hold ends, and from time to time.
func (a *attempt) wait(ctx context.Context, first time.Duration) (*Lock, error) {
	w := a.locks.listener.add(a.place)
	defer a.locks.listener.remove(w)
	again := time.NewTimer(first)
	defer again.Stop()
	var last error
	for failed, soon := 0, 0; ; {
		select {
		case <-ctx.Done():
			return nil, timeout(ctx, a.place, last)
		case <-w.woken:
		case <-again.C:
			w.clear()
		}
		lock, left, err := a.try(ctx)
		switch {
		case lock != nil:
			return lock, nil
		case redisask.Ended(ctx) != nil:
			return nil, timeout(ctx, a.place, cmp.Or(last, err)) // the last may say no more than that
		case err == nil:
			failed = 0
			next := a.soon(left)
			if next < time.Millisecond<<mostSoon { // it ends now, says the server, once more
				next = max(next, time.Millisecond<<min(soon, mostSoon))
				soon++
			} else {
				soon = 0
			}
			again.Reset(next)
		case transient(err):
			again.Reset(a.locks.jitter.backOff(failed))
			failed++
		default:
			return nil, err
		}
		last = err
	}
}

// try asks once. Where somebody has the lock it returns neither lock nor error,
// but how long that will last if nothing changes.
func (a *attempt) try(ctx context.Context) (*Lock, time.Duration, error) {
	asked := now() // the hold began no sooner
	token, left, err := a.locks.server.acquire(ctx, a.place, a.owner, a.locks.hold)
	switch {
	case err != nil:
		a.doubt = true
		return nil, 0, err
	case token == 0:
		a.doubt = false // of several that were sent, the server has done the last
		return nil, left, nil
	case !now().Before(asked.Add(safe(a.locks.hold))):
		a.doubt = true
		return nil, 0, explain(ctx, "acquire", a.place, errLate)
	}
	return newLock(ctx, a, token, asked), 0, nil
}

// abandon ends an attempt without a lock. It releases the lock if the server may have
// granted it all the same.
func (a *attempt) abandon() {
	if a.doubt {
		a.locks.releaseLater(a.place, a.owner)
	}
}

// soon is when to ask again for what is held for a time that is left.
func (a *attempt) soon(left time.Duration) time.Duration {
	return min(a.locks.jitter.of(poll), min(left, poll)+time.Millisecond)
}
