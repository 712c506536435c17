package redisstore_test

import (
	"fmt"
	"testing"

	"github.com/redis/go-redis/v9"

	"github.com/perennial-go/perennial/internal/servers"
	"github.com/perennial-go/perennial/storage"
)

type (
	tenant struct{ ID int }
	order  struct {
		Tenant tenant
		ID     int
	}
	page struct {
		Template string
		ID       int
	}
)

// The keys of a function are on all nodes of a cluster, whatever the type of its
// argument, its name and the prefix, unless the prefix says where they are.
func TestKeysSpreadOverACluster(t *testing.T) {
	rdb := newClient(t, servers.Redis(t, "--cluster-enabled", "yes"))
	for _, prefix := range []string{"", "svc:", "svc{", "{svc", "{}svc:", "svc}:", "}{"} {
		for _, name := range []string{"orders", "{orders}", "or{ders", "orders}"} {
			spreads(t, rdb, prefix, name, func(i int) int { return i })
			spreads(t, rdb, prefix, name, func(i int) string { return fmt.Sprintf("{tenant}:%d", i) })
			spreads(t, rdb, prefix, name, func(i int) string { return fmt.Sprintf("}{x}%d", i) })
			spreads(t, rdb, prefix, name, func(i int) order { return order{tenant{1}, i} })
			spreads(t, rdb, prefix, name, func(i int) page { return page{"/a/{id}/b", i} })
			spreads(t, rdb, prefix, name, func(i int) page { return page{"}", i} })
			spreads(t, rdb, prefix, name, func(i int) page { return page{"plain", i} })
			spreads(t, rdb, prefix, name, func(i int) [2]tenant { return [2]tenant{{1}, {i}} })
			spreads(t, rdb, prefix, name, func(i int) [2]any { return [2]any{struct{}{}, i} })
			spreads(t, rdb, prefix, name, func(i int) any { return struct{ A, B int }{1, i} })
			spreads(t, rdb, prefix, name, func(i int) struct{ A, B any } { return struct{ A, B any }{page{"a", 1}, i} })
			spreads(t, rdb, prefix, name, func(i int) struct{ A, B any } { return struct{ A, B any }{i, page{"a", 1}} })
		}
	}
	for _, prefix := range []string{"{svc}:", "a:{b}:{c"} {
		if n := slots(t, rdb, prefix, "{orders}", func(i int) order { return order{tenant{i}, i} }); n != 1 {
			t.Errorf("under the prefix %s keys are in %d slots, and are to be together", prefix, n)
		}
	}
}

func spreads[K comparable](t *testing.T, rdb *redis.Client, prefix, name string, key func(i int) K) {
	t.Helper()
	// of 16384; keys that differ by a digit are less than random
	if n := slots(t, rdb, prefix, name, key); n < 100 {
		t.Errorf("of 200 keys such as %#v of %q under %q only %d are in slots of their own", key(0), name, prefix, n)
	}
}

func slots[K comparable](t *testing.T, rdb *redis.Client, prefix, name string, key func(i int) K) int {
	t.Helper()
	store, err := storage.Share(storage.Null{}, storage.Prefix(prefix))
	if err != nil {
		t.Fatal(err)
	}
	part, err := storage.NewShared[K, int](store, nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	shared := part.(interface {
		Bind(owner string) error
		KeyText(key K) (string, error)
	})
	if err := shared.Bind(name); err != nil {
		t.Fatal(err)
	}
	pipe := rdb.Pipeline()
	var cmds []*redis.IntCmd
	for i := range 200 {
		text, err := shared.KeyText(key(i))
		if err != nil {
			t.Fatal(err)
		}
		cmds = append(cmds, pipe.ClusterKeySlot(t.Context(), text))
	}
	if _, err := pipe.Exec(t.Context()); err != nil {
		t.Fatal(err)
	}
	seen := map[int64]bool{}
	for _, cmd := range cmds {
		seen[cmd.Val()] = true
	}
	return len(seen)
}
