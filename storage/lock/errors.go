package lock

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/perennial-go/perennial/internal/redisask"
)

// Errors that callers tell apart with errors.Is.
var (
	// ErrLockTimeout says that the context ended before the lock could be had.
	// What it wraps beside it is the context's error and, if the server could not
	// be asked in the end, why.
	ErrLockTimeout = errors.New("lock: it was not to be had in time: wait longer, or see who holds it")
	// ErrHeld says that somebody else holds the lock, or one above or below it.
	ErrHeld = errors.New("lock: somebody holds it, or one above or below it: try later, or wait with Acquire")
	// ErrNotHeld says that a lock is not held any more: it was released before,
	// or lost. What was done under it may have coincided with what its next
	// holder did, unless the resource checks fencing tokens.
	ErrNotHeld = errors.New("lock: it is not held any more: acquire it anew, and look at what was done meanwhile")
	// ErrPath says that a path can't be locked. Nothing was asked of the server.
	ErrPath = errors.New("lock: the path is wrong")
)

// Reasons for which a lock is lost, told by the cause of its context.
var (
	errGone    = errors.New("the server has it no more, or has given it to somebody else")
	errExpired = errors.New("it could not be renewed in time")
)

var (
	errAnswer = errors.New("the answer is none of the script's: see whether something stands between")
	errLate   = errors.New("the answer came when the hold was over: raise lock.Hold, or see why the server is slow")
)

// remedies say what to do about what servers and connections say. The first
// that fits holds. What is later may pass by itself, where somebody waits.
var remedies = []struct {
	says, do string
	later    bool
}{
	{says: "WRONGPASS", do: "user or password is wrong: set both as the server has them"},
	{says: "invalid password", do: "the password is wrong: set it as the server has it"},
	{says: "NOAUTH", do: "the server wants a password: set it"},
	{says: "NOPERM", do: "the user may not do that: allow it the prefix, and the commands that docs/locks.md lists"},
	{says: "READONLY", do: "the server is a replica: use the address of the master, or a client of sentinels", later: true},
	{says: "LOADING", do: "the server is reading its data: it answers once it is done", later: true},
	{says: "MASTERDOWN", do: "the replica has lost its master: use the address of the master", later: true},
	{says: "CLUSTERDOWN", do: "the cluster lacks nodes: see what CLUSTER INFO says", later: true},
	{says: "TRYAGAIN", do: "the cluster is moving keys", later: true},
	{says: "MOVED", do: "the server is one of a cluster: use a redis.ClusterClient"},
	{says: "NOREPLICAS", do: "the server has too few replicas to be written: see its min-replicas-to-write", later: true},
	{says: "MISCONF", do: "the server can't save to its disk: see its log"},
	{says: "OOM", do: "the server's memory is full: raise its maxmemory"},
	{says: "BUSY", do: "a script of somebody's holds the server up: end it with SCRIPT KILL", later: true},
	{says: "max number of clients", do: "the server has too many clients: raise its maxclients", later: true},
	{says: "DB index is out of range", do: "the server has no such database: use a lower number, or raise its databases"},
	{says: "WRONGTYPE", do: "something else is stored under the lock's keys: use a prefix that nobody else has"},
	{says: foreign, do: "something else is stored under the lock's keys: use a prefix that nobody else has"},
	{says: "unknown command", do: "the server lacks a command: it has to be Redis 5 or later, with scripts"},
	{says: "connection refused", do: "nobody listens there: start the server, or correct the address", later: true},
	{says: "no such host", do: "the name is not known: correct the address", later: true},
	{says: "client is closed", do: "the redis client was closed: close it only when no lock is in use"},
}

// transient tells whether an error of the server may pass by itself. It speaks
// of what comes after a first answer: before it, any error is told at once.
func transient(err error) bool {
	for _, r := range remedies {
		if strings.Contains(err.Error(), r.says) {
			return r.later
		}
	}
	var answer redis.Error
	return !errors.As(err, &answer) // a connection's
}

// explain wraps an error with what was being done, and what to do about it.
func explain(ctx context.Context, verb string, p place, err error) error {
	what := fmt.Sprintf("lock: %s %q", verb, string(p))
	for _, r := range remedies {
		if strings.Contains(err.Error(), r.says) {
			return fmt.Errorf("%s: %w: %s", what, redisask.Plain(err, string(p)), r.do)
		}
	}
	err = redisask.Plain(err, string(p))
	var network net.Error
	switch over := ended(ctx); {
	case over != nil && !errors.Is(err, over):
		return fmt.Errorf("%s: %w: %w", what, over, err)
	case over == nil && errors.As(err, &network) && network.Timeout():
		return fmt.Errorf("%s: %w: the server did not answer in time: see whether it is up", what, err)
	}
	return fmt.Errorf("%s: %w", what, err)
}

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
