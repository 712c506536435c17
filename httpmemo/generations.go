package httpmemo

import (
	"hash/maphash"
	"sync/atomic"
)

// generations count the invalidations of URLs. The count is a part of every key, so that
// an invalidation reaches all variants of a URL, and those that are being loaded: who
// asks after it never finds what was asked for before it.
//
// URLs share counters by their hash: what is invalidated takes one of 65,536 others
// along, which costs those a load and nothing else. In return invalidations need no
// memory, however many URLs they name.
type generations struct {
	seed     maphash.Seed
	counters atomic.Pointer[[1 << 16]atomic.Uint32] // nil until something is invalidated
}

func (g *generations) of(url string) uint32 {
	if c := g.counters.Load(); c != nil {
		return c[g.index(url)].Load()
	}
	return 0
}

func (g *generations) invalidate(url string) {
	c := g.counters.Load()
	if c == nil {
		g.counters.CompareAndSwap(nil, new([1 << 16]atomic.Uint32))
		c = g.counters.Load()
	}
	c[g.index(url)].Add(1)
}

func (g *generations) index(url string) uint16 { return uint16(maphash.String(g.seed, url)) }
