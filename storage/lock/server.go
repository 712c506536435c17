package lock

import (
	"context"
	"time"
)

// server is where locks are kept. Each of its calls is one atomic step, by its
// clock, and may be made again where its answer was lost: the owner is known
// again. Errors are explained.
type server interface {
	// acquire gives the lock to the owner for hold, or again for hold if it has it
	// already, and returns its fencing token. Where others hold it, or what
	// excludes it, the token is 0, and left is how long that will last if nobody
	// renews or releases.
	acquire(ctx context.Context, p place, owner string, hold time.Duration) (token int64, left time.Duration, err error)
	// renew lets the owner keep the lock for hold from now on, and tells whether
	// it had it, and has had it ever since it got the token.
	renew(ctx context.Context, p place, owner string, token int64, hold time.Duration) (held bool, err error)
	// release takes the lock from the owner, tells whether it had it, and wakes
	// who waits.
	release(ctx context.Context, p place, owner string) (held bool, err error)
	// held reports whether acquire would find it held.
	held(ctx context.Context, p place) (bool, error)
	// subscribe makes a subscription, of nothing yet.
	subscribe() subscription
}

// subscription hears of releases.
type subscription interface {
	// change asks for the releases of more trees, and for those of others no more.
	change(ctx context.Context, more, less []string) error
	// receive waits for the next that is heard: the path that was released, or
	// "" once the server has confirmed that it tells of a tree from now on. It is
	// called after a change, by one goroutine. After an error the subscription is
	// of no more use.
	receive(ctx context.Context) (tree string, released place, err error)
	// close ends a receive that waits.
	close()
}
