package lock

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	mathrand "math/rand/v2"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/perennial-go/perennial/internal/redisask"
)

// Locks are the locks under one prefix of one server. They need no Close: nothing runs
// unless somebody waits or holds a lock. Methods may be called concurrently.
type Locks struct {
	server    server
	hold      time.Duration
	jitter    jitter
	queues    queues
	listener  *listener
	releasing chan struct{} // has room for those who release what nobody has got
}

// Option configures locks.
type Option struct {
	set func(o *options)
}

type options struct {
	prefix string
	hold   time.Duration
}

// Prefix begins the names of keys and channels. Locks exclude each other if server,
// database and prefix are the same. It may be empty, and must not contain { or }. Default:
// "lock:".
func Prefix(prefix string) Option {
	return Option{func(o *options) { o.prefix = prefix }}
}

// Hold is how long a lock lasts without renewal. A holder that has died excludes others no
// longer than that, and one that is cut off for longer loses its lock. A lock is renewed
// at each third of its hold. Processes that share locks may have different holds. Between
// 100 ms and 24 hours, in whole milliseconds. Default: 30 s.
func Hold(d time.Duration) Option {
	return Option{func(o *options) { o.hold = d.Truncate(time.Millisecond) }}
}

const (
	leastHold   = 100 * time.Millisecond
	defaultHold = 30 * time.Second
	mostHold    = 24 * time.Hour
)

// New makes locks over a client. The caller closes the client, once no lock is held any
// more. Set ContextTimeoutEnabled in its options: else calls ignore the deadlines of their
// contexts while the server hangs. New refuses a redis.Ring, and reports all wrong options
// at once. It does not call the server.
func New(rdb redis.UniversalClient, opts ...Option) (*Locks, error) {
	o := options{prefix: "lock:", hold: defaultHold}
	var faults []error
	for _, opt := range opts {
		if opt.set == nil {
			faults = append(faults, errors.New("lock: a zero Option: make options with the functions of this package"))
			continue
		}
		opt.set(&o)
	}
	faults = append(faults, redisask.CheckClient("lock", rdb))
	if o.hold < leastHold || o.hold > mostHold {
		faults = append(faults, fmt.Errorf("lock: a hold of %v is not between %v and %v", o.hold, leastHold, mostHold))
	}
	if strings.ContainsAny(o.prefix, "{}") {
		faults = append(faults, fmt.Errorf("lock: the prefix %q has a brace in it, which says where in a cluster a key is: take another", o.prefix))
	}
	if len(o.prefix) > maxPath {
		faults = append(faults, fmt.Errorf("lock: the prefix has %d bytes, %d are allowed", len(o.prefix), maxPath))
	}
	if err := errors.Join(faults...); err != nil {
		return nil, err
	}
	return newLocks(&redisServer{redis: rdb, prefix: o.prefix}, o.hold, mathrand.Float64), nil
}

func newLocks(s server, hold time.Duration, j jitter) *Locks {
	return &Locks{server: s, hold: hold, jitter: j, listener: newListener(s, j), releasing: make(chan struct{}, mostReleasing)}
}

const mostReleasing = 16

// Acquire waits for the lock on a path, and returns it. A path is elements joined by
// slashes, such as jobs/nightly: see Path for elements of any text. The lock excludes those
// on the same path, above it (jobs) and below it (jobs/nightly/eu), whoever holds them,
// this process and goroutine included. It does not exclude jobs/hourly. A path has at most
// 1 KiB and 64 elements; a wrong one is ErrPath.
//
// If the context ends first, the error is ErrLockTimeout. A server that can't be reached
// is an error at once; if it goes away while Acquire waits, Acquire waits on.
//
// Callers in one process get the lock in their order. Between processes chance decides. A
// lock on a path above others may wait for long while those below change hands.
func (l *Locks) Acquire(ctx context.Context, path string) (*Lock, error) {
	p, err := parse(path)
	if err != nil {
		return nil, err
	}
	waited, err := l.queues.enter(ctx, p)
	if err != nil {
		return nil, timeout(ctx, p, nil)
	}
	defer l.queues.leave(p)
	a := attempt{locks: l, place: p, owner: rand.Text()}
	lock, err := a.acquire(ctx, waited)
	if err != nil {
		a.abandon()
	}
	return lock, err
}

// TryAcquire is Acquire that does not wait: it returns ErrHeld instead.
func (l *Locks) TryAcquire(ctx context.Context, path string) (*Lock, error) {
	p, err := parse(path)
	if err != nil {
		return nil, err
	}
	a := attempt{locks: l, place: p, owner: rand.Text()}
	lock, _, err := a.try(ctx)
	if lock == nil && err == nil {
		err = fmt.Errorf("%w: %q", ErrHeld, path)
	}
	if err != nil {
		a.abandon()
	}
	return lock, err
}

// Held reports whether an Acquire of the path would have to wait now. The answer may be out
// of date when it arrives.
func (l *Locks) Held(ctx context.Context, path string) (bool, error) {
	p, err := parse(path)
	if err != nil {
		return false, err
	}
	return l.server.held(ctx, p)
}

// Do acquires the lock on a path as Acquire does, calls f, and releases the lock, also if f
// panics. The context of f ends with ctx and with the lock; token is the fencing token: see
// Lock.Token. Do returns the error of f. It joins ErrNotHeld if the lock was lost
// meanwhile, and the error of a release that failed: then the lock ends with its hold.
func (l *Locks) Do(ctx context.Context, path string, f func(ctx context.Context, token int64) error) (err error) {
	lock, err := l.Acquire(ctx, path)
	if err != nil {
		return err
	}
	within, cancel := context.WithCancelCause(ctx)
	lost := context.AfterFunc(lock.Context(), func() { cancel(context.Cause(lock.Context())) })
	defer func() {
		lost()
		cancel(nil)
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), patience)
		defer cancel()
		err = errors.Join(err, lock.Release(ctx))
	}()
	return f(within, lock.Token())
}

// releaseLater releases a lock that nobody has got, in the background: it keeps
// others out until the server is told. If too many are released at once, or the server
// can't be told, the hold ends it.
func (l *Locks) releaseLater(p place, owner string) {
	select {
	case l.releasing <- struct{}{}:
	default:
		return
	}
	go func() {
		defer func() { <-l.releasing }()
		ctx, cancel := context.WithTimeout(context.Background(), min(l.hold, patience))
		defer cancel()
		_, _ = l.server.release(ctx, p, owner) // there is nobody to tell
	}()
}

// patience bounds a release that nobody waits for.
const patience = time.Second

// timeout returns the error of a context that has ended. last is the error of the last
// attempt, or nil.
func timeout(ctx context.Context, p place, last error) error {
	err := fmt.Errorf("%w: %q: %w", ErrLockTimeout, string(p), redisask.Ended(ctx))
	for _, more := range []error{context.Cause(ctx), last} {
		if more != nil && !errors.Is(more, redisask.Ended(ctx)) {
			err = fmt.Errorf("%w: %w", err, more)
		}
	}
	return err
}
