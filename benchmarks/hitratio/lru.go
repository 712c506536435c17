package main

import (
	"container/list"

	"github.com/perennial-go/perennial/benchmarks/internal/trace"
)

// lru releases what was asked for longest ago.
type lru struct {
	terms
	order   *list.List // of trace.Request, the last asked for first
	entries map[uint64]*list.Element
	volume  int64
}

func openLRU(t terms) cache {
	return &lru{terms: t, order: list.New(), entries: map[uint64]*list.Element{}}
}

func (c *lru) get(r trace.Request) bool {
	if e, ok := c.entries[r.Key]; ok {
		c.order.MoveToFront(e)
		return true
	}
	if r.Size > c.capacity {
		return false
	}
	c.entries[r.Key] = c.order.PushFront(r)
	for c.volume += r.Size; c.volume > c.capacity; {
		gone := c.order.Remove(c.order.Back()).(trace.Request)
		delete(c.entries, gone.Key)
		c.volume -= gone.Size
	}
	return false
}

func (c *lru) held() int64 { return c.volume }
func (c *lru) close()      {}
