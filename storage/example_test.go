package storage_test

import (
	"context"
	"fmt"
	"log"
	"sync"
	"testing"
	"time"

	"github.com/benbjohnson/clock"

	"github.com/perennial-go/perennial/config"
	"github.com/perennial-go/perennial/memoize"
	"github.com/perennial-go/perennial/storage"
	"github.com/perennial-go/perennial/storage/storagetest"
)

// cabinet is a store of one's own, which three methods make of whatever is at
// hand: a table of a database, a bucket, here a map.
type cabinet struct {
	now    func() time.Time
	mu     sync.Mutex
	papers map[string]paper
}

type paper struct {
	value string
	end   time.Time // zero where there is none
}

func (c *cabinet) find(key string) (p paper, found bool) {
	p, found = c.papers[key]
	if !p.end.IsZero() && !c.now().Before(p.end) {
		return paper{}, false
	}
	return p, found
}

// Get does not say how long the record stays, so the times written in it count.
func (c *cabinet) Get(ctx context.Context, key string) (storage.Record, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	p, found := c.find(key)
	return storage.Record{Value: []byte(p.value), Found: found}, ctx.Err()
}

func (c *cabinet) Set(ctx context.Context, key string, value []byte, keep time.Duration) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if ctx.Err() == nil {
		p := paper{value: string(value)}
		if keep != storage.Forever {
			p.end = c.now().Add(keep) // zero and less has passed
		}
		c.papers[key] = p
	}
	return ctx.Err()
}

func (c *cabinet) Delete(ctx context.Context, key string) (existed bool, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if ctx.Err() == nil {
		_, existed = c.find(key)
		delete(c.papers, key)
	}
	return existed, ctx.Err()
}

// TestCabinetIsAStoreOfBytes is all that it takes to prove it.
func TestCabinetIsAStoreOfBytes(t *testing.T) {
	mock := clock.NewMock()
	storagetest.TestBytes(t, storagetest.Store{
		New:         func(*testing.T) storage.Bytes { return &cabinet{now: mock.Now, papers: map[string]paper{}} },
		LeftUnknown: true,
		Advance:     mock.Add,
		Exact:       true,
	})
}

// Whatever has Get, Set and Delete becomes a store.
func ExampleShare() {
	store, err := storage.Share(&cabinet{now: time.Now, papers: map[string]paper{}}, storage.Prefix("shop:"))
	if err != nil {
		log.Fatal(err)
	}
	price, err := memoize.New(func(_ context.Context, article string) (int, error) {
		fmt.Println("asked for", article)
		return len(article), nil
	}, config.Name("price"), config.Store(store))
	if err != nil {
		log.Fatal(err)
	}
	for range 2 {
		cents, err := price.Call(context.Background(), "apple")
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(cents)
	}
	// Output:
	// asked for apple
	// 5
	// 5
}
