package shared

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/perennial-go/perennial/config"
	"github.com/perennial-go/perennial/internal/servers"
	"github.com/perennial-go/perennial/memoize"
	"github.com/perennial-go/perennial/storage"
	"github.com/perennial-go/perennial/storage/redisstore"
)

type scopeKey struct{}

func scoped(ctx context.Context, scope string) context.Context {
	return context.WithValue(ctx, scopeKey{}, scope)
}

func scopeOf(ctx context.Context) (string, error) { return ctx.Value(scopeKey{}).(string), nil }

// ofScopes is a function with scopes, as one of several processes has it.
func ofScopes(t *testing.T, b storage.Bytes, load func(context.Context, string) (string, error)) *memoize.Func[string, string] {
	t.Helper()
	s, err := storage.Share(b, storage.Prefix(`s*[a-z]:`))
	noError(t, err)
	f, err := memoize.NewScoped(load, scopeOf, config.Name("orders"), config.Store(s),
		config.StoreBudget(time.Minute, time.Minute), config.Logger(slog.New(slog.DiscardHandler)))
	noError(t, err)
	t.Cleanup(func() { noError(t, f.Close(context.Background())) })
	return f
}

// TestG4InvalidateScopeOnAServer invalidates a scope in one process, and looks from
// another: it is gone, and no other is, whatever characters and lengths scopes and keys
// have, in each layout and in a cluster.
func TestG4InvalidateScopeOnAServer(t *testing.T) {
	long := strings.Repeat("k", 2000) // keys may have 1 KiB
	scopes := []string{
		"", "a", "ab", "a*", "a?", "[a]", "a[b-z]", `a\`, `a\*`, `a"`, "a,", "a}", "a{", "{a}", "{", "}", "#", "\x00", "ä", "a\nb",
		strings.Repeat("s", 900), strings.Repeat("s", 901), strings.Repeat("s", 2000), strings.Repeat("s", 2001), strings.Repeat("*", 2000),
	}
	keys := []string{"", "k", "*", "k}", "{k", `",`, long, long + "2"}
	server := servers.Redis(t)
	var addrs []string
	for _, node := range servers.RedisCluster(t) {
		addrs = append(addrs, node.Addr())
	}
	for where, open := range map[string]func(rdb redis.UniversalClient) storage.Bytes{
		"entry":   func(rdb redis.UniversalClient) storage.Bytes { return redisstore.New(rdb) },
		"cluster": func(rdb redis.UniversalClient) storage.Bytes { return redisstore.New(rdb) },
		"string":  func(rdb redis.UniversalClient) storage.Bytes { return redisstore.NewStrings(rdb) },
		"field":   func(rdb redis.UniversalClient) storage.Bytes { return redisstore.NewFields(rdb, "orders") },
	} {
		t.Run(where, func(t *testing.T) {
			server.Command("FLUSHALL")
			client := func() redis.UniversalClient { return newClient(t, server) }
			if where == "cluster" {
				client = func() redis.UniversalClient {
					rdb := redis.NewClusterClient(&redis.ClusterOptions{Addrs: addrs, ContextTimeoutEnabled: true})
					t.Cleanup(func() { noError(t, rdb.Close()) })
					return rdb
				}
			}
			load := func(ctx context.Context, key string) (string, error) {
				return fmt.Sprintf("%q of %q", key, ctx.Value(scopeKey{})), nil
			}
			f, another := ofScopes(t, open(client()), load), ofScopes(t, open(client()), load)
			fill := func(scope string) {
				_, err := f.CallMany(scoped(t.Context(), scope), keys)
				noError(t, err)
			}
			for _, scope := range scopes {
				fill(scope)
			}
			for _, gone := range scopes {
				noError(t, f.InvalidateScope(t.Context(), gone))
				for _, scope := range scopes {
					found, ok := another.PeekMany(scoped(t.Context(), scope), keys)
					for i, key := range keys {
						want, _ := load(scoped(t.Context(), scope), key)
						if kept := ok[i]; kept == (scope == gone) || kept && found[i] != want {
							t.Errorf("scope %.9q (%d) is invalidated, and of %.9q (%d), key %.9q there is %.40q, %v", gone, len(gone), scope, len(scope), key, found[i], kept)
						}
					}
				}
				fill(gone)
			}
		})
	}
}

// TestG4InvalidateScopeKeepsLoadsOfOthersOut invalidates a scope while another process
// loads for it, and for another scope.
func TestG4InvalidateScopeKeepsLoadsOfOthersOut(t *testing.T) {
	server := servers.Redis(t)
	open := make(chan struct{})
	var loading, calls sync.WaitGroup
	loading.Add(2)
	slow := ofScopes(t, redisstore.New(newClient(t, server)), func(context.Context, string) (string, error) {
		loading.Done()
		<-open
		return "old", nil
	})
	f := ofScopes(t, redisstore.New(newClient(t, server)), func(context.Context, string) (string, error) { return "new", nil })
	for _, scope := range []string{"a", "b"} {
		calls.Go(func() {
			if v, err := slow.Call(scoped(t.Context(), scope), "key"); v != "old" || err != nil {
				t.Errorf("who led the load gets %q, %v", v, err)
			}
		})
	}
	loading.Wait()
	noError(t, f.InvalidateScope(t.Context(), "a"))
	close(open)
	calls.Wait()
	if v, err := f.Call(scoped(t.Context(), "a"), "key"); v != "new" || err != nil {
		t.Errorf("in the scope there is %q, %v", v, err)
	}
	if v, err := f.Call(scoped(t.Context(), "b"), "key"); v != "old" || err != nil {
		t.Errorf("in another scope there is %q, %v", v, err)
	}
}
