package lock

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/perennial-go/perennial/internal/coarse"
)

// Lock is a lock that is held until it is released or lost. It is renewed meanwhile: a lock
// that nobody releases is held as long as the process lives. Methods may be called
// concurrently.
type Lock struct {
	locks  *Locks
	place  place
	owner  string
	token  int64
	ctx    context.Context
	cancel context.CancelCauseFunc

	mu       sync.Mutex
	until    time.Time // it is surely held until then
	over     bool      // it was released, or lost
	released bool      // and the server knows
	failed   error     // of the last renewal, if it failed
	ends     *time.Timer
	renews   *time.Timer

	turn chan struct{} // has room for one, who releases it
}

func newLock(ctx context.Context, a *attempt, token int64, asked time.Time) *Lock {
	l := &Lock{locks: a.locks, place: a.place, owner: a.owner, token: token, turn: make(chan struct{}, 1)}
	l.ctx, l.cancel = context.WithCancelCause(context.WithoutCancel(ctx))
	l.mu.Lock() // the timers wait until they are there
	defer l.mu.Unlock()
	l.until = asked.Add(safe(l.locks.hold))
	l.ends = time.AfterFunc(l.until.Sub(now()), l.end)
	l.renews = time.AfterFunc(asked.Add(l.locks.hold/3).Sub(now()), l.renew)
	return l
}

// now returns the time by which holds are counted. It runs while the machine sleeps, and
// never goes back.
func now() time.Time { return time.Unix(0, coarse.Exact()) }

// sure is how long of a hold its holder counts on: a hundredth less, for clocks
// that run at different speeds.
func safe(hold time.Duration) time.Duration { return hold - hold/100 }

// Path returns the path that is locked.
func (l *Lock) Path() string { return string(l.place) }

// Token returns the fencing token. It is greater than all tokens that were given before in
// the lock's tree, which the first element of its path names. Send it along with every
// write under the lock, and let the resource refuse a lower token than it has seen. The
// token is the greater of the last token + 1 and the server's time in microseconds, so it
// grows even if the server has forgotten the last.
func (l *Lock) Token() int64 { return l.token }

// Context returns a context that ends when the lock is released or lost; if lost, its
// cause is ErrNotHeld. The lock is lost when the server says so, and at the latest when its
// hold could have ended by the holder's own clock, counted from before the server was
// asked. A process that is stopped, or a machine that sleeps, notices nothing meanwhile:
// see Token. The context has the values of the one given to Acquire, and not its end.
func (l *Lock) Context() context.Context { return l.ctx }

// Left returns how long the lock stays held without another renewal, by the later of the
// monotonic and the wall clock, which runs while the machine sleeps. It is zero once the
// lock is over. Check it before a step that can't be undone.
func (l *Lock) Left() time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.over {
		return 0
	}
	return max(0, l.until.Sub(now()))
}

// Release ends the lock and its context, and wakes waiters. A lock that was released before
// or lost is ErrNotHeld, and nobody else's lock is released. If the server can't be reached,
// or the context has ended, Release returns an error and tries once more in the background;
// else the lock ends with its hold. It may be called again then. Of several calls at once
// one releases the lock, and the others return ErrNotHeld.
func (l *Lock) Release(ctx context.Context) error {
	select {
	case l.turn <- struct{}{}:
	default:
		select {
		case l.turn <- struct{}{}:
		case <-ctx.Done():
			return fmt.Errorf("lock: release %q: %w: another call is releasing it", l.place, ctx.Err())
		}
	}
	defer func() { <-l.turn }()
	l.mu.Lock()
	over, released := l.over, l.released
	l.stop()
	l.mu.Unlock()
	lost := over && context.Cause(l.ctx) != context.Canceled
	l.cancel(nil)
	if released {
		return fmt.Errorf("%w: release %q: it was released before", ErrNotHeld, l.place)
	}
	held, err := l.locks.server.release(ctx, l.place, l.owner)
	switch {
	case err != nil:
		l.locks.releaseLater(l.place, l.owner)
		return errors.Join(err, l.lost(lost))
	case lost:
		err = l.lost(true)
	case !held:
		err = fmt.Errorf("%w: release %q: %w", ErrNotHeld, l.place, errGone)
	}
	l.mu.Lock()
	l.released = true
	l.mu.Unlock()
	return err
}

// lost is why the lock was lost, or nil if it was not.
func (l *Lock) lost(was bool) error {
	if !was {
		return nil
	}
	return context.Cause(l.ctx)
}

// stop ends renewals. It is called with the mutex held.
func (l *Lock) stop() {
	l.over = true
	l.ends.Stop()
	l.renews.Stop()
}

// lose ends a lock that was not released. It is called with the mutex held.
func (l *Lock) lose(why error) {
	l.stop()
	l.cancel(fmt.Errorf("%w: %q: %w", ErrNotHeld, l.place, why))
}

// end is called when the hold could have ended.
func (l *Lock) end() {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch left := l.until.Sub(now()); {
	case l.over:
	case left > 0: // it was renewed meanwhile
		l.ends.Reset(left)
	case l.failed != nil:
		l.lose(fmt.Errorf("%w: %w", errExpired, l.failed))
	default:
		l.lose(errExpired)
	}
}

// renew is called when a third of the hold is over, and soon again where it
// fails.
func (l *Lock) renew() {
	l.mu.Lock()
	ctx, cancel := context.WithTimeout(l.ctx, l.until.Sub(now()))
	l.mu.Unlock()
	defer cancel()
	asked := now()
	held, err := l.locks.server.renew(ctx, l.place, l.owner, l.token, l.locks.hold)
	l.mu.Lock()
	defer l.mu.Unlock()
	hold := l.locks.hold
	switch {
	case l.over:
	case err != nil:
		l.failed = err
		l.renews.Reset(l.locks.jitter.of(hold / 10))
	case !held:
		l.lose(errGone)
	default:
		l.failed = nil
		l.until = asked.Add(safe(hold))
		l.ends.Reset(l.until.Sub(now()))
		l.renews.Reset(asked.Add(hold / 3).Sub(now()))
	}
}
