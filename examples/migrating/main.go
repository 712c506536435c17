// Migrating has the programs after a migration that docs/migrating.md shows. Those before it
// are in benchmarks/migrating, a module of its own.
package main

import (
	"context"
	"fmt"
	"io"
	"log"
	"os"

	"github.com/perennial-go/perennial/storage"
)

func main() {
	if err := run(context.Background(), os.Stdout); err != nil {
		log.Fatal(err)
	}
}

func run(ctx context.Context, w io.Writer) error {
	store, err := storage.Open(ctx, "memory://")
	if err != nil {
		return err
	}
	defer store.Close()
	for _, from := range []struct {
		name string
		make func(db *database) (*users, error)
	}{
		{"otter", newUsers},
		{"sturdyc", newUsersOfSturdyc},
		{"go-redis/cache", func(db *database) (*users, error) { return newUsersOfRedis(db, store) }},
		{"py-memoize", newUsersOfPyMemoize},
	} {
		db := newDatabase()
		u, err := from.make(db)
		if err != nil {
			return err
		}
		if err := use(ctx, w, u); err != nil {
			return err
		}
		fmt.Fprintln(w, from.name, "asked the database", db.asked, "times")
		if err := u.byID.Close(ctx); err != nil {
			return err
		}
	}
	return nil
}

// use asks for users, one of whom there is not, and changes one.
func use(ctx context.Context, w io.Writer, u *users) error {
	for range 2 {
		names, err := u.users(ctx, []string{"u1", "u2", "u9"})
		fmt.Fprintf(w, "%q %v\n", names, err)
	}
	if err := u.rename(ctx, "u1", "Anna"); err != nil {
		return err
	}
	name, err := u.user(ctx, "u1")
	fmt.Fprintln(w, name)
	return err
}
