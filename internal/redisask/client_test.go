package redisask

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"

	"github.com/redis/go-redis/v9"
)

// CheckClient warns of a client that ignores deadlines, and of no other.
func TestCheckClientWarns(t *testing.T) {
	for name, c := range map[string]struct {
		client redis.UniversalClient
		warns  bool
	}{
		"as redis.NewClient makes it": {redis.NewClient(&redis.Options{}), true},
		"one that looks":              {redis.NewClient(&redis.Options{ContextTimeoutEnabled: true}), false},
		"of a cluster":                {redis.NewClusterClient(&redis.ClusterOptions{}), true},
		"of a cluster, that looks":    {redis.NewClusterClient(&redis.ClusterOptions{ContextTimeoutEnabled: true}), false},
		"nobody can tell":             {struct{ redis.UniversalClient }{}, false},
	} {
		var log bytes.Buffer
		was := slog.Default()
		slog.SetDefault(slog.New(slog.NewTextHandler(&log, nil)))
		if err := CheckClient("redisstore", c.client); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		slog.SetDefault(was)
		if warns := strings.Contains(log.String(), "ContextTimeoutEnabled"); warns != c.warns {
			t.Errorf("%s: the log says %q", name, log.String())
		}
		if name != "nobody can tell" {
			_ = c.client.Close()
		}
	}
}
