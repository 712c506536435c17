package tree_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/perennial-go/perennial/internal/servers"
	"github.com/perennial-go/perennial/storage/tree"
)

// Settings that processes share, each of which reads what it needs.
func Example() {
	ctx := context.Background()
	client := redis.NewClient(&redis.Options{Addr: "localhost:6379", ContextTimeoutEnabled: true})
	defer client.Close()
	settings, err := tree.New(client, tree.Prefix("cfg:"))
	if err != nil {
		fmt.Println(err)
		return
	}
	type pool struct {
		Size int           `json:"size"`
		Idle time.Duration `json:"idle"`
	}
	if err := settings.Set(ctx, tree.Path("db.pool"), pool{10, time.Minute}); err != nil {
		fmt.Println(err)
		return
	}
	size, err := tree.Get[int](ctx, settings, tree.Path("db.pool.size"))
	if errors.Is(err, tree.ErrNotFound) {
		size, err = 5, nil // nobody has said
	}
	fmt.Println(size, err)
	for name, err := range settings.Children(ctx, tree.Path("db")) {
		fmt.Println(name, err)
	}
}

// An element from elsewhere, which may have anything in it, is no part of a text.
func ExamplePath() {
	fmt.Printf("%q\n", tree.Path(`hits.www\.example\.org`))
	fmt.Println(tree.Text([]string{"hits", "www.example.org"}))
	// Output:
	// ["hits" "www.example.org"]
	// hits.www\.example\.org
}

// The lines that docs/stores.md shows, against a server.
func TestPageOfStores(t *testing.T) {
	ctx, client := t.Context(), redis.NewClient(&redis.Options{Addr: servers.Redis(t).Addr(), ContextTimeoutEnabled: true})
	defer client.Close()
	state := "done"
	err := func() error {
		// region tree
		t, err := tree.New(client, tree.Prefix("cfg:"))
		if err != nil {
			return err
		}
		err = t.Set(ctx, tree.Path("db.pool"), map[string]any{"size": 10, "idle": "5m"})
		if err != nil {
			return err
		}
		size, err := tree.Get[int](ctx, t, tree.Path("db.pool.size")) // 10
		if err != nil {
			return err
		}
		all, err := t.Get(ctx, tree.Path("db")) // map[pool:map[idle:5m size:10]]
		if err != nil {
			return err
		}
		n, err := t.Add(ctx, []string{"hits", "www.example.org"}, 1) // an element is any text
		if err != nil {
			return err
		}
		err = t.Set(ctx, tree.Path("job.7"), state, tree.For(time.Minute)) // ends by itself
		// endregion
		if got := fmt.Sprint(size, all, n); got != "10 map[pool:map[idle:5m size:10]] 1" {
			return errors.New(got)
		}
		return err
	}()
	if err != nil {
		t.Error(err)
	}
}
