package memoize

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"sync/atomic"
	"weak"

	"github.com/perennial-go/perennial/config"
	"github.com/perennial-go/perennial/eviction"
	"github.com/perennial-go/perennial/internal/bind"
	"github.com/perennial-go/perennial/internal/module"
	"github.com/perennial-go/perennial/observe"
	"github.com/perennial-go/perennial/storage"
)

// changes puts the settings of a configuration in force: the first ones when the
// function is made, those of a config.Live when Apply says so, and those of a user's
// own configuration when a call finds them.
type changes[A any, K comparable, V any] struct {
	core          *core[A, K, V]
	stores        *stores[A, K, V]
	evictor       *evictor[A, K, V]
	configuration config.CacheConfiguration[A, K, V]
	polled        bool                                     // by every call, for a snapshot
	ambiguous     bool                                     // the function's name is that of a closure, or others have it too
	batched       bool                                     // the source takes many keys
	rejected      atomic.Pointer[config.Settings[A, K, V]] // the last that could not be used
}

// snapshot is the plan in force, which a call sees to its end.
func (c *changes[A, K, V]) snapshot() (*plan[A, K, V], error) {
	p := c.core.plans.current.Load()
	if c.polled {
		p = c.latest(p)
	}
	return p, p.off
}

// latest is the plan of the configuration's own snapshot, p if it is that.
func (c *changes[A, K, V]) latest(p *plan[A, K, V]) *plan[A, K, V] {
	s, err := c.settings()
	switch {
	case err != nil:
		c.core.problem(c.core.life, observe.Event{Kind: observe.ConfigRejected, Err: err})
		return p
	case s == p.settings:
		return p
	}
	return c.adopt(s)
}

// settings is the configuration's own snapshot. A panic is the error.
func (c *changes[A, K, V]) settings() (s *config.Settings[A, K, V], err error) {
	defer recovering(&err)
	return c.configuration.Snapshot(), nil
}

// adopt puts settings in force that the configuration has come up with. If they
// can't be used, those before them stay.
func (c *changes[A, K, V]) adopt(s *config.Settings[A, K, V]) *plan[A, K, V] {
	if s != nil && c.rejected.Load() == s {
		return c.core.plans.current.Load()
	}
	next, err := c.prepareSafely(s)
	if err != nil {
		c.rejected.Store(s)
		c.core.problem(c.core.life, observe.Event{Kind: observe.ConfigRejected, Err: err})
		return c.core.plans.current.Load()
	}
	c.commit(next)
	return c.core.plans.current.Load()
}

func (c *changes[A, K, V]) prepareSafely(s *config.Settings[A, K, V]) (p *plan[A, K, V], err error) {
	defer recovering(&err)
	return c.preparePlan(s)
}

// prepare is the snapshot that a verb goes by, and the key of its argument.
func (c *changes[A, K, V]) prepare(ctx context.Context, arg A) (p *plan[A, K, V], key K, err error) {
	if p, err = c.snapshot(); err != nil {
		return p, key, err
	}
	key, err = c.core.key(ctx, p, arg)
	return p, key, err
}

// prepareToWrite is prepare for those who change what is stored: the plan is in
// force, and in use until unuse.
func (c *changes[A, K, V]) prepareToWrite(ctx context.Context, arg A) (p *plan[A, K, V], key K, err error) {
	for {
		if p, key, err = c.prepare(ctx, arg); err != nil || c.core.plans.useCurrent(p) {
			return p, key, err
		}
	}
}

// preparePlan checks settings and binds their parts. No lock is held, for the
// parts may be the user's.
func (c *changes[A, K, V]) preparePlan(s *config.Settings[A, K, V]) (*plan[A, K, V], error) {
	if err := s.Validate(); err != nil {
		return nil, err
	}
	if _, ok := s.Storage.(interface{ NeedsName() }); ok && c.ambiguous {
		return nil, fmt.Errorf("memoize: %s is what Go calls a closure, a method of any value of the type, or any instance of a generic function, and %v keeps values under the function's name: give it one of its own with config.Name", c.core.name, s.Storage)
	}
	if err := checkAnswers(&s.Answers); err != nil {
		return nil, err
	}
	if err := c.core.checkGuard(s.Guard); err != nil {
		return nil, err
	}
	if err := canGather(s.Gather, c.batched, c.core.name); err != nil {
		return nil, err
	}
	p := newPlan(s, c.core.dynamicKeys)
	if clocked, ok := s.Storage.(storage.Clocked); ok {
		clocked.SetClock(c.core.time.Reader())
	}
	for _, part := range []any{s.Storage, s.Eviction} {
		b, ok := part.(bind.Binder)
		if !ok {
			continue
		}
		if err := c.core.plans.bindings.Take(b, c.core.name); err != nil {
			c.core.plans.bindings.Release(p.bound)
			return nil, fmt.Errorf("memoize: %s can't use %v: %w", c.core.name, part, err)
		}
		p.bound = append(p.bound, b)
	}
	if clocked, ok := s.Eviction.(eviction.Clocked); ok {
		clocked.SetClock(c.core.time.Rough())
	}
	return p, nil
}

// commit puts a prepared plan in force, unless somebody else did or another has
// come after it. Its parts are emptied first, with no lock held, for they may be the
// user's. Changes that come at once may so empty a part that is in force already
// and knows what is held: whoever has done that tells it again.
func (c *changes[A, K, V]) commit(next *plan[A, K, V]) {
	last := c.core.plans.current.Load()
	newStorage, newStrategy := last != nil && !last.sameStorage(next), last != nil && !last.sameStrategy(next)
	if newStorage {
		c.clearMemory(next)
	}
	if newStrategy {
		c.forget(next) // it may remember what it was told when it was in force before
	}
	wanted := next.settings
	if c.polled { // user code may have gone on to the next meanwhile
		wanted, _ = c.settings()
	}
	last, changed := c.core.plans.replace(next, wanted)
	if changed {
		c.core.slots.Resize(next.limits.MaxLoads)
		c.core.plans.dropUnused()
		c.arrange(last, next)
	}
	if newStorage && last.sameStorage(next) || newStrategy && last.sameStrategy(next) {
		c.retell(next)
	}
}

// watch takes part in changes of a live configuration, without keeping a
// function alive that nobody uses any more.
func (c *changes[A, K, V]) watch(live *config.Live[A, K, V]) (stop func()) {
	self := weak.Make(c)
	nothing := module.Change{Commit: func() {}, Abort: func() {}}
	var changes uint64
	return live.Watch(module.Only{}, &module.Watcher[config.Settings[A, K, V]]{Prepare: func(s *config.Settings[A, K, V]) (module.Change, error) {
		c := self.Value()
		if c == nil {
			return nothing, nil
		}
		if p := c.core.plans.current.Load(); p != nil && p.off == ErrClosed {
			return nothing, nil
		}
		next, err := c.prepareSafely(s)
		if err != nil {
			return nothing, err
		}
		changes++ // Prepare is called for one change at a time
		next.order = changes
		return module.Change{
			Commit: func() { c.commit(next) },
			Abort:  func() { c.core.plans.bindings.Release(next.bound) },
		}, nil
	}})
}

// settingsOf is the configuration's first snapshot, checked.
func settingsOf[A any, K comparable, V any](c config.CacheConfiguration[A, K, V]) (*config.Settings[A, K, V], error) {
	if c == nil || reflect.ValueOf(c).Kind() == reflect.Pointer && reflect.ValueOf(c).IsNil() {
		return nil, errors.New("memoize: the configuration is nil: use config.InMemory, or memoize.New with options")
	}
	if f, ok := c.(interface{ Err() error }); ok {
		if err := f.Err(); err != nil {
			return nil, err
		}
	}
	s := c.Snapshot()
	return s, s.Validate()
}
