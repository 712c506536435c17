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

// Locks are the locks under one prefix of one server. They need no closing:
// nothing runs but while somebody waits or holds. Their methods are called
// concurrently.
type Locks struct {
	server    server
	hold      time.Duration
	jitter    jitter
	queues    queues
	listener  *listener
	releasing chan struct{} // has room for those who release what nobody has got
}

// Option says one thing about locks.
type Option struct {
	set func(o *options)
}

type options struct {
	prefix string
	hold   time.Duration
}

// Prefix is what the names of keys and channels begin with, default "lock:".
// Locks exclude each other where server, database and prefix are the same. It
// may be empty, and has no { or } in it.
func Prefix(prefix string) Option {
	return Option{func(o *options) { o.prefix = prefix }}
}

// Hold is for how long a holder that the server does not hear of keeps the lock:
// one that has died keeps others out for so long at most, and one that is cut
// off for longer has lost it. It is renewed at each third. Between 100 ms and 24
// hours, default 30 seconds; what is less than a millisecond is cut off. Who
// shares locks may have holds of their own.
func Hold(d time.Duration) Option {
	return Option{func(o *options) { o.hold = d.Truncate(time.Millisecond) }}
}

const (
	leastHold   = 100 * time.Millisecond
	defaultHold = 30 * time.Second
	mostHold    = 24 * time.Hour
)

// New makes locks over a client, which stays its owner's: close it when no lock
// is held any more. Set its ContextTimeoutEnabled, or calls obey a context that
// ends while the server does not answer only when the client's own timeouts do.
// A redis.Ring is refused, as are options that are wrong, all of them told. The
// server is not asked.
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

// Acquire waits until it has the lock on a path, and returns it. A path is
// elements with slashes between, as jobs/nightly: see Path for elements of any
// text. The lock excludes those on the same path, on all that are above it
// (jobs) and on all that are below it (jobs/nightly/eu), by whomever they are
// held, this process and this goroutine among them; jobs/hourly is another
// affair. A path has at most 1 KiB and 64 elements.
//
// When the context ends first, that is ErrLockTimeout; a context without an end
// waits for as long as it takes. A server that can't be reached at once is an
// error at once; one that goes away while Acquire waits is waited for. A wrong
// path is ErrPath.
//
// Who waits in one process gets the lock in the order of coming; between
// processes chance decides, and a lock on a path above others may wait for long
// while those below keep changing hands.
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

// TryAcquire is Acquire where it need not wait, and ErrHeld where it need.
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

// Held tells whether an Acquire of the path would have to wait now. What it says
// may be over when it is said.
func (l *Locks) Held(ctx context.Context, path string) (bool, error) {
	p, err := parse(path)
	if err != nil {
		return false, err
	}
	return l.server.held(ctx, p)
}

// Do acquires the lock on a path as Acquire does, runs f, and releases it, also
// where f panics. The context that f is given ends with ctx, and with the lock;
// token is the fencing token: see Lock.Token. What f returns is returned. If the
// lock was lost meanwhile, that is joined to it, as ErrNotHeld; and so is that
// the server could not be told of the release, in which case the lock ends with
// its hold.
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

// patience is how long a release may take that nobody waits for.
const patience = time.Second

// timeout is what is returned when the context has ended. The last error is that
// of the last attempt, or nil.
func timeout(ctx context.Context, p place, last error) error {
	err := fmt.Errorf("%w: %q: %w", ErrLockTimeout, string(p), redisask.Ended(ctx))
	for _, more := range []error{context.Cause(ctx), last} {
		if more != nil && !errors.Is(more, redisask.Ended(ctx)) {
			err = fmt.Errorf("%w: %w", err, more)
		}
	}
	return err
}
