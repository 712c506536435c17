package boltstore_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"os"
	"path/filepath"
	"time"

	"github.com/perennial-go/perennial/config"
	"github.com/perennial-go/perennial/memoize"
	"github.com/perennial-go/perennial/storage"
	"github.com/perennial-go/perennial/storage/boltstore"
)

// A function's values outlive the process: the second life of it asks for none.
func Example() {
	dir, err := os.MkdirTemp("", "boltstore")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	ctx := context.Background()
	for _, life := range []string{"first", "second"} {
		store, err := storage.Open(ctx, "bolt://"+filepath.ToSlash(dir)+"/prices.db?capacity=100000000")
		if err != nil {
			log.Fatal(err)
		}
		price, err := memoize.New(func(_ context.Context, article string) (int, error) {
			fmt.Println(life, "life: asked for", article)
			return len(article), nil
		}, config.Name("price"), config.Store(store), config.UpdateAfter(time.Hour), config.ExpireAfter(24*time.Hour))
		if err != nil {
			log.Fatal(err)
		}
		cents, err := price.Call(ctx, "apple")
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(life, "life:", cents)
		if err := price.Close(ctx); err != nil {
			log.Fatal(err)
		}
		if err := store.Close(); err != nil {
			log.Fatal(err)
		}
	}
	// Output:
	// first life: asked for apple
	// first life: 5
	// second life: 5
}

// Whoever wants to know of a damaged file before the log does says so.
func ExampleOpen() {
	dir, err := os.MkdirTemp("", "boltstore")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "cache.db")
	options := boltstore.Options{
		Capacity: 1 << 30,
		OnDamage: func(e *boltstore.DamageError) { fmt.Println("set aside:", filepath.Base(e.File)) },
	}
	s, err := boltstore.Open(context.Background(), path, options)
	if err != nil {
		log.Fatal(err)
	}
	if err := errors.Join(s.Close(), os.Truncate(path, int64(5*os.Getpagesize()+1))); err != nil { // as a full disk may
		log.Fatal(err)
	}
	s, err = boltstore.Open(context.Background(), path, options)
	if err != nil {
		log.Fatal(err)
	}
	defer s.Close()
	store, err := storage.Share(s) // for config.Store
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(store.String() == "bolt://"+path)
	// Output:
	// set aside: cache.db
	// true
}
