package main

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/perennial-go/perennial/benchmarks"
)

// slice is the time whose worst is looked for: a stall that is short does not
// get lost in a long window.
const slice = 50 * time.Millisecond

// latencies are those of single hits, by slices of time.
type latencies struct{ slices []histogram }

// readUntil asks for keys, one after the other, until it is told to stop. Each
// call is timed by two readings of the monotonic clock, and counted if it began
// at from or later.
func readUntil(stop *atomic.Bool, from int64, length time.Duration, cache benchmarks.Cache[string], keys []string) *latencies {
	l := &latencies{make([]histogram, 1+length/slice)}
	clear(l.slices) // so that the system has given the memory before it is used
	ctx := context.Background()
	now, next, end := &l.slices[0], 1, from+int64(slice)
	for at := 0; !stop.Load(); at++ {
		if at == len(keys) {
			at = 0
		}
		key := keys[at]
		began := benchmarks.Nanotime()
		value := cache.Get(ctx, key)
		ended := benchmarks.Nanotime()
		if value == nil {
			panic("a contender returned no value")
		}
		if began < from {
			continue
		}
		for ended >= end && next < len(l.slices) {
			now, next, end = &l.slices[next], next+1, end+int64(slice)
		}
		now.record(ended - began)
	}
	return l
}

// all is every latency.
func (l *latencies) all() *histogram {
	all := &histogram{}
	for i := range l.slices {
		all.add(&l.slices[i])
	}
	return all
}

// worst is the greatest quantile of a slice, of those with enough in it to have
// one.
func (l *latencies) worst(share float64) int64 {
	var worst int64
	for i := range l.slices {
		if h := &l.slices[i]; float64(h.total)*(1-share) >= 1 {
			worst = max(worst, h.quantile(share))
		}
	}
	return worst
}

// clockCost is how long it seems to take to do nothing between two readings.
func clockCost() *histogram {
	h := &histogram{}
	for range 1 << 20 {
		began := benchmarks.Nanotime()
		h.record(benchmarks.Nanotime() - began)
	}
	return h
}
