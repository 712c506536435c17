package guard

import (
	"context"
	"math"
	"sync"
	"sync/atomic"
	"time"

	"github.com/perennial-go/perennial/internal/adaptive"
	"github.com/perennial-go/perennial/internal/breaker"
	"github.com/perennial-go/perennial/internal/slots"
	"github.com/perennial-go/perennial/internal/timeline"
	"github.com/perennial-go/perennial/observe"
)

// gate lets loads in. Its exported methods are for memoized functions: see Guard.Gate.
type gate struct {
	name      string
	time      timeline.Timeline
	observers []observe.Observer
	settings  atomic.Pointer[settings]
	places    slots.Limit
	breaker   breaker.Breaker
	wanted    atomic.Bool // a load has found no place
	typical   atomic.Int64
	size      atomic.Int64 // of places
	enough    atomic.Int64 // until then successes teach the limit nothing
	looked    atomic.Int64 // when it was last looked whether those that hold places hang

	mu    sync.Mutex // of limit, and held while places are resized
	limit adaptive.Limit

	counters counters
}

func (g *gate) init(name string, s *settings) {
	g.name, g.observers = name, s.observers
	if !s.silent {
		g.observers = append([]observe.Observer{observe.Slog(s.logger)}, g.observers...)
	}
	g.time.Init(s.clock, true, func(time.Duration) {})
	g.places.Now = g.time.Steady
	g.looked.Store(math.MinInt64)
	g.mu.Lock()
	defer g.mu.Unlock()
	g.set(s)
}

// change changes the settings, in one step or not at all.
func (g *gate) change(how func(*settings) error) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	s := *g.settings.Load()
	if err := how(&s); err != nil {
		return err
	}
	g.set(&s)
	return nil
}

// set puts settings in force. The lock is held.
func (g *gate) set(s *settings) {
	g.settings.Store(s)
	g.limit.Bound(s.floor, s.ceiling)
	policy := s.breaker
	policy.Off = policy.Off || s.off
	g.breaker.Set(policy)
	g.resize()
}

// resize makes the limit that of the places. The lock is held.
func (g *gate) resize() {
	n := g.limit.Places()
	if g.settings.Load().off {
		n = math.MaxInt32
	}
	if update(&g.size, int64(n)) {
		g.places.Resize(n)
	}
	update(&g.typical, int64(g.limit.Typical()))
	update(&g.enough, int64(g.limit.Enough()))
}

// update stores what differs: to write costs more than to look.
func update(known *atomic.Int64, is int64) (differs bool) {
	if differs = known.Load() != is; differs {
		known.Store(is)
	}
	return differs
}

// tell tells the observers. No lock is held.
func (g *gate) tell(kind observe.Kind) {
	ev := observe.Event{Kind: kind, First: true, Func: g.name, Time: g.time.Now().Time()}
	for _, o := range g.observers {
		if observe.Wants(o, kind) {
			g.tellOne(o, ev)
		}
	}
}

// tellOne survives a panic of an observer, which is nobody's fault but its own.
func (g *gate) tellOne(o observe.Observer, ev observe.Event) {
	defer func() {
		if recover() != nil {
			g.counters.panics.Add(1)
		}
	}()
	o.Observe(context.Background(), ev)
}
