package main

import (
	"math"
	"time"

	"github.com/perennial-go/perennial/benchmarks/internal/trace"
	"github.com/perennial-go/perennial/entry"
	"github.com/perennial-go/perennial/eviction"
)

// bare is a strategy over a map. It is told what the engine would tell it, in
// the same order.
type bare struct {
	terms
	strategy eviction.Strategy[uint64]
	blind    bool
	marker   eviction.Marker // or nil
	weigher  weigher         // where bytes count
	coster   coster          // or nil
	entries  map[uint64]item
	volume   int64 // of what is held
	most     int64 // that ever was after an eviction
}

// weigher is a strategy whose capacity is what entries may weigh together.
type weigher interface {
	MarkWeighed(key uint64, e, old *entry.Meta, weight int)
	Victims(most int) []uint64
}

// coster is a strategy that is told how long loads take.
type coster = eviction.Coster[uint64]

type item struct {
	meta *entry.Meta
	size int64
}

func newBare(s eviction.Strategy[uint64], t terms) *bare {
	b := &bare{terms: t, strategy: s, entries: map[uint64]item{}}
	_, b.blind = s.(eviction.Blind)
	b.marker, _ = s.(eviction.Marker)
	b.coster, _ = s.(coster)
	if t.bytes {
		b.weigher, _ = s.(weigher)
	}
	return b
}

func (b *bare) get(r trace.Request) bool {
	if found, ok := b.entries[r.Key]; ok {
		switch {
		case b.blind:
		case b.marker != nil:
			b.marker.Mark(found.meta)
		default:
			b.strategy.MarkRead(r.Key)
		}
		return true
	}
	b.put(r)
	return false
}

// put writes an entry and releases what the strategy names.
func (b *bare) put(r trace.Request) {
	e := entry.New(struct{}{}, 0, entry.Life{UpdateAfter: time.Hour, ExpireAfter: time.Hour})
	b.entries[r.Key] = item{&e.Meta, r.Size}
	b.volume += r.Size
	b.tell(r, &e.Meta)
	if victim, ok := b.strategy.NextToRelease(); ok {
		b.release(victim)
		b.shrink()
	}
	b.most = max(b.most, b.volume)
}

// tell tells the strategy of a load.
func (b *bare) tell(r trace.Request, e *entry.Meta) {
	weight := 1
	if b.weigher != nil {
		weight = int(r.Size)
	}
	switch {
	case b.coster != nil:
		b.coster.MarkLoaded(r.Key, e, nil, weight, took(r.Cost))
	case b.weigher != nil:
		b.weigher.MarkWeighed(r.Key, e, nil, weight)
	default:
		b.strategy.MarkWritten(r.Key, e, nil)
	}
}

// costUnit is how long a load takes that costs 1.
const costUnit = time.Millisecond

func took(cost float64) time.Duration {
	return time.Duration(min(cost*float64(costUnit), math.MaxInt64/2))
}

// shrink releases whatever else has to go: one that comes may weigh more than
// one that goes.
func (b *bare) shrink() {
	const most = 16
	for b.weigher != nil {
		victims := b.weigher.Victims(most)
		if len(victims) == 0 {
			return
		}
		for _, victim := range victims {
			b.release(victim)
		}
	}
}

func (b *bare) release(victim uint64) {
	gone, ok := b.entries[victim]
	if !ok {
		b.strategy.MarkReleased(victim, nil)
		return
	}
	delete(b.entries, victim)
	b.volume -= gone.size
	b.strategy.MarkReleased(victim, gone.meta)
}

func (b *bare) held() int64 { return b.most }
func (b *bare) close()      {}
