package memcachedstore_test

import (
	"context"
	"crypto/tls"
	"fmt"
	"log"
	"time"

	"github.com/bradfitz/gomemcache/memcache"
	"github.com/perennial-go/perennial/config"
	"github.com/perennial-go/perennial/memoize"
	"github.com/perennial-go/perennial/storage"
	"github.com/perennial-go/perennial/storage/memcachedstore"
)

// All who open the same servers share what any of them has loaded.
func Example() {
	ctx := context.Background()
	store, err := storage.Open(ctx, "memcached://cache1:11211,cache2:11211?prefix=shop:&pool=32")
	if err != nil {
		log.Fatal(err)
	}
	defer store.Close()
	price, err := memoize.New(func(_ context.Context, article string) (int, error) {
		return len(article), nil // ask the database
	}, config.Name("price"), config.Store(store), config.ExpireAfter(time.Hour))
	if err != nil {
		log.Fatal(err)
	}
	defer price.Close(ctx)
	cents, err := price.Call(ctx, "apple")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(cents)
}

// A client of your own, here one that encrypts.
func ExampleNew() {
	client := memcache.New("127.0.0.1:11211")
	client.DialContext = new(tls.Dialer).DialContext
	client.MaxIdleConns = 32
	client.Timeout = 200 * time.Millisecond
	store, err := storage.Share(memcachedstore.New(client), storage.Prefix("shop:"))
	if err != nil {
		log.Fatal(err)
	}
	defer store.Close()
	fmt.Println(store)
	// Output: memcached://memcached
}
