package memoize

import (
	"fmt"
	"slices"
	"sync/atomic"
	"time"

	"golang.org/x/sync/semaphore"

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
	identity bool                     // keys are the arguments
	post     config.Postprocessing[V] // nil if it changes nothing
	local    bool                     // the storage answers at once
	memory   *storage.InMemory[K, V]  // and is ours
	blind    bool                     // the strategy ignores reads
	marker   eviction.Marker          // or learns of them through the mark word
	limits   config.Limits
	slots    *semaphore.Weighted // MaxLoads
	doubt    *doubts[K]          // of what the storage holds
	sweeps   bool                // expired entries are swept from the storage
	bound    []bind.Binder       // parts that serve this function

	uses    atomic.Int64 // loads that run under it
	retired atomic.Bool  // another is in force
	dropped bool         // and nothing runs under it any more; guarded by the engine's lock
}

func newPlan[A any, K comparable, V any](s *config.Settings[A, K, V]) *plan[A, K, V] {
	p := &plan[A, K, V]{settings: s, bypass: s.Bypass, timeout: s.MethodTimeout, limits: s.Limits.WithDefaults()}
	p.slots = semaphore.NewWeighted(int64(p.limits.MaxLoads))
	p.doubt = new(doubts[K])
	p.identity = config.IsIdentity(s.Keys)
	if !config.IsNoPostprocessing(s.Postprocessing) {
		p.post = s.Postprocessing
	}
	_, p.local = s.Storage.(storage.Local)
	_, ranges := s.Storage.(storage.Ranger[K, V])
	p.sweeps = p.local && ranges
	p.memory, _ = s.Storage.(*storage.InMemory[K, V])
	_, p.blind = s.Eviction.(eviction.Blind)
	p.marker, _ = s.Eviction.(eviction.Marker)
	if !s.Configured {
		p.off = ErrNotConfigured
	}
	return p
}

// markRead tells the strategy of a read. A panic of its is the error.
func (p *plan[A, K, V]) markRead(key K, e *entry.Entry[V]) error {
	if p.blind {
		return nil
	}
	return p.markSeeing(key, e)
}

func (p *plan[A, K, V]) markSeeing(key K, e *entry.Entry[V]) error {
	return safely(func() error {
		if p.marker != nil {
			p.marker.Mark(&e.Meta)
		} else {
			p.settings.Eviction.MarkRead(key)
		}
		return nil
	})
}

// snapshot is the plan in force, which a call sees to its end.
func (e *engine[A, K, V]) snapshot() (*plan[A, K, V], error) {
	p := e.plan.Load()
	if e.live {
		if s := e.configuration.Snapshot(); s != p.settings {
			p = e.adopt()
		}
	}
	return p, p.off
}

// begin lets a load run under a plan, or under the one in force if nothing
// runs under the first any more: invalidation does not reach its storage. It is
// nil once the function is closed.
func (e *engine[A, K, V]) begin(p *plan[A, K, V], r running) *plan[A, K, V] {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed {
		return nil
	}
	if p.dropped {
		p = e.plan.Load()
	}
	p.uses.Add(1)
	e.loads.add(r)
	return p
}

// finished ends what begin began.
func (e *engine[A, K, V]) finished(p *plan[A, K, V], r running) {
	if p.uses.Add(-1) == 0 && p.retired.Load() {
		e.drop()
	}
	e.loads.remove(r)
}

// drop lets go of plans that are out of force and that nothing runs under.
func (e *engine[A, K, V]) drop() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.retired = slices.DeleteFunc(e.retired, func(p *plan[A, K, V]) bool {
		if p.uses.Load() == 0 {
			p.dropped = true
			e.remains.bindings.Release(p.bound)
		}
		return p.dropped
	})
}

// adopt puts settings in force that the configuration has come up with. If they
// can't be used, those before them stay.
func (e *engine[A, K, V]) adopt() *plan[A, K, V] {
	e.mu.Lock()
	now, s := e.plan.Load(), e.configuration.Snapshot()
	if e.closed || s == now.settings || s != nil && s == e.rejected {
		e.mu.Unlock()
		return now
	}
	next, err := e.prepareLocked(s)
	if err != nil {
		e.rejected = s
	}
	e.mu.Unlock()
	if err != nil {
		e.troubled(e.life, observe.Event{Kind: observe.ConfigRejected, Err: err})
		return now
	}
	e.commit(next)
	return e.plan.Load()
}

// prepareLocked checks settings and binds their parts. The engine's lock is
// held.
func (e *engine[A, K, V]) prepareLocked(s *config.Settings[A, K, V]) (*plan[A, K, V], error) {
	if err := s.Validate(); err != nil {
		return nil, err
	}
	p := newPlan(s)
	for _, part := range []any{s.Storage, s.Eviction} {
		b, ok := part.(bind.Binder)
		if !ok {
			continue
		}
		if err := e.remains.bindings.Take(b, e.name); err != nil {
			e.remains.bindings.Release(p.bound)
			return nil, fmt.Errorf("memoize: %s can't use %v: %w", e.name, part, err)
		}
		p.bound = append(p.bound, b)
	}
	return p, nil
}

// commit puts a prepared plan in force, unless somebody else did or another has
// come after it.
func (e *engine[A, K, V]) commit(next *plan[A, K, V]) {
	if last := e.plan.Load(); last != nil && last.settings.Storage != next.settings.Storage {
		e.clearMemory(next)
	}
	e.mu.Lock()
	last := e.plan.Load()
	_, applied := e.configuration.(*config.Live[A, K, V])
	if e.closed || last != nil && (last.settings == next.settings || applied && e.configuration.Snapshot() != next.settings) {
		e.remains.bindings.Release(next.bound)
		e.mu.Unlock()
		return
	}
	if last != nil {
		if last.settings.Storage == next.settings.Storage {
			next.doubt = last.doubt
		}
		if last.limits.MaxLoads == next.limits.MaxLoads {
			next.slots = last.slots
		}
		last.retired.Store(true)
		e.retired = append(e.retired, last)
	}
	e.plan.Store(next)
	e.mu.Unlock()
	e.drop()
	e.arrange(last, next)
}

// clearMemory empties a storage in memory that comes into force: it may hold
// what was invalidated while it was not.
func (e *engine[A, K, V]) clearMemory(next *plan[A, K, V]) {
	c, ok := next.settings.Storage.(storage.Clearer)
	if !ok || !next.local {
		return
	}
	if err := safely(func() error { return c.Clear(e.life) }); err != nil {
		e.tell(e.life, observe.Event{Kind: observe.StoreFault, Err: err})
	}
}

// arrange does what a change brings with it.
func (e *engine[A, K, V]) arrange(last, next *plan[A, K, V]) {
	sameStrategy := last != nil && last.settings.Eviction == next.settings.Eviction
	sameStorage := last != nil && last.settings.Storage == next.settings.Storage
	if sameStrategy && !sameStorage {
		e.forgetKeys(last)
	}
	if !sameStrategy || !sameStorage {
		e.feed(next)
	}
	if last != nil {
		e.troubles.ends(observe.ConfigRejected)
		e.tell(e.life, observe.Event{Kind: observe.ConfigChanged})
	}
}

// inUse is the plan in force and those that loads still run under.
func (e *engine[A, K, V]) inUse() []*plan[A, K, V] {
	e.mu.Lock()
	defer e.mu.Unlock()
	return append([]*plan[A, K, V]{e.plan.Load()}, e.retired...)
}

// feed tells a strategy that comes into force of the keys that are held, the
// longest unwritten first, and releases down to what it lets live.
func (e *engine[A, K, V]) feed(p *plan[A, K, V]) {
	held, ok := p.settings.Storage.(storage.Ranger[K, V])
	if !ok || !p.local {
		return
	}
	type written struct {
		key  K
		when entry.Instant
	}
	var keys []written
	for key, stored := range held.Range(e.life) {
		keys = append(keys, written{key, stored.Created()})
	}
	slices.SortFunc(keys, func(a, b written) int { return int(min(1, max(-1, a.when-b.when))) })
	for _, k := range keys {
		e.feedOne(p, k.key)
	}
}

func (e *engine[A, K, V]) feedOne(p *plan[A, K, V], key K) {
	victim, named := func() (victim K, named bool) {
		if e.statuses.Hold(e.life, key, false) != nil {
			return victim, false
		}
		defer e.statuses.Free(key, false)
		stored, _ := e.look(e.life, p, key)
		if stored == nil {
			return victim, false
		}
		if p.sweeps {
			e.sweeper.arm(stored.KeepUntil())
		}
		err := safely(func() error {
			p.settings.Eviction.MarkWritten(key, &stored.Meta)
			victim, named = p.settings.Eviction.NextToRelease()
			return nil
		})
		if err != nil {
			_ = e.panicked(e.life, err)
		}
		return victim, named && err == nil
	}()
	if named {
		e.evict(e.life, p, victim)
	}
}

// forgetKeys tells a strategy that stays in force that what a storage held that
// does not is gone.
func (e *engine[A, K, V]) forgetKeys(last *plan[A, K, V]) {
	err := safely(func() error {
		if r, ok := last.settings.Eviction.(eviction.Resetter); ok {
			r.Reset()
		} else if held, ok := last.settings.Storage.(storage.Ranger[K, V]); ok && last.local {
			for key := range held.Range(e.life) {
				last.settings.Eviction.MarkReleased(key)
			}
		}
		return nil
	})
	if err != nil {
		_ = e.panicked(e.life, err)
	}
}
