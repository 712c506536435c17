package lock_test

import (
	"context"
	"fmt"

	"github.com/redis/go-redis/v9"

	"github.com/perennial-go/perennial/storage/lock"
)

// A job that several machines start is done by one of them.
func ExampleLocks_Do() {
	client := redis.NewClient(&redis.Options{Addr: "localhost:6379", ContextTimeoutEnabled: true})
	defer client.Close()
	locks, err := lock.New(client, lock.Prefix("svc:"))
	if err != nil {
		fmt.Println(err)
		return
	}
	err = locks.Do(context.Background(), "jobs/nightly", func(ctx context.Context, token int64) error {
		return nil // ctx ends if the lock is lost, and what is written carries the token
	})
	fmt.Println(err)
}

// An element from elsewhere, which may have anything in it, stays in its place.
func ExamplePath() {
	fmt.Println(lock.Path("users", "ann/bob"))
	// Output: users/ann%2Fbob
}
