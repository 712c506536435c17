// Redis memoizes a function over a store that processes share, and goes on
// answering while the store is away. Give it a server, and stop and start that
// while it runs; without one it uses a store in memory and closes it on the way:
//
//	go run ./examples/redis -store 'redis://localhost:6379/0?prefix=example:'
//	go run ./examples/redis
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log"
	"os"
	"time"

	"github.com/perennial-go/perennial/config"
	"github.com/perennial-go/perennial/memoize"
	"github.com/perennial-go/perennial/storage"
	_ "github.com/perennial-go/perennial/storage/redisstore"
)

func main() {
	url := flag.String("store", "", "where the values are, say redis://localhost:6379/0?prefix=example:")
	calls := flag.Int("calls", 20, "how many calls to make, one a second")
	flag.Parse()
	if err := runAt(context.Background(), os.Stdout, *url, *calls); err != nil {
		log.Fatal(err)
	}
}

// runAt makes calls to a function over the store that a URL names.
func runAt(ctx context.Context, w io.Writer, url string, calls int) error {
	pretend := url == ""
	if pretend {
		url = "memory://"
		fmt.Fprintln(w, "no -store is given: memory:// stands for it, and is closed halfway as if its server were stopped")
	}
	// region open
	store, err := storage.Open(ctx, url) // redis://localhost:6379/0?prefix=svc:
	if err != nil {
		return err
	}
	defer store.Close()
	// endregion
	return run(ctx, w, store, calls, func(call int) error {
		if pretend && call == calls/2 {
			fmt.Fprintln(w, "# the store is closed")
			return store.Close()
		}
		if call < calls {
			time.Sleep(time.Second)
		}
		return nil
	})
}

// db stands for what is slow. Its answers say how often it was asked.
type db struct{ asked int }

// LoadUser runs once at a time here, for there is one key and one caller.
func (db *db) LoadUser(_ context.Context, id int64) (string, error) {
	db.asked++
	return fmt.Sprintf("user %d, loaded %d times", id, db.asked), nil
}

// run makes calls, and says between them that it has made one.
func run(ctx context.Context, w io.Writer, store *storage.Store, calls int, made func(call int) error) (err error) {
	db := new(db)
	// region memoize
	users, err := memoize.New(db.LoadUser, config.Store(store), config.Name("users"))
	// endregion
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, users.Close(ctx)) }()
	if err := users.Invalidate(ctx, 42); err != nil { // what an earlier run has left
		fmt.Fprintln(w, "nobody answers there:", err)
	}
	for call := range calls {
		r, err := users.Result(ctx, 42)
		if err != nil {
			return err
		}
		fmt.Fprintf(w, "%s (%v)\n", r.Value, r.Why)
		if err := made(call + 1); err != nil {
			return err
		}
	}
	return nil
}
