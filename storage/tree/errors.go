package tree

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

var (
	// ErrNotFound says that nothing is at a path, nor below it.
	ErrNotFound = errors.New("tree: nothing is there")
	// ErrNotInteger says that something can't be added to: it is a node, or a value
	// that is no integer, or the sum is none of 64 bits. Nothing is changed.
	ErrNotInteger = errors.New("tree: that is no integer of 64 bits")
	// ErrReadOnly says that the server does not take writes now: it is a replica, or
	// has too few of them, or can't save to its disk, or its memory is full. The
	// error says which. Nothing is changed.
	ErrReadOnly = errors.New("tree: the server takes no writes")
	// ErrRefused says that the server does not let the client in, or not do that:
	// password, user, rights, or a server without scripts. Another attempt has
	// the same end. Nothing is changed.
	ErrRefused = errors.New("tree: the server refuses that")
	// ErrDatabase says that no database has a name.
	ErrDatabase = errors.New("tree: no database has that name")
)

// remedy is what to do about an error that has a text in it, and what callers
// know it as, if anything.
type remedy struct {
	says, do string
	is       error
}

const (
	doAllow  = "the user may not do that: allow it the keys, and the commands that the documentation of tree lists"
	doScript = "the server lacks a command: a tree needs one with scripts, see the documentation of tree"
	doClear  = "use a prefix that nobody else has, or Clear the tree"
)

// serverSays is for what servers answer. The first that fits holds; what comes
// of a script may stand after where in the script it came from.
var serverSays = []remedy{
	{says: "NOTANINTEGER", do: "see by Get what it is, and replace it by Set", is: ErrNotInteger},
	{says: "TOOLARGE", do: "do it to its children one by one, or raise MaxLeaves", is: ErrTooLarge},
	{says: "FOREIGN", do: doClear, is: storage.ErrUnreadable},
	{says: "WRONGTYPE", do: "something else is stored under the tree's keys: " + doClear, is: storage.ErrUnreadable},
	{says: "WRONGPASS", do: "user or password is wrong: set both as the server has them", is: ErrRefused},
	{says: "invalid password", do: "the password is wrong: set it as the server has it", is: ErrRefused},
	{says: "without any password configured", do: "the server has no password: leave it out", is: ErrRefused},
	{says: "unauthenticated", do: "the server wants a password: set it", is: ErrRefused},
	{says: "NOAUTH", do: "the server wants a password: set it", is: ErrRefused},
	{says: "NOPERM", do: doAllow, is: ErrRefused},
	{says: "ACL failure in script", do: doAllow, is: ErrRefused},
	{says: "The user executing the script", do: doAllow, is: ErrRefused},
	{says: "unknown command", do: doScript, is: ErrRefused},
	{says: "Unknown Redis command", do: doScript, is: ErrRefused},
	{says: "non deterministic", do: "the server is too old: use Redis 5 or newer", is: ErrRefused},
	{says: "DB index is out of range", do: "the server has no such database: use a lower number, or raise its databases", is: ErrRefused},
	{says: "READONLY", do: "the server is a replica: use the address of the master", is: ErrReadOnly},
	{says: "NOREPLICAS", do: "the server has too few replicas to be written: see its min-replicas-to-write", is: ErrReadOnly},
	{says: "MISCONF", do: "the server can't save to its disk: see its log", is: ErrReadOnly},
	{says: "OOM", do: "the server's memory is full: raise its maxmemory", is: ErrReadOnly},
	{says: "LOADING", do: "the server is reading its data: it answers once it is done"},
	{says: "MASTERDOWN", do: "the replica has lost its master: use the address of the master"},
	{says: "CLUSTERDOWN", do: "the cluster lacks nodes: see what CLUSTER INFO says"},
	{says: "MOVED", do: "the server is one of a cluster: use a redis.ClusterClient"},
	{says: "BUSY", do: "a script of somebody's holds the server up: end it with SCRIPT KILL"},
	{says: "max number of clients", do: "the server has too many clients: raise its maxclients, or lower PoolSize"},
}

// clientSays is for what comes of connections, and of go-redis.
var clientSays = []remedy{
	{says: "connection pool timeout", do: "all connections are in use: raise PoolSize"},
	{says: "client is closed", do: "use the tree only before its client is closed"},
	{says: "connection refused", do: "nobody listens there: start the server, or correct the address"},
	{says: "no such host", do: "the name is not known: correct the address"},
}

// explain wraps an error with what was being done, and what to do about it.
func explain(ctx context.Context, verb string, path []string, err error) error {
	what := fmt.Sprintf("tree: %s %q", verb, shortened(path))
	says := clientSays
	var server redis.Error
	if errors.As(err, &server) && !strings.HasPrefix(err.Error(), "redis: ") {
		says = serverSays
	}
	for _, r := range says {
		if !strings.Contains(err.Error(), r.says) {
			continue
		}
		err := redisask.Plain(err, Text(path))
		if r.is != nil {
			return fmt.Errorf("%s: %w: %w: %s", what, r.is, err, r.do)
		}
		return fmt.Errorf("%s: %w: %s", what, err, r.do)
	}
	err = redisask.Plain(err, Text(path))
	var network net.Error
	switch over := ended(ctx); {
	case server != nil:
	case over != nil && !errors.Is(err, over):
		return fmt.Errorf("%s: %w: %w", what, over, err)
	case over == nil && errors.As(err, &network) && network.Timeout():
		return fmt.Errorf("%s: %w: the server did not answer in time: see whether it is up, or raise the client's timeouts", what, err)
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

// shortened is the text of a path, of which errors show no more than can be read.
func shortened(path []string) string {
	const most = 200
	if text := Text(path); len(text) > most {
		return strings.ToValidUTF8(text[:most], "") + "..."
	}
	return Text(path)
}
