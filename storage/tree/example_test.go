package tree_test

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/redis/go-redis/v9"

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
