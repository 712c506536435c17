package redisstore

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/perennial-go/perennial/internal/redisask"
	"github.com/perennial-go/perennial/storage"
)

// remedy is what to do about an error that has a text in it.
type remedy struct {
	says, do string
	key      bool  // it is one key's matter
	refused  bool  // it is a storage.ErrRefused
	is       error // what callers know it as, if anything
}

// serverSays is for what servers answer. The first that fits holds; what comes
// of a script may stand after where in the script it came from.
var serverSays = []remedy{
	{says: "WRONGPASS", do: "user or password is wrong: set both as the server has them, in a URL as redis://user:password@host", refused: true},
	{says: "invalid password", do: "the password is wrong: set it as the server has it, in a URL as redis://:password@host", refused: true},
	{says: "without any password configured", do: "the server has no password: leave it out", refused: true},
	{says: "NOAUTH", do: "the server wants a password: set it, in a URL as redis://:password@host", refused: true},
	{says: "NOPERM", do: "the user may not do that: allow it the key, and the commands that the documentation of redisstore lists", key: true, refused: true},
	{says: "The user executing the script can't", do: "the user may not do that: allow it the key, and the commands and channels that the documentation of redisstore lists", key: true, refused: true},
	{says: "READONLY", do: "the server is a replica: use the address of the master, or redis+sentinel:// to find it", refused: true},
	{says: "LOADING", do: "the server is reading its data: it answers once it is done"},
	{says: "MASTERDOWN", do: "the replica has lost its master: use the address of the master"},
	{says: "CLUSTERDOWN", do: "the cluster lacks nodes: see what CLUSTER INFO says"},
	{says: "MOVED", do: "the server is one of a cluster: use redis+cluster://, or a redis.ClusterClient", refused: true},
	{says: "NOREPLICAS", do: "the server has too few replicas to be written: see its min-replicas-to-write"},
	{says: "MISCONF", do: "the server can't save to its disk: see its log"},
	{says: "OOM", do: "the server's memory is full: set a maxmemory-policy that evicts, such as allkeys-lru, or raise maxmemory"},
	{says: "BUSY", do: "a script of somebody's holds the server up: end it with SCRIPT KILL"},
	{says: "max number of clients", do: "the server has too many clients: raise its maxclients, or lower pool"},
	{says: "DB index is out of range", do: "the server has no such database: use a lower number, or raise its databases", refused: true},
	{says: "WRONGTYPE", do: "something else is stored under the key: use a prefix that nobody else has; the next set or claim replaces it", key: true, refused: true, is: storage.ErrUnreadable},
	{says: "unknown command", do: "the server lacks a command: see the documentation of redisstore for those that are needed; without scripts, use the layout string or field", refused: true},
}

// clientSays is for what comes of connections, and of go-redis.
var clientSays = []remedy{
	{says: "all sentinels specified in configuration are unreachable", do: "no sentinel answers, or none knows a master of this name: correct addresses and name"},
	{says: "connection pool timeout", do: "all connections are in use: raise pool"},
	{says: "client is closed", do: "the store is closed: use it only before Close"},
	{says: "connection refused", do: "nobody listens there: start the server, or correct the address"},
	{says: "no such host", do: "the name is not known: correct the address"},
	{says: "no such file", do: "there is no such socket: start the server, or correct the path"},
}

// remedied is an error with what to do about it. It wraps nothing, so that the remedy
// is shown also where keys are hidden, and with them what others have wrapped.
type remedied struct {
	err error
	do  string
}

func (r remedied) Error() string        { return r.err.Error() + ": " + r.do }
func (r remedied) Is(target error) bool { return errors.Is(r.err, target) }
func (r remedied) As(target any) bool   { return errors.As(r.err, target) }

// explain wraps an error with what was being done, and what to do about it.
func explain(ctx context.Context, verb, key string, err error) error {
	if errors.Is(err, redisask.ErrLength) {
		return fmt.Errorf("%w: %s: %w", ErrTooLarge, verb, err)
	}
	says := clientSays
	var server redis.Error
	if errors.As(err, &server) && !strings.HasPrefix(err.Error(), "redis: ") { // of a sentinel, wrapped by go-redis
		says = serverSays
	}
	for _, r := range says {
		if strings.Contains(err.Error(), r.says) {
			err := redisask.Plain(err, key)
			if r.key {
				verb = fmt.Sprintf("%s %q", verb, key)
			}
			err = remedied{err, r.do}
			explained := fmt.Errorf("redisstore: %s: %w", verb, err)
			if r.is != nil {
				explained = fmt.Errorf("redisstore: %s: %w: %w", verb, r.is, err)
			}
			if r.refused {
				return storage.Refused(explained)
			}
			return explained
		}
	}
	err = redisask.Plain(err, key)
	var network net.Error
	switch over := ended(ctx); {
	case server != nil:
		return fmt.Errorf("redisstore: %s %q: %w", verb, key, err)
	case over != nil && !errors.Is(err, over):
		return fmt.Errorf("redisstore: %s: %w: %w", verb, over, err)
	case over == nil && errors.As(err, &network) && network.Timeout():
		return fmt.Errorf("redisstore: %s: %w: %w", verb, err, errNoAnswer)
	}
	return fmt.Errorf("redisstore: %s: %w", verb, err)
}

var errNoAnswer = errors.New("the server did not answer in time: see whether it is up, or raise timeout")

// ended is why the context is over. A connection, which has the same deadline,
// may notice a moment before the context does.
func ended(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if deadline, ok := ctx.Deadline(); ok && !time.Now().Before(deadline) {
		return context.DeadlineExceeded
	}
	return nil
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
