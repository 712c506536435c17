package redisask

import (
	"log/slog"

	"github.com/redis/go-redis/v9"
)

// WarnDeaf logs a warning in the name of a package if the client is known not to look at
// the deadlines of contexts: while a server hangs, calls take as long as the client's
// own timeouts and retries, many seconds.
func WarnDeaf(in string, rdb redis.UniversalClient) {
	obeys := true
	switch c := rdb.(type) {
	case *redis.Client:
		obeys = c.Options().ContextTimeoutEnabled
	case *redis.ClusterClient:
		obeys = c.Options().ContextTimeoutEnabled
	}
	if !obeys {
		slog.Warn(in + ": the client does not look at the deadlines of contexts, so that calls wait for its own timeouts while the server hangs: set ContextTimeoutEnabled in its options")
	}
}
