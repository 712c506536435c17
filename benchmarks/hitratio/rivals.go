package main

import (
	"math"
	"runtime"

	"github.com/Yiling-J/theine-go"
	"github.com/dgraph-io/ristretto/v2"
	"github.com/hashicorp/golang-lru/arc/v2"
	lrus "github.com/hashicorp/golang-lru/v2"
	"github.com/maypok86/otter/v2"

	"github.com/perennial-go/perennial/benchmarks/internal/trace"
)

// rivals is caches of others. Each is asked for a key and given what it did not
// have, and whatever it does in the background is waited for.
func rivals() []policy {
	const golang = "github.com/hashicorp/golang-lru/"
	all := []policy{
		{
			name: "otter", module: "github.com/maypok86/otter/v2", chance: true, weighs: true, open: openOtter,
			terms: "GetIfPresent and Set; an Executor that works at once, on the goroutine that asks",
		},
		{
			name: "theine", module: "github.com/Yiling-J/theine-go", chance: true, weighs: true, open: openTheine,
			terms: "Get and Set; Wait after every Set",
		},
		{
			name: "ristretto", module: "github.com/dgraph-io/ristretto/v2", chance: true, weighs: true, open: openRistretto,
			terms: "Get and Set, 10 counters an entry; Wait after every Set, runtime.Gosched after every Get",
		},
		{name: "golang-lru-LRU", module: golang + "v2", terms: "New", open: openGolangLRU},
		{name: "golang-lru-2Q", module: golang + "v2", terms: "New2Q", open: openGolang2Q},
		{name: "golang-lru-ARC", module: golang + "arc/v2", terms: "NewARC", open: openGolangARC},
	}
	for i := range all {
		all[i].kind = rival
	}
	return all
}

// peer is a cache of others behind what they have in common.
type peer struct {
	find func(key uint64) (int64, bool)
	set  func(key uint64, size int64) // and waits until the policy knows
	size func() int64
	end  func()
}

func (p *peer) get(r trace.Request) bool {
	if _, ok := p.find(r.Key); ok {
		return true
	}
	p.set(r.Key, r.Size)
	return false
}

func (p *peer) held() int64 { return p.size() }
func (p *peer) close()      { p.end() }

// openOtter lets otter maintain itself on the goroutine that asks, so that
// nothing is late.
func openOtter(t terms) cache {
	o := &otter.Options[uint64, int64]{Executor: func(work func()) { work() }}
	if t.bytes {
		o.MaximumWeight = uint64(t.capacity)
		o.Weigher = func(_ uint64, size int64) uint32 { return uint32(min(size, math.MaxUint32)) }
	} else {
		o.MaximumSize = int(t.capacity)
	}
	c := otter.Must(o)
	return &peer{
		find: c.GetIfPresent,
		set:  func(key uint64, size int64) { c.Set(key, size) },
		size: func() int64 {
			c.CleanUp()
			if t.bytes {
				return int64(c.WeightedSize())
			}
			return int64(c.EstimatedSize())
		},
		end: func() { c.StopAllGoroutines() },
	}
}

func openTheine(t terms) cache {
	c := must(theine.NewBuilder[uint64, int64](t.capacity).Build())
	return &peer{
		find: c.Get,
		set:  func(key uint64, size int64) { c.Set(key, size, size); c.Wait() },
		size: func() int64 {
			c.Wait()
			if t.bytes {
				return int64(c.EstimatedSize())
			}
			return int64(c.Len())
		},
		end: c.Close,
	}
}

func openRistretto(t terms) cache {
	c := must(ristretto.NewCache(&ristretto.Config[uint64, int64]{
		NumCounters:        10 * int64(t.entries), // what its documentation says
		MaxCost:            t.capacity,
		BufferItems:        64, // likewise
		IgnoreInternalCost: true,
	}))
	return &peer{
		find: func(key uint64) (int64, bool) {
			size, ok := c.Get(key)
			runtime.Gosched() // its goroutine takes what was read, or it is lost
			return size, ok
		},
		set:  func(key uint64, size int64) { c.Set(key, size, size); c.Wait() },
		size: func() int64 { c.Wait(); return c.MaxCost() - c.RemainingCost() },
		end:  c.Close,
	}
}

// simple is a cache that does everything at once.
func simple(get func(uint64) (int64, bool), add func(key uint64, size int64), length func() int) cache {
	return &peer{find: get, set: add, size: func() int64 { return int64(length()) }, end: func() {}}
}

func openGolangLRU(t terms) cache {
	c := must(lrus.New[uint64, int64](t.entries))
	return simple(c.Get, func(key uint64, size int64) { c.Add(key, size) }, c.Len)
}

func openGolang2Q(t terms) cache {
	c := must(lrus.New2Q[uint64, int64](t.entries))
	return simple(c.Get, c.Add, c.Len)
}

func openGolangARC(t terms) cache {
	c := must(arc.NewARC[uint64, int64](t.entries))
	return simple(c.Get, c.Add, c.Len)
}

// must is for caches whose terms were checked before.
func must[C any](c C, err error) C {
	if err != nil {
		panic(err)
	}
	return c
}
