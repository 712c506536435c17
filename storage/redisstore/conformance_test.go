package redisstore_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"go.uber.org/goleak"

	"github.com/perennial-go/perennial/internal/servers"
	_ "github.com/perennial-go/perennial/internal/servers/quiet"
	"github.com/perennial-go/perennial/storage"
	"github.com/perennial-go/perennial/storage/redisstore"
	"github.com/perennial-go/perennial/storage/storagetest"
)

// TestMain fails if a goroutine outlives the tests.
func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m)
}

const (
	ofStrings = storagetest.Bulk | storagetest.Adder | storagetest.Toucher | storagetest.Lister | storagetest.KeyLimit
	ofFields  = ofStrings &^ storagetest.Toucher
	ofEntries = ofStrings | storagetest.Fenced | storagetest.Swapper
)

// conforms runs the conformance suite. The server's clock is not ours: time
// passes by itself.
func conforms(t *testing.T, can storagetest.Capability, b storage.Bytes) {
	t.Helper()
	storagetest.TestBytes(t, storagetest.Store{
		New: func(*testing.T) storage.Bytes { return b }, Can: can,
		Resolution: time.Millisecond, Advance: time.Sleep, Timeless: can == ofFields,
	})
}

// patient is a time in which a server answers however busy the machine is.
const patient = time.Minute

// newClient is a client with go-redis's own defaults, RESP3 among them.
func newClient(t testing.TB, s *servers.Server) *redis.Client {
	t.Helper()
	rdb := redis.NewClient(&redis.Options{Addr: s.Addr(), ContextTimeoutEnabled: true, DialTimeout: patient, ReadTimeout: patient})
	t.Cleanup(func() { closes(t, rdb) })
	return rdb
}

// open opens a URL, with patience where it does not say otherwise.
func open(t testing.TB, url string, args ...any) *storage.Store {
	t.Helper()
	url = fmt.Sprintf(url, args...)
	if !strings.Contains(url, "?") {
		url += "?"
	}
	if !strings.Contains(url, "timeout=") {
		url += fmt.Sprintf("&timeout=%v", patient)
	}
	s, err := storage.Open(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { closes(t, s) })
	return s
}

func closes(t testing.TB, c interface{ Close() error }) {
	if err := c.Close(); err != nil {
		t.Errorf("Close: %v", err)
	}
}

func TestConformance(t *testing.T) {
	t.Parallel()
	s := servers.Redis(t)
	t.Run("entry", func(t *testing.T) { conforms(t, ofEntries, redisstore.New(newClient(t, s))) })
	t.Run("string", func(t *testing.T) { conforms(t, ofStrings, redisstore.NewStrings(newClient(t, s))) })
	t.Run("field", func(t *testing.T) { conforms(t, ofFields, redisstore.NewFields(newClient(t, s), "the hash")) })
}

func TestConformanceOpened(t *testing.T) {
	t.Parallel()
	socket := servers.SocketPath(t)
	s := servers.Redis(t, "--unixsocket", socket)
	t.Run("a database of its own", func(t *testing.T) { conforms(t, ofEntries, open(t, "redis://%s/7", s.Addr()).Bytes()) })
	t.Run("a Unix socket", func(t *testing.T) { conforms(t, ofEntries, open(t, "redis+unix://%s?db=1", socket).Bytes()) })
	for database, want := range map[string]string{"7": "db7:keys=", "1": "db1:keys="} {
		if info := s.Command("INFO", "keyspace"); !strings.Contains(info, want) {
			t.Errorf("nothing is in database %s: %q", database, info)
		}
	}
}

func TestConformanceOnCluster(t *testing.T) {
	t.Parallel()
	var addrs []string
	for _, node := range servers.RedisCluster(t) {
		addrs = append(addrs, node.Addr())
	}
	t.Run("entry", func(t *testing.T) {
		conforms(t, ofEntries, open(t, "redis+cluster://%s", strings.Join(addrs, ",")).Bytes())
	})
	t.Run("string", func(t *testing.T) {
		conforms(t, ofStrings, open(t, "redis+cluster://%s?layout=string", addrs[1]).Bytes())
	})
}

func TestConformanceThroughSentinel(t *testing.T) {
	t.Parallel()
	s := servers.RedisSentinel(t)
	b := open(t, "redis+sentinel://%s/%s/2", s.Sentinel.Addr(), s.Name).Bytes()
	conforms(t, ofEntries, b)
	s.Failover()
	ctx, cancel := context.WithTimeout(t.Context(), patient)
	defer cancel()
	for err := error(nil); ; { // until the client has noticed
		if ctx.Err() != nil {
			t.Fatalf("after a failover: %v", err)
		}
		if err = b.Set(ctx, "key", nil, time.Minute); err == nil {
			break
		}
	}
	conforms(t, ofEntries, b)
}

// A prefix is plain text wherever the server takes patterns.
func TestPrefixOfWildcards(t *testing.T) {
	t.Parallel()
	s := servers.Redis(t)
	const prefix = `s*c[a-z]?\`
	near := []string{`sc`, `sXca\`, `s*c[a-z]x\`, `s*ca?\`, `s*cb1\`, `s*c[a-z]?`, `s*c[a-z]?/`}
	for layout, b := range map[string]interface {
		storage.Bytes
		storage.ListerBytes
	}{
		"entry":  redisstore.New(newClient(t, s)),
		"string": redisstore.NewStrings(newClient(t, s)),
		"field":  redisstore.NewFields(newClient(t, s), "hash"),
	} {
		t.Run(layout, func(t *testing.T) {
			s.Command("FLUSHALL")
			for _, key := range append(near, prefix, prefix+"1", prefix+"*") {
				if err := b.Set(t.Context(), key, []byte(key), time.Hour); err != nil {
					t.Fatal(err)
				}
			}
			n := 0
			for key, err := range b.Keys(t.Context(), prefix) {
				if n++; err != nil || !strings.HasPrefix(key, prefix) {
					t.Errorf("Keys yields %q, %v", key, err)
				}
			}
			if n != 3 {
				t.Errorf("Keys yields %d keys, want 3", n)
			}
			if err := b.Clear(t.Context(), prefix); err != nil {
				t.Fatal(err)
			}
			for _, key := range near {
				if r, err := b.Get(t.Context(), key); err != nil || !r.Found {
					t.Errorf("after Clear of %q, %q is gone: %v", prefix, key, err)
				}
			}
			for key := range b.Keys(t.Context(), prefix) {
				t.Errorf("Clear left %q", key)
			}
		})
	}
}
