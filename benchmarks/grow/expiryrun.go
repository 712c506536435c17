package main

import (
	"math/rand/v2"
	"runtime"
	"sync/atomic"
	"time"

	"github.com/perennial-go/perennial/benchmarks"
	"github.com/perennial-go/perennial/benchmarks/internal/runner"
)

const (
	// living is how many entries live long, and are read.
	living = 1000
	// look is how often the number of entries is looked at.
	look = 5 * time.Millisecond
	// afterwards is how long hits are measured when everything is gone.
	afterwards = 50 * time.Millisecond
)

// expiryRun is one run of a contender. Times are from the first expiry.
type expiryRun struct {
	fill   time.Duration // how long it took to write all entries
	window time.Duration // in which hits were measured
	swept  time.Duration // until those that expire are gone
	left   int           // of them, if they did not all go
	held   []held
	all    *histogram
	worst  int64 // p99.9 of the worst slice
}

// held is how many entries there are at a time.
type held struct {
	at      time.Duration
	entries int
}

// heldAt is how many entries there are at a time.
func (e expiryRun) heldAt(at time.Duration) int {
	entries := 0
	for _, h := range e.held {
		if entries = h.entries; h.at >= at {
			break
		}
	}
	return entries
}

// expire fills a cache and measures hits from the first expiry on, until
// everything that expires is gone. A window makes it a control run: nothing
// expires, and hits are measured for so long.
func expire(c benchmarks.Contender, z sizes, seed uint64, window time.Duration) expiryRun {
	for lead := z.lead; ; lead *= 2 {
		if run, ok := expireOnce(c, z, seed, window, lead); ok {
			return run
		}
		runner.Progress("expiry: %s is not filled within %v, again with twice the time", c.Name, lead)
	}
}

// expireOnce is expire with a given time from the first write to the first
// expiry. It is false if filling takes longer.
func expireOnce(c benchmarks.Contender, z sizes, seed uint64, window, lead time.Duration) (run expiryRun, ok bool) {
	var loads atomic.Int64
	settings := benchmarks.Lasting(2 * (living + z.expiring))
	settings.LifeOf = func(v *benchmarks.Value) time.Duration { return time.Duration(v.ID) }
	cache := c.Strings(settings, counting(&loads))
	defer cache.Close()

	began := benchmarks.Nanotime()
	due := began + int64(lead)
	write(cache, z, seed, due, window > 0)
	run.fill = time.Duration(benchmarks.Nanotime() - began)
	cache.Settle()
	runtime.GC()
	if benchmarks.Nanotime() >= due {
		return run, false
	}
	if n := cache.Len(); n != living+z.expiring {
		runner.Progress("expiry: %s holds %d entries of %d", c.Name, n, living+z.expiring)
	}
	asked := benchmarks.StringKeys(living)
	var stop atomic.Bool
	measured := make(chan *latencies)
	go func() { measured <- readUntil(&stop, due, z.patience+time.Second, cache, asked) }()
	run.watch(cache, due, window, z.patience)
	stop.Store(true)
	l := <-measured
	run.all, run.worst = l.all(), l.worst(0.999)
	if n := loads.Load(); n > 0 {
		runner.Progress("expiry: %s has loaded %d times", c.Name, n)
	}
	return run, true
}

// write sets entries that live long and those that expire at times drawn from
// the spread after due, or live long too.
func write(cache benchmarks.Cache[string], z sizes, seed uint64, due int64, long bool) {
	r := rand.New(rand.NewPCG(seed, 2))
	for i, key := range benchmarks.StringKeys(living + z.expiring) {
		life := int64(benchmarks.LongLife)
		if at := due + r.Int64N(int64(z.spread)); i >= living && !long {
			life = max(1, at-benchmarks.Nanotime())
		}
		cache.Set(key, &benchmarks.Value{ID: uint64(life)})
	}
}

// watch counts entries from due on, until those that expire are gone or the
// patience is at an end; with a window, for so long.
func (e *expiryRun) watch(cache benchmarks.Cache[string], due int64, window, patience time.Duration) {
	time.Sleep(time.Duration(due - benchmarks.Nanotime()))
	for {
		entries, at := cache.Len(), time.Duration(benchmarks.Nanotime()-due)
		e.held = append(e.held, held{at, entries})
		e.window, e.left = at, max(0, entries-living)
		switch {
		case window > 0 && at >= window:
			return
		case window > 0:
		case e.left == 0 && e.swept == 0:
			e.swept = at
		case e.left == 0 && at >= e.swept+afterwards:
			return
		case at >= patience:
			e.swept = at
			return
		}
		time.Sleep(look)
	}
}
