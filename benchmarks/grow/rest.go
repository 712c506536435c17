package main

import (
	"context"
	"fmt"
	"runtime"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/perennial-go/perennial/benchmarks"
	"github.com/perennial-go/perennial/benchmarks/internal/runner"
)

// growRest counts the goroutines that many caches keep when nothing happens.
func growRest(s settings) error {
	t := &runner.Table{Head: []string{"contender", "goroutines before", "at rest", "for each function", "after they are closed"}}
	for _, c := range benchmarks.Contenders() {
		runner.Progress("rest: %s", c.Name)
		before, after, closed := atRest(c, s.sizes)
		t.Add(c.Name, strconv.Itoa(before), strconv.Itoa(after),
			fmt.Sprintf("%.2f", float64(after-before)/float64(s.sizes.functions)), strconv.Itoa(closed))
	}
	runner.Heading("rest", fmt.Sprintf("goroutines once nothing happens any more, after %d calls of each of %d functions", s.sizes.calls, s.sizes.functions))
	t.Print()
	return nil
}

// atRest counts goroutines before there are any caches, when all of them have
// been used and are quiet, and after they are closed. Every key is asked for
// twice.
func atRest(c benchmarks.Contender, z sizes) (before, after, closed int) {
	keys := benchmarks.StringKeys(z.calls / 2)
	before = quiet(z.quiet)
	caches := make([]benchmarks.Cache[string], z.functions)
	ctx := context.Background()
	for i := range caches {
		var loads atomic.Int64
		caches[i] = c.Strings(benchmarks.Lasting(2*len(keys)), counting(&loads))
		for range 2 {
			for _, key := range keys {
				caches[i].Get(ctx, key)
			}
		}
		caches[i].Settle()
	}
	after = quiet(z.quiet)
	for _, cache := range caches {
		cache.Close()
	}
	return before, after, quiet(z.quiet)
}

// quiet waits until the number of goroutines has not changed for a while, for
// ten times as long at most, and returns it.
func quiet(still time.Duration) int {
	const looks = 20
	most, same := 10*looks, 0
	last := runtime.NumGoroutine()
	for ; same < looks && most > 0; most-- {
		time.Sleep(still / looks)
		now := runtime.NumGoroutine()
		if same++; now != last {
			last, same = now, 0
		}
	}
	return last
}
