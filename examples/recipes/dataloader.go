package main

import (
	"context"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/perennial-go/perennial/config"
	"github.com/perennial-go/perennial/memoize"
)

func dataloader(ctx context.Context, w io.Writer) error {
	db := newDatabase()
	// region dataloader
	users, err := memoize.NewBatched(db.usersOf, config.Gather(2*time.Millisecond)) // func(ctx, []string) (map[string]string, error)
	// endregion
	if err != nil {
		return err
	}
	// region resolve
	// Three resolvers, each of which knows one author, ask at once.
	authors := make([]string, 3)
	var resolvers sync.WaitGroup
	for i, id := range []string{"u1", "u2", "u1"} {
		resolvers.Go(func() { authors[i], _ = users.Call(ctx, id) })
	}
	resolvers.Wait()
	// endregion
	fmt.Fprintln(w, authors, "by", db.asked, "query")
	// region gather
	name, err := users.Call(ctx, "u3") // from a hundred goroutines: one run of db.usersOf
	// endregion
	if err != nil {
		return err
	}
	fmt.Fprintln(w, name)
	return users.Close(ctx)
}
