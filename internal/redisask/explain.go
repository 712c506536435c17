package redisask

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
)

// Cause is what an error of a server, or of the way to it, is a sign of.
type Cause int

// What errors are a sign of.
const (
	Unknown     Cause = iota // of nothing in particular
	Answer                   // the server refuses the command, for a reason that has no remedy here
	Login                    // user or password is wrong
	Rights                   // the user may not do that
	Setup                    // the server is of another kind, or lacks what is needed
	Foreign                  // something else is stored under the key
	Replica                  // the server is a replica, and takes no writes
	TooFew                   // the server has too few replicas, and takes no writes
	NoRoom                   // memory or disk is full
	Busy                     // the server answers once it has done something else
	Unreachable              // no connection could be had
	Closed                   // the client was closed
)

// Remedy says what to do about an error whose text contains Says.
type Remedy struct {
	Says  string
	Cause Cause
	Do    string
}

const (
	doAllow = "the user may not do that: allow it the keys, channels and commands that the documentation lists"
	doClear = "something else is stored under the key: use a prefix that nobody else has"
	doServe = "the server lacks a command: use Redis 5 or newer, one with scripts"
)

// serverSays is for what servers answer. The first that fits holds; an error of a
// script may begin with the place in the script.
var serverSays = []Remedy{
	{"WRONGPASS", Login, "user or password is wrong: set both as the server has them, in a URL as redis://user:password@host"},
	{"invalid password", Login, "the password is wrong: set it as the server has it, in a URL as redis://:password@host"},
	{"without any password configured", Login, "the server has no password: leave it out"},
	{"unauthenticated", Login, "the server wants a password: set it, in a URL as redis://:password@host"},
	{"NOAUTH", Login, "the server wants a password: set it, in a URL as redis://:password@host"},
	{"NOPERM", Rights, doAllow},
	{"ACL failure in script", Rights, doAllow},
	{"The user executing the script", Rights, doAllow},
	{"READONLY", Replica, "the server is a replica: use the address of the master, or a client of sentinels, in a URL redis+sentinel://"},
	{"LOADING", Busy, "the server is reading its data: it answers once it is done"},
	{"MASTERDOWN", Busy, "the replica has lost its master: use the address of the master"},
	{"CLUSTERDOWN", Busy, "the cluster lacks nodes: see what CLUSTER INFO says"},
	{"TRYAGAIN", Busy, "the cluster is moving keys: try again"},
	{"MOVED", Setup, "the server is one of a cluster: use a redis.ClusterClient, or redis+cluster:// in a URL"},
	{"NOREPLICAS", TooFew, "the server has too few replicas to be written: see its min-replicas-to-write"},
	{"MISCONF", NoRoom, "the server can't save to its disk: see its log"},
	{"OOM", NoRoom, "the server's memory is full: raise its maxmemory"},
	{"BUSY", Busy, "somebody's script holds the server up: end it with SCRIPT KILL"},
	{"max number of clients", Busy, "the server has too many clients: raise its maxclients, or lower the pool of connections"},
	{"DB index is out of range", Setup, "the server has no such database: use a lower number, or raise its databases"},
	{"WRONGTYPE", Foreign, doClear},
	{"FOREIGN", Foreign, doClear}, // of our own scripts
	{"unknown command", Setup, doServe},
	{"Unknown Redis command", Setup, doServe},
	{"non deterministic", Setup, "the server is too old: use Redis 5 or newer"},
}

// clientSays is for errors of connections, and of go-redis.
var clientSays = []Remedy{
	{"all sentinels specified in configuration are unreachable", Unreachable, "no sentinel answers, or none knows a master of this name: correct addresses and name"},
	{"connection pool timeout", Unreachable, "all connections are in use: raise the pool of connections"},
	{"client is closed", Closed, "close it only when nothing uses it any more"},
	{"connection refused", Unreachable, "nobody listens there: start the server, or correct the address"},
	{"no such host", Unreachable, "the name is not known: correct the address"},
	{"no such file", Unreachable, "there is no such socket: start the server, or correct the path"},
}

const doWait = "the server did not answer in time: see whether it is up, or raise the timeout"

// Explain returns the error of a command with what to do about it, and its cause. It
// quotes neither the key nor other arguments, see Plain. A package's own remedies for
// what servers answer come before the common ones.
func Explain(ctx context.Context, key string, err error, own ...Remedy) (Cause, error) {
	var server redis.Error
	answered := errors.As(err, &server) && !strings.HasPrefix(err.Error(), "redis: ") // of a sentinel, wrapped by go-redis
	says := clientSays
	if answered {
		says = slices.Concat(own, serverSays)
	}
	plain := Plain(err, key)
	for _, r := range says {
		if strings.Contains(err.Error(), r.Says) {
			return r.Cause, explained{plain, r.Cause, r.Do}
		}
	}
	var network net.Error
	switch over := Ended(ctx); {
	case answered:
		return Answer, explained{plain, Answer, ""}
	case over != nil && !errors.Is(err, over):
		return Unknown, fmt.Errorf("%w: %w", over, plain)
	case over == nil && errors.As(err, &network) && network.Timeout():
		return Unknown, explained{plain, Unknown, doWait}
	}
	return Unknown, plain
}

// CauseOf returns the cause of an error that Explain has returned, or Unknown.
func CauseOf(err error) Cause {
	var e explained
	if errors.As(err, &e) {
		return e.cause
	}
	return Unknown
}

// explained is an error with what to do about it. It wraps nothing, so that the remedy is
// shown also where keys are hidden, and with them the text of errors that wrap others.
type explained struct {
	err   error
	cause Cause
	do    string
}

func (e explained) Error() string {
	if e.do == "" {
		return e.err.Error()
	}
	return e.err.Error() + ": " + e.do
}

func (e explained) Is(target error) bool { return errors.Is(e.err, target) }
func (e explained) As(target any) bool   { return errors.As(e.err, target) }

// Ended returns why the context is over, or nil. A connection, which has the same
// deadline, may notice a moment before the context does.
func Ended(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if deadline, ok := ctx.Deadline(); ok && !time.Now().Before(deadline) {
		return context.DeadlineExceeded
	}
	return nil
}
