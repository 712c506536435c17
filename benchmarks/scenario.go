package benchmarks

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"
)

// The lives of entries that neither expire nor fall due while they are measured.
const (
	longRefresh = time.Hour
	// LongLife is a life that does not end while anything is measured.
	LongLife = 2 * time.Hour
)

// Scenario is one thing that caches are asked to do.
type Scenario struct {
	Name  string
	About string
	Takes func(c Contender) bool
	New   func(c Contender, seed uint64) *Instance

	// Loads is whether there are any while it is measured.
	Loads bool
}

// Instance is a scenario with one contender, ready to run.
type Instance struct {
	Before func(n int)        // readies n operations, not measured
	Run    func(n, procs int) // n operations in all, on procs goroutines
	Loads  func() int64       // loads so far
	Close  func()
}

// Scenarios is everything that is measured in operations.
func Scenarios() []Scenario {
	return []Scenario{hot(), zipfStrings(), zipfInts(), stale(), miss(), refresh()}
}

// counted is a loader that counts and returns a value of its own for each key.
type counted struct{ loads atomic.Int64 }

func (c *counted) string(_ context.Context, key string) (*Value, error) {
	c.loads.Add(1)
	return &Value{ID: uint64(len(key))}, nil
}

func (c *counted) int(_ context.Context, key int) (*Value, error) {
	c.loads.Add(1)
	return &Value{ID: uint64(key)}, nil
}

// Fill asks for every key until a pass loads nothing any more. The cache's
// loader counts its loads.
func Fill[K Key](c Cache[K], keys []K, loads *atomic.Int64) {
	const passes, piece = 8, 1024
	ctx := context.Background()
	for range passes {
		before := loads.Load()
		for i, key := range keys {
			if c.Get(ctx, key) == nil {
				panic("benchmarks: a contender returns no value")
			}
			if i%piece == piece-1 {
				c.Settle()
			}
		}
		c.Settle()
		if loads.Load() == before {
			return
		}
	}
	panic(fmt.Sprintf("benchmarks: a contender does not keep %d keys", len(keys)))
}

// Spread runs n operations on procs goroutines. A worker is told its number.
func Spread(n, procs int, worker func(w, n int)) {
	if procs == 1 {
		worker(0, n)
		return
	}
	var wg sync.WaitGroup
	for w := range procs {
		share := n / procs
		if w < n%procs {
			share++
		}
		wg.Go(func() { worker(w, share) })
	}
	wg.Wait()
}

func everybody(Contender) bool   { return true }
func hasLoader(c Contender) bool { return c.Loads && c.Bounded }
func refreshes(c Contender) bool { return c.Refreshes }

// failed is called by a worker whose contender returned no value.
func failed() { panic("benchmarks: a contender returned no value") }
