package guard

import (
	"context"
	"errors"
	"fmt"
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

// Guard stands before a source: see the package's documentation. Its methods may be
// called concurrently.
type Guard struct {
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

// New makes a guard. The name, which must not be empty, stands in errors, events and
// metrics. Without options everything is on, and adapts to the source.
func New(name string, opts ...Option) (*Guard, error) {
	if name == "" {
		return nil, errors.New("guard: the name is empty: name the source, such as \"orders-db\"")
	}
	s := defaults()
	if err := s.apply(opts, false); err != nil {
		return nil, fmt.Errorf("guard: %s: %w", name, err)
	}
	g := &Guard{name: name, observers: s.observers}
	if !s.silent {
		g.observers = append([]observe.Observer{observe.Slog(s.logger)}, g.observers...)
	}
	g.time.Init(s.clock, true, func(time.Duration) {})
	g.places.Now = g.time.Steady
	g.looked.Store(math.MinInt64)
	g.put(&s)
	return g, nil
}

// Apply changes a guard while it is used, in one step or not at all. Loads that have
// begun go on. Clock, Observe and Logger can't be changed.
func (g *Guard) Apply(opts ...Option) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	s := *g.settings.Load()
	if err := s.apply(opts, true); err != nil {
		return fmt.Errorf("guard: %s is as it was: %w", g.name, err)
	}
	g.set(&s)
	return nil
}

// put is set for callers that do not hold the lock.
func (g *Guard) put(s *settings) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.set(s)
}

// set puts settings in force. The lock is held.
func (g *Guard) set(s *settings) {
	g.settings.Store(s)
	g.limit.Bound(s.floor, s.ceiling)
	policy := s.breaker
	policy.Off = policy.Off || s.off
	g.breaker.Set(policy)
	g.resize()
}

// resize makes the limit that of the places. The lock is held.
func (g *Guard) resize() {
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

// Name is the guard's.
func (g *Guard) Name() string { return g.name }

// String is the guard's name.
func (g *Guard) String() string { return g.name }

// tell tells the observers. No lock is held.
func (g *Guard) tell(kind observe.Kind) {
	ev := observe.Event{Kind: kind, First: true, Func: g.name, Time: g.time.Now().Time()}
	for _, o := range g.observers {
		if observe.Wants(o, kind) {
			g.tellOne(o, ev)
		}
	}
}

// tellOne survives a panic of an observer, which is nobody's fault but its own.
func (g *Guard) tellOne(o observe.Observer, ev observe.Event) {
	defer func() {
		if recover() != nil {
			g.counters.panics.Add(1)
		}
	}()
	o.Observe(context.Background(), ev)
}
