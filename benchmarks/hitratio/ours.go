package main

import (
	"github.com/perennial-go/perennial/eviction"
)

// own is the policies of this repository: whoever adds one adds a line.
var own = []ownPolicy{
	{name: unbounded, make: func(int) eviction.Strategy[uint64] { return eviction.None[uint64]() }},
	{name: "FirstInFirstOut", plain: true, make: eviction.FirstInFirstOut[uint64]},
	{name: "LeastRecentlyUpdated", plain: true, make: eviction.LeastRecentlyUpdated[uint64]},
	{name: "LeastRecentlyUsed", plain: true, make: eviction.LeastRecentlyUsed[uint64]},
	{name: "LeastFrequentlyUsed", plain: true, make: eviction.LeastFrequentlyUsed[uint64]},
	{name: "Sieve", plain: true, make: eviction.Sieve[uint64]},
	{name: "S3FIFO", plain: true, chance: true, make: eviction.S3FIFO[uint64]},
	{name: "TwoQueue", plain: true, chance: true, make: eviction.TwoQueue[uint64]},
	{name: "LIRS", plain: true, chance: true, make: eviction.LIRS[uint64]},
	{name: "TinyLFU", plain: true, chance: true, make: eviction.TinyLFU[uint64]},
	{name: "Adaptive", chance: true, make: eviction.Adaptive[uint64]},
	{name: "CostAware", chance: true, make: eviction.CostAware[uint64]},
}

// ownPolicy is how a policy of this repository is made.
type ownPolicy struct {
	name   string
	plain  bool // it does one thing whatever it sees
	chance bool // its choices depend on chance or on the keys' hashes
	make   func(capacity int) eviction.Strategy[uint64]
}

func (o ownPolicy) policy() policy {
	p := policy{
		name: o.name, kind: ours, plain: o.plain, chance: o.chance,
		module: "github.com/perennial-go/perennial", terms: "a bare strategy over a map",
	}
	if o.name == unbounded {
		p.kind = yardstick
	}
	_, p.weighs = o.make(1).(weigher)
	p.weighs = p.weighs || p.kind == yardstick
	p.open = func(t terms) cache { return newBare(o.make(int(t.capacity)), t) }
	return p
}
