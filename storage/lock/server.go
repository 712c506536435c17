package lock

import (
	"context"
	"time"
)

// server keeps the locks. Each call is one atomic step, by the server's clock, and may be
// repeated if its answer was lost: the server recognizes the owner. Errors are explained.
type server interface {
	// acquire grants the lock to the owner for hold, or renews it for hold if the owner
	// has it already, and returns its fencing token. If others hold it, or a lock that
	// excludes it, the token is 0, and left is how long that lasts unless somebody
	// renews or releases.
	acquire(ctx context.Context, p place, owner string, hold time.Duration) (token int64, left time.Duration, err error)
	// renew extends the lock to hold from now on, and reports whether the owner has
	// held it ever since it got the token.
	renew(ctx context.Context, p place, owner string, token int64, hold time.Duration) (held bool, err error)
	// release ends the owner's lock, reports whether the owner held it, and wakes
	// waiters.
	release(ctx context.Context, p place, owner string) (held bool, err error)
	// held reports whether acquire would find it held.
	held(ctx context.Context, p place) (bool, error)
	// subscribe makes a subscription, of nothing yet.
	subscribe() subscription
}

// subscription receives releases.
type subscription interface {
	// change subscribes to the releases of more trees, and unsubscribes from less.
	change(ctx context.Context, more, less []string) error
	// receive waits for the next message: the path that was released, or "" once the
	// server has confirmed the subscription to a tree. It is called after a change, by
	// one goroutine. After an error the subscription is of no more use.
	receive(ctx context.Context) (tree string, released place, err error)
	// close ends a receive that waits.
	close()
}
