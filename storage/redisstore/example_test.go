package redisstore_test

import (
	"context"
	"fmt"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/perennial-go/perennial/storage"
	"github.com/perennial-go/perennial/storage/redisstore"
)

// A store by its URL: the import of this package makes the scheme known.
func Example() {
	store, err := storage.Open(context.Background(), "redis://:secret@localhost:6379/0?prefix=svc:&timeout=200ms")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer store.Close()
	fmt.Println(store)
	// Output: redis://localhost:6379/0
}

// A client that is set up already is shared, and stays its owner's to close.
func ExampleNew() {
	client := redis.NewClusterClient(&redis.ClusterOptions{
		Addrs:                 []string{"a:6379", "b:6379"},
		ContextTimeoutEnabled: true,
		ReadTimeout:           time.Second,
	})
	defer client.Close()
	store, err := storage.Share(redisstore.New(client), storage.Prefix("svc:"))
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(store)
	// Output: redis(a:6379,b:6379, entry)
}
