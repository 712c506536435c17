package memoize

import (
	"context"
	"fmt"
	"reflect"
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

	uses    atomic.Int64 // loads that run under it
	retired atomic.Bool  // another is in force
}

func newPlan[A any, K comparable, V any](s *config.Settings[A, K, V]) *plan[A, K, V] {
	p := &plan[A, K, V]{settings: s, bypass: s.Bypass, timeout: s.MethodTimeout, limits: s.Limits.WithDefaults()}
	p.slots = semaphore.NewWeighted(int64(p.limits.MaxLoads))
	p.identity = config.IsIdentity(s.Keys)
	if !config.IsNoPostprocessing(s.Postprocessing) {
		p.post = s.Postprocessing
	}
	_, p.local = s.Storage.(storage.Local)
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

func (p *plan[A, K, V]) use() { p.uses.Add(1) }

// snapshot is the plan in force, which a call sees to its end.
func (e *engine[A, K, V]) snapshot() (*plan[A, K, V], error) {
	p := e.plan.Load()
	if e.live {
		if s := e.configuration.Snapshot(); s != p.settings {
			p = e.adopt(s)
		}
	}
	return p, p.off
}

// adopt puts settings in force that a configuration came up with by itself. If
// they can't be used, those before them stay.
func (e *engine[A, K, V]) adopt(s *config.Settings[A, K, V]) *plan[A, K, V] {
	e.mu.Lock()
	now := e.plan.Load()
	if e.closed || s == now.settings || s != nil && s == e.rejected {
		e.mu.Unlock()
		return now
	}
	change, err := e.prepareLocked(s)
	if err != nil {
		e.rejected = s
		e.mu.Unlock()
		e.troubled(context.Background(), observe.Event{Kind: observe.ConfigRejected, Err: err})
		return now
	}
	p := e.commitLocked(change)
	e.mu.Unlock()
	e.committed(change, p)
	return p
}

// change is settings that may be put in force, their parts bound.
type change[A any, K comparable, V any] struct {
	next  *plan[A, K, V]
	bound []bind.Binder
	last  *plan[A, K, V] // set on commit
}

// prepareLocked checks settings and binds their parts. The engine's lock is
// held.
func (e *engine[A, K, V]) prepareLocked(s *config.Settings[A, K, V]) (*change[A, K, V], error) {
	if err := s.Validate(); err != nil {
		return nil, err
	}
	c := &change[A, K, V]{next: newPlan(s)}
	for _, part := range []any{s.Storage, s.Eviction} {
		b, ok := part.(bind.Binder)
		if !ok || !reflect.TypeOf(part).Comparable() {
			continue
		}
		if e.bound[b] == 0 {
			if err := b.Bind(e.name); err != nil {
				e.unbindLocked(c.bound)
				return nil, fmt.Errorf("memoize: %s can't use %v: %w", e.name, part, err)
			}
		}
		e.bound[b]++
		c.bound = append(c.bound, b)
	}
	return c, nil
}

func (e *engine[A, K, V]) unbindLocked(parts []bind.Binder) {
	for _, b := range parts {
		if e.bound[b]--; e.bound[b] == 0 {
			delete(e.bound, b)
			b.Unbind()
		}
	}
}

// commitLocked puts a change in force. The engine's lock is held.
func (e *engine[A, K, V]) commitLocked(c *change[A, K, V]) *plan[A, K, V] {
	last := e.plan.Load()
	if last != nil && last.settings.Storage != c.next.settings.Storage && c.next.local {
		if s, ok := c.next.settings.Storage.(storage.Clearer); ok {
			_ = s.Clear(context.Background()) // in memory: can't fail
		}
	}
	e.parts[c.next] = c.bound
	c.last = last
	e.plan.Store(c.next)
	if last != nil {
		last.retired.Store(true)
		e.retired = append(e.retired, last)
	}
	return c.next
}

// committed does what a change brings with it, with no lock held.
func (e *engine[A, K, V]) committed(c *change[A, K, V], p *plan[A, K, V]) {
	last := c.last
	if last != nil {
		e.retire(nil)
		if last.settings.Storage != p.settings.Storage && last.settings.Eviction == p.settings.Eviction {
			e.forgetKeys(last)
		}
	}
	if last == nil || last.settings.Eviction != p.settings.Eviction {
		e.feed(p)
	}
	if last != nil {
		e.troubles.ends(observe.ConfigRejected)
		e.tell(context.Background(), observe.Event{Kind: observe.ConfigChanged})
	}
}

// retire drops plans that nothing runs under any more. A load that ends passes
// its own.
func (e *engine[A, K, V]) retire(ended *plan[A, K, V]) {
	if ended != nil && (ended.uses.Add(-1) > 0 || !ended.retired.Load()) {
		return
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.retired = slices.DeleteFunc(e.retired, func(p *plan[A, K, V]) bool {
		if p.uses.Load() > 0 {
			return false
		}
		e.unbindLocked(e.parts[p])
		delete(e.parts, p)
		return true
	})
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
	for key, stored := range held.Range(context.Background()) {
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
		stored, _ := p.settings.Storage.Get(e.life, key)
		if stored == nil {
			return victim, false
		}
		e.sweeper.arm(stored.KeepUntil())
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
	if r, ok := last.settings.Eviction.(eviction.Resetter); ok {
		r.Reset()
		return
	}
	if held, ok := last.settings.Storage.(storage.Ranger[K, V]); ok && last.local {
		for key := range held.Range(context.Background()) {
			last.settings.Eviction.MarkReleased(key)
		}
	}
}
