package benchmarks

import (
	"context"
	"runtime"
	"sync"
	"sync/atomic"
	"time"
)

// The stampede: how many callers come at once, and how long the loader takes.
const (
	StampedeCallers = 10_000
	StampedeLoad    = 10 * time.Millisecond
)

// Crowd is what became of a stampede.
type Crowd struct {
	Loads  int64
	Wall   time.Duration // from the first call to the last return
	Allocs float64       // by caller
	Bytes  float64       // by caller
}

// StampedeTakes tells whether a contender takes part: it has a loader.
func StampedeTakes(c Contender) bool { return hasLoader(c) }

// Stampede lets many callers ask for one cold key at once.
func Stampede(c Contender, callers int, load time.Duration) Crowd {
	var loads atomic.Int64
	cache := c.Strings(Lasting(2*hotResident), func(context.Context, string) (*Value, error) {
		loads.Add(1)
		time.Sleep(load)
		return &Value{ID: 1}, nil
	})
	defer cache.Close()
	key := keyOf(1)

	var ready, done sync.WaitGroup
	gate := make(chan struct{})
	ready.Add(callers)
	for range callers {
		done.Go(func() {
			ctx := context.Background()
			ready.Done()
			<-gate
			if cache.Get(ctx, key) == nil {
				failed()
			}
		})
	}
	ready.Wait()
	runtime.GC()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	began := time.Now()
	close(gate)
	done.Wait()
	wall := time.Since(began)
	runtime.ReadMemStats(&after)
	return Crowd{
		Loads:  loads.Load(),
		Wall:   wall,
		Allocs: float64(after.Mallocs-before.Mallocs) / float64(callers),
		Bytes:  float64(after.TotalAlloc-before.TotalAlloc) / float64(callers),
	}
}
