package main

import (
	"context"
	"database/sql"
	"fmt"
	"io"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/perennial-go/perennial/config"
	"github.com/perennial-go/perennial/eviction"
	"github.com/perennial-go/perennial/memoize"
	"github.com/perennial-go/perennial/observe"
	"github.com/perennial-go/perennial/storage"
	"github.com/perennial-go/perennial/storage/redisstore"
	"github.com/perennial-go/perennial/storage/resilient"
)

// tagged is what docs/tags.md shows.
func tagged(ctx context.Context, w io.Writer) error {
	list := func(_ context.Context, team string) (string, error) { return "the users of " + team, nil }
	teams := func(team, _ string) []string { return []string{"team:" + team} }
	// region tags
	lists, err := memoize.New(list, config.Tags(teams)) // teams: func(arg, value string) []string
	// endregion
	if err != nil {
		return err
	}
	if _, err := lists.CallMany(ctx, []string{"red", "blue"}); err != nil {
		return err
	}
	// region untag
	err = lists.InvalidateTag(ctx, "team:red")
	// endregion
	if err != nil {
		return err
	}
	fmt.Fprintln(w, lists.Has(ctx, "red"), lists.Has(ctx, "blue"))
	return lists.Close(ctx)
}

// release is what docs/release.md shows.
func release(ctx context.Context, w io.Writer) error {
	read := func(_ context.Context, name string) (string, error) { return "/tmp/" + name, nil }
	remove := func(file string) { fmt.Fprintln(w, "removed", file) }
	released := map[observe.ReleaseCause]int{}
	// region release
	files, err := memoize.New(read, config.OnRelease(func(name, file string, why observe.ReleaseCause) {
		released[why]++
		remove(file)
	}))
	// endregion
	if err != nil {
		return err
	}
	if _, err := files.Call(ctx, "a"); err != nil {
		return err
	}
	if err := files.Invalidate(ctx, "a"); err != nil {
		return err
	}
	fmt.Fprintln(w, released)
	return files.Close(ctx)
}

// errorsByKey is what docs/answers.md shows.
func errorsByKey(ctx context.Context, w io.Writer) error {
	users := memoize.Must(memoize.NewBatched(func(_ context.Context, ids []string) (map[string]string, error) {
		found := map[string]string{"u1": "Ann"}
		// region keyerrors
		return found, memoize.KeyErrors[string]{"u7": sql.ErrNoRows}
		// endregion
	}, config.Remember(time.Minute, sql.ErrNoRows)))
	names, err := users.CallMany(ctx, []string{"u1", "u7"})
	fmt.Fprintf(w, "%q %v\n", names, err)
	return users.Close(ctx)
}

// strategies is what docs/eviction.md shows.
func strategies(ctx context.Context, w io.Writer) error {
	bytesOf := func(id, name string) int { return len(id) + len(name) }
	// region eviction
	byDefault := []config.Option{config.Capacity(100_000)} // TinyLFU
	adaptive := []config.Option{config.Evict(eviction.Adaptive[string](100_000))}
	inBytes := []config.Option{config.Evict(eviction.LeastRecentlyUsed[string](64 << 20)), config.Weigh(bytesOf)}
	// endregion
	for _, opts := range [][]config.Option{byDefault, adaptive, inBytes} {
		users, err := memoize.New(newDatabase().user, opts...)
		if err != nil {
			return err
		}
		if _, err := users.Call(ctx, "u1"); err != nil {
			return err
		}
		s := users.Stats()
		fmt.Fprintln(w, s.Weight, "of", s.Capacity)
		if err := users.Close(ctx); err != nil {
			return err
		}
	}
	return nil
}

// storeThatGoesAway is what docs/stores.md shows. Nobody listens at the address.
func storeThatGoesAway(ctx context.Context, w io.Writer) error {
	client := redis.NewClient(&redis.Options{Addr: "127.0.0.1:1", MaxRetries: -1, ContextTimeoutEnabled: true})
	defer client.Close()
	db := newDatabase()
	// region away
	cache, err := resilient.NewBulkCache(redisstore.New(client))
	if err != nil {
		return err
	}
	store, err := storage.Share(cache, storage.Prefix("svc:"))
	if err != nil {
		return err
	}
	users, err := memoize.New(db.user, config.Store(store), config.Name("users"))
	// endregion
	if err != nil {
		return err
	}
	for range 2 {
		name, err := users.Call(ctx, "u1")
		if err != nil {
			return err
		}
		fmt.Fprintln(w, name)
	}
	if err := users.Close(ctx); err != nil {
		return err
	}
	fmt.Fprintln(w, "asked", db.asked)
	return store.Close()
}
