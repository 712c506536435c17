package tree_test

import (
	"context"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/perennial-go/perennial/internal/servers"
	"github.com/perennial-go/perennial/storage"
	"github.com/perennial-go/perennial/storage/tree"
)

// The keys of a tree are on one node of a cluster, those of trees are apart.
func TestCluster(t *testing.T) {
	t.Parallel()
	var addrs []string
	for _, node := range servers.RedisCluster(t) {
		addrs = append(addrs, node.Addr())
	}
	rdb := redis.NewClusterClient(&redis.ClusterOptions{Addrs: addrs, DialTimeout: patient, ReadTimeout: patient})
	defer func() { noError(t, rdb.Close()) }()
	for i := range 10 {
		tr := newTree(t, rdb, tree.Prefix(fmt.Sprint("app", i, ":")))
		for _, every := range []func(context.Context, *tree.Tree) map[string]error{everyWrite, everyRead} {
			for call, err := range every(t.Context(), tr) {
				if err != nil {
					t.Errorf("%s says %v", call, err)
				}
			}
		}
		noError(t, tr.Clear(t.Context()))
		set(t, tr, "", i)
	}
	for i := range 10 {
		holds(t, newTree(t, rdb, tree.Prefix(fmt.Sprint("app", i, ":"))), "", int64(i))
	}
}

func TestWrongOptions(t *testing.T) {
	t.Parallel()
	rdb := redis.NewClient(&redis.Options{})
	defer func() { noError(t, rdb.Close()) }()
	ring := redis.NewRing(&redis.RingOptions{})
	defer func() { noError(t, ring.Close()) }()
	for name, make := range map[string]func() (*tree.Tree, error){
		"nil client":   func() (*tree.Tree, error) { return tree.New(nil) },
		"ring":         func() (*tree.Tree, error) { return tree.New(ring) },
		"empty prefix": func() (*tree.Tree, error) { return tree.New(rdb, tree.Prefix("")) },
		"braces":       func() (*tree.Tree, error) { return tree.New(rdb, tree.Prefix("{a}")) },
		"no leaves":    func() (*tree.Tree, error) { return tree.New(rdb, tree.MaxLeaves(0)) },
		"many leaves":  func() (*tree.Tree, error) { return tree.New(rdb, tree.MaxLeaves(1_000_000)) },
		"no bytes":     func() (*tree.Tree, error) { return tree.New(rdb, tree.MaxBytes(-1)) },
	} {
		if tr, err := make(); err == nil || tr != nil || !strings.HasPrefix(err.Error(), "tree: ") {
			t.Errorf("%s: New returns %v, %v", name, tr, err)
		}
	}
	_, err := tree.New(rdb, tree.Prefix(""), tree.MaxBytes(0))
	if err == nil || !strings.Contains(err.Error(), "prefix") || !strings.Contains(err.Error(), "MaxBytes") {
		t.Errorf("New says %v, want both faults", err)
	}
}

// A value that is more than a step of a script handles at once comes back whole.
func TestLargeValue(t *testing.T) {
	t.Parallel()
	tr, _ := planted(t)
	value := map[string]map[string]any{}
	for i := range 100 {
		value[fmt.Sprint("k", i)] = map[string]any{}
		for j := range 50 {
			value[fmt.Sprint("k", i)][fmt.Sprint("k", j)] = fmt.Sprint(i, j)
		}
	}
	set(t, tr, "x", value, tree.For(time.Hour))
	got, err := tree.Get[map[string]map[string]any](t.Context(), tr, at("x"))
	if err != nil || !reflect.DeepEqual(got, value) {
		t.Errorf("it does not come back: %v", err)
	}
	if existed, err := tr.Expire(t.Context(), at("x"), storage.Forever); err != nil || !existed {
		t.Errorf("Expire says %v, %v", existed, err)
	}
	set(t, tr, "x", 1)
	holds(t, tr, "", object{"x": int64(1)})
}
