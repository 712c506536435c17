package redisask

import (
	"errors"
	"log/slog"
	"math"
	"time"

	"github.com/redis/go-redis/v9"
)

// CheckClient returns an error, in the name of a package, for a client that it can't
// use: nil, or a redis.Ring. It logs a warning if the client is known to ignore the
// deadlines of contexts: while a server hangs, calls then take as long as the client's
// own timeouts and retries, many seconds.
func CheckClient(in string, rdb redis.UniversalClient) error {
	obeys := true
	switch c := rdb.(type) {
	case nil:
		return errors.New(in + ": the client is nil: make one with redis.NewClient")
	case *redis.Ring:
		return errors.New(in + ": a redis.Ring hides that a shard is away, and asks another, which holds something else: use a redis.ClusterClient, or a client for each server")
	case *redis.Client:
		obeys = c.Options().ContextTimeoutEnabled
	case *redis.ClusterClient:
		obeys = c.Options().ContextTimeoutEnabled
	}
	if !obeys {
		slog.Warn(in + ": the client ignores the deadlines of contexts, so that calls wait for its own timeouts while the server hangs: set ContextTimeoutEnabled in its options")
	}
	return nil
}

// Forever is a time to live without end, in milliseconds, as servers and scripts have it.
const Forever = -1

// Milliseconds returns a time to live in whole milliseconds, rounded up: 0 for zero or
// less, and Forever for the longest duration.
func Milliseconds(d time.Duration) int64 {
	switch {
	case d <= 0:
		return 0
	case d == math.MaxInt64:
		return Forever
	case d%time.Millisecond > 0:
		return int64(d/time.Millisecond) + 1
	}
	return int64(d / time.Millisecond)
}

// Duration returns a time to live that a server has sent, in milliseconds. Forever, and
// what is longer than a duration can be, is the longest duration.
func Duration(ms int64) time.Duration {
	if ms == Forever || ms > math.MaxInt64/int64(time.Millisecond) {
		return math.MaxInt64
	}
	return time.Duration(max(ms, 0)) * time.Millisecond
}
