package main

import (
	"container/heap"
	"slices"

	"github.com/perennial-go/perennial/benchmarks/internal/trace"
)

// belady knows the future: it releases what is asked for again last (Belady, A
// Study of Replacement Algorithms for a Virtual-Storage Computer, 1966). No
// cache that takes in whatever it loads has more hits, where all sizes are the
// same. With sizes it is no optimum, which nobody can compute.
type belady struct {
	terms
	at      int              // requests so far
	entries map[uint64]int64 // sizes
	coming  uses             // when each key that is held is asked for next, and more
	volume  int64
}

// slack is how many uses that have come are kept, beside one for each entry.
const slack = 64

// use is a request to come.
type use struct {
	at  uint32
	key uint64
}

func openOptimum(t terms) cache {
	return &belady{terms: t, entries: map[uint64]int64{}}
}

func (c *belady) get(r trace.Request) bool {
	next := use{c.next[c.at], r.Key}
	c.at++
	_, hit := c.entries[r.Key]
	if !hit && !c.take(r) {
		return false
	}
	heap.Push(&c.coming, next)
	if len(c.coming) > 2*len(c.entries)+slack {
		c.forget()
	}
	return hit
}

// take takes a key in, if it fits at all.
func (c *belady) take(r trace.Request) bool {
	if r.Size > c.capacity {
		return false
	}
	for c.volume+r.Size > c.capacity {
		// Uses that have come are nearer than any to come, so the furthest is that
		// of a key that is held.
		furthest := heap.Pop(&c.coming).(use).key
		c.volume -= c.entries[furthest]
		delete(c.entries, furthest)
	}
	c.entries[r.Key] = r.Size
	c.volume += r.Size
	return true
}

// forget drops the uses that have come.
func (c *belady) forget() {
	c.coming = slices.DeleteFunc(c.coming, func(u use) bool { return int64(u.at) < int64(c.at) })
	heap.Init(&c.coming)
}

func (c *belady) held() int64 { return c.volume }
func (c *belady) close()      {}

// uses is a heap with the furthest on top.
type uses []use

func (u uses) Len() int           { return len(u) }
func (u uses) Less(i, j int) bool { return u[i].at > u[j].at }
func (u uses) Swap(i, j int)      { u[i], u[j] = u[j], u[i] }
func (u *uses) Push(x any)        { *u = append(*u, x.(use)) }
func (u *uses) Pop() any {
	last := (*u)[len(*u)-1]
	*u = (*u)[:len(*u)-1]
	return last
}
