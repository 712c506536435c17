package memoize

import (
	"slices"
	"sync/atomic"
	"time"

	"github.com/perennial-go/perennial/config"
	"github.com/perennial-go/perennial/entry"
	"github.com/perennial-go/perennial/eviction"
	"github.com/perennial-go/perennial/internal/bind"
	"github.com/perennial-go/perennial/observe"
	"github.com/perennial-go/perennial/storage"
)

// plan is a snapshot of the configuration with what the path needs to know of
// it worked out. It does not change once it is in force.
type plan[A any, K comparable, V any] struct {
	settings *config.Settings[A, K, V]
	off      error // why calls are refused

	bypass   bool
	timeout  time.Duration
	identity bool                     // keys are the arguments, as they are
	post     config.Postprocessing[V] // nil if it changes nothing
	local    bool                     // the storage answers at once
	memory   *storage.InMemory[K, V]  // and is ours
	fenced   storage.Fenced[K, V]     // or claims are needed to fill it
	reader   storage.BulkReader[K, V] // or reads many at once
	bulk     storage.Bulk[K, V]       // or does whatever it does for many at once
	clearer  storage.Clearer          // or can be emptied
	prompt   bool                     // or keeps to deadlines itself
	ordered  bool                     // or has no write overtaken by one that was given up
	blind    bool                     // the strategy ignores reads
	marker   eviction.Marker          // or learns of them through the mark word
	weigher  eviction.Weigher[K]      // or goes by weights
	coster   eviction.Coster[K]       // or by what loads take
	costs    bool                     // what entries cost matters to it
	over     eviction.Over[K]         // and may have more than one too many
	limits   config.Limits
	doubt    *doubts[K]          // of what the storage holds
	held     *held[K]            // by the storage for the strategy, nil where it need not be known
	span     entry.Spanner[K, V] // the builder, if it only gives lives
	sweeps   bool                // expired entries are swept from the storage
	bound    []bind.Binder       // parts that serve this function

	order   uint64      // of changes of a config.Live: later ones have a greater one
	retired atomic.Bool // another is in force
	uses    int         // loads that run under it; guarded by the lock of loads, as is
	dropped bool        // another is in force, and nothing runs under it any more
}

func newPlan[A any, K comparable, V any](s *config.Settings[A, K, V], dynamicKeys bool) *plan[A, K, V] {
	p := &plan[A, K, V]{settings: s, bypass: s.Bypass, timeout: s.MethodTimeout, limits: s.Limits.WithDefaults()}
	p.identity = config.IsIdentity(s.Keys) && !dynamicKeys
	if !config.IsNoPostprocessing(s.Postprocessing) {
		p.post = s.Postprocessing
	}
	_, p.local = s.Storage.(storage.Local)
	_, ranges := s.Storage.(storage.Ranger[K, V])
	p.sweeps = p.local && ranges
	p.memory, _ = s.Storage.(*storage.InMemory[K, V])
	if s.Storage != nil {
		can := storage.AbilitiesOf(s.Storage)
		p.fenced, p.reader, p.bulk, p.clearer, p.prompt, p.ordered = can.Fenced, can.BulkReader, can.Bulk, can.Clearer, can.Prompt, can.Ordered
	}
	_, p.blind = s.Eviction.(eviction.Blind)
	p.marker, _ = s.Eviction.(eviction.Marker)
	p.coster, _ = s.Eviction.(eviction.Coster[K])
	p.over, _ = s.Eviction.(eviction.Over[K])
	p.weigher, _ = s.Eviction.(eviction.Weigher[K])
	p.costs = p.coster != nil || p.weigher != nil && s.Weigh != nil
	if p.memory == nil && s.Eviction != nil && !eviction.IsNone(s.Eviction) {
		p.held = new(held[K])
	}
	p.span, _ = s.Builder.(entry.Spanner[K, V])
	if !s.Configured {
		p.off = ErrNotConfigured
	}
	return p
}

func (p *plan[A, K, V]) sameStorage(q *plan[A, K, V]) bool {
	return p.settings.Storage == q.settings.Storage
}

func (p *plan[A, K, V]) sameStrategy(q *plan[A, K, V]) bool {
	return p.settings.Eviction == q.settings.Eviction
}

// snapshot is the plan in force, which a call sees to its end.
func (e *engine[A, K, V]) snapshot() (*plan[A, K, V], error) {
	p := e.plan.Load()
	if e.asked {
		p = e.latest(p)
	}
	return p, p.off
}

// latest is the plan of the configuration's own snapshot, p if it is that.
func (e *engine[A, K, V]) latest(p *plan[A, K, V]) *plan[A, K, V] {
	s, err := e.settings()
	switch {
	case err != nil:
		e.troubled(e.life, observe.Event{Kind: observe.ConfigRejected, Err: err})
		return p
	case s == p.settings:
		return p
	}
	return e.adopt(s)
}

// settings is the configuration's own snapshot. A panic is the error.
func (e *engine[A, K, V]) settings() (s *config.Settings[A, K, V], err error) {
	defer recovering(&err)
	return e.configuration.Snapshot(), nil
}

// begin lets a load run under its plan, or under the one in force if nothing
// runs under the first any more: invalidation does not reach its storage. It is
// false once the function is closed. Unless limited, the load's time is not
// limited yet. Whatever a load is made of must be in place before, for a
// goroutine may take it at once.
func (e *engine[A, K, V]) begin(p **plan[A, K, V], f *flight, limited bool) bool {
	f.ctx.load, f.ctx.deadline = f, never
	now, l := e.time.steady(), &e.loads
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return false
	}
	for (*p).dropped {
		*p = e.plan.Load()
	}
	(*p).uses++
	deadline := entry.Never
	if limited {
		deadline = now.Add((*p).timeout)
		f.ctx.deadline = e.time.monotonic(deadline)
	}
	l.add(f, now, deadline)
	return true
}

// limit lets the time of a load begin. It is false where the load has waited too long
// for its slot.
func (e *engine[A, K, V]) limit(p *plan[A, K, V], f *flight) bool {
	now := e.time.steady()
	deadline := now.Add(p.timeout)
	f.ctx.deadline = e.time.monotonic(deadline)
	e.loads.mu.Lock()
	defer e.loads.mu.Unlock()
	if f.expired {
		return false
	}
	f.queues = false
	e.loads.due(f, now, deadline)
	return true
}

// queue bounds how long a load waits for its slot.
func (e *engine[A, K, V]) queue(f *flight, most time.Duration) {
	now := e.time.steady()
	e.loads.mu.Lock()
	defer e.loads.mu.Unlock()
	f.queues = true
	e.loads.due(f, now, now.Add(most))
}

// finished ends what begin began.
func (e *engine[A, K, V]) finished(p *plan[A, K, V], f *flight) {
	e.loads.mu.Lock()
	p.uses--
	unused := p.uses == 0
	e.loads.remove(f)
	e.loads.mu.Unlock()
	if unused && p.retired.Load() {
		e.dropUnused()
	}
}

// dropUnused lets go of plans that are out of force and that nothing runs under.
func (e *engine[A, K, V]) dropUnused() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.loads.mu.Lock()
	defer e.loads.mu.Unlock()
	e.retired = slices.DeleteFunc(e.retired, func(p *plan[A, K, V]) bool {
		if p.uses == 0 {
			p.dropped = true
			e.remains.bindings.Release(p.bound)
		}
		return p.dropped
	})
}

// use keeps a plan from being let go of, until unuse. It is false where the plan
// is not in force any more.
func (e *engine[A, K, V]) use(p *plan[A, K, V]) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.plan.Load() != p {
		return false
	}
	e.loads.mu.Lock()
	defer e.loads.mu.Unlock()
	p.uses++
	return true
}

func (e *engine[A, K, V]) unuse(p *plan[A, K, V]) {
	e.loads.mu.Lock()
	p.uses--
	unused := p.uses == 0
	e.loads.mu.Unlock()
	if unused && p.retired.Load() {
		e.dropUnused()
	}
}

// useAll keeps the plan in force, and those out of force that something still
// runs under, until unuse of each.
func (e *engine[A, K, V]) useAll(into []*plan[A, K, V]) []*plan[A, K, V] {
	e.mu.Lock()
	defer e.mu.Unlock()
	all := append(append(into, e.plan.Load()), e.retired...)
	e.loads.mu.Lock()
	defer e.loads.mu.Unlock()
	for _, p := range all {
		p.uses++
	}
	return all
}
