package memoize

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/perennial-go/perennial/config"
	"github.com/perennial-go/perennial/entry"
	"github.com/perennial-go/perennial/eviction"
	"github.com/perennial-go/perennial/internal/bind"
	"github.com/perennial-go/perennial/observe"
	"github.com/perennial-go/perennial/storage"
)

// What puts settings in force: adopt, by the call that finds them, for
// configurations of a user's own; watch, by Apply, for config.Live; enter for the
// first.

// adopt puts settings in force that the configuration has come up with. If they
// can't be used, those before them stay.
func (e *engine[A, K, V]) adopt(s *config.Settings[A, K, V]) *plan[A, K, V] {
	if s != nil && e.rejected.Load() == s {
		return e.plan.Load()
	}
	next, err := e.prepareSafely(s)
	if err != nil {
		e.rejected.Store(s)
		e.troubled(e.life, observe.Event{Kind: observe.ConfigRejected, Err: err})
		return e.plan.Load()
	}
	e.commit(next)
	return e.plan.Load()
}

func (e *engine[A, K, V]) prepareSafely(s *config.Settings[A, K, V]) (p *plan[A, K, V], err error) {
	defer recovering(&err)
	return e.preparePlan(s)
}

// preparePlan checks settings and binds their parts. No lock is held, for the
// parts may be the user's.
func (e *engine[A, K, V]) preparePlan(s *config.Settings[A, K, V]) (*plan[A, K, V], error) {
	if err := s.Validate(); err != nil {
		return nil, err
	}
	if _, ok := s.Storage.(interface{ NeedsName() }); ok && e.ambiguous {
		return nil, fmt.Errorf("memoize: %s is what Go calls a closure, a method of any value of the type, or any instance of a generic function, and %v keeps values under the function's name: give it one of its own with config.Name", e.name, s.Storage)
	}
	p := newPlan(s, e.dynamicKeys)
	if c, ok := s.Storage.(storage.Clocked); ok {
		c.SetClock(e.time.reader())
	}
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
	if c, ok := s.Eviction.(eviction.Clocked); ok {
		c.SetClock(e.time.rough())
	}
	return p, nil
}

// commit puts a prepared plan in force, unless somebody else did or another has
// come after it. Its parts are emptied first, with no lock held, for they may be the
// user's. Changes that come at once may so empty a part that is in force already
// and knows what is held: whoever has done that tells it again.
func (e *engine[A, K, V]) commit(next *plan[A, K, V]) {
	last := e.plan.Load()
	newStorage, newStrategy := last != nil && !last.sameStorage(next), last != nil && !last.sameStrategy(next)
	if newStorage {
		e.clearMemory(next)
	}
	if newStrategy {
		e.forget(next) // it may remember what it was told when it was in force before
	}
	last, changed := e.replace(next)
	if changed {
		e.dropUnused()
		e.arrange(last, next)
	}
	if newStorage && last.sameStorage(next) || newStrategy && last.sameStrategy(next) {
		e.retell(next)
	}
}

// replace puts next in the place of last, if it is what the configuration wants.
func (e *engine[A, K, V]) replace(next *plan[A, K, V]) (last *plan[A, K, V], changed bool) {
	wanted := next.settings
	if e.asked { // user code may have gone on to the next meanwhile
		wanted, _ = e.settings()
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	last = e.plan.Load()
	overtaken := last != nil && (last.settings == next.settings || last.order > next.order || wanted != next.settings)
	if e.closed || overtaken {
		e.remains.bindings.Release(next.bound)
		return last, false
	}
	next.doubt = e.doubtsOf(next.settings.Storage)
	if last != nil {
		if last.sameStorage(next) && last.sameStrategy(next) {
			next.held = last.held
		}
		last.retired.Store(true)
		e.retired = append(e.retired, last)
	}
	e.plan.Store(next)
	e.slots.Resize(next.limits.MaxLoads)
	return last, true
}

// doubtsOf is what is in doubt of a storage. It may have been in force before,
// and is still in doubt then if a plan that has it is in use or a write to it has
// not come back. The engine's lock is held.
func (e *engine[A, K, V]) doubtsOf(s storage.Storage[K, V]) *doubts[K] {
	for known, d := range e.doubted {
		has := func(p *plan[A, K, V]) bool { return p != nil && p.settings.Storage == known }
		if !has(e.plan.Load()) && !slices.ContainsFunc(e.retired, has) && !d.pending() {
			delete(e.doubted, known)
		}
	}
	if e.doubted[s] == nil {
		if e.doubted == nil {
			e.doubted = map[storage.Storage[K, V]]*doubts[K]{}
		}
		e.doubted[s] = new(doubts[K])
	}
	return e.doubted[s]
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

// retell makes up for a change that has emptied parts which were in force already:
// the strategy starts anew with what is held.
func (e *engine[A, K, V]) retell(next *plan[A, K, V]) {
	p := e.plan.Load()
	if p.sameStorage(next) || p.sameStrategy(next) {
		e.forget(p)
		e.feed(p)
	}
}

// arrange does what a change brings with it.
func (e *engine[A, K, V]) arrange(last, next *plan[A, K, V]) {
	sameStrategy, sameStorage := last != nil && last.sameStrategy(next), last != nil && last.sameStorage(next)
	if sameStrategy && !sameStorage {
		e.forgetKeys(last)
	}
	if !sameStrategy || !sameStorage || !last.settings.SameWeights(next.settings) {
		e.feed(next)
	}
	if s, ok := next.settings.Storage.(interface{ Loses() []string }); ok && !sameStorage && len(s.Loses()) > 0 {
		lost := strings.Join(s.Loses(), ", ")
		e.tell(e.life, observe.Event{Kind: observe.FieldsLost, Err: fmt.Errorf("memoize: the values' fields %s are not exported and not written: export them, give the type methods that write it, or choose another codec", lost)})
	}
	changes := ""
	if last != nil && e.wants(observe.ConfigChanged) {
		changes = next.settings.Changes(last.settings)
	}
	e.resize()
	if last != nil {
		e.rejected.Store(nil) // it is told again if it comes again
		e.troubles.ends(observe.ConfigRejected)
		e.tell(e.life, observe.Event{Kind: observe.ConfigChanged, Changes: changes})
	}
}

// resize gives the strategy in force the capacity that its settings ask for, and
// releases down to it. Two changes that come at once may do so in any order, so
// it looks again.
func (e *engine[A, K, V]) resize() {
	for {
		p := e.plan.Load()
		capacity, ok := p.settings.Resize()
		r, can := p.settings.Eviction.(eviction.Resizer)
		if !ok || !can || !e.use(p) {
			return
		}
		err := safely(func() error {
			r.SetCapacity(capacity)
			return nil
		})
		if err != nil {
			_ = e.panicked(e.life, err)
		}
		e.shrink(e.life, p)
		e.unuse(p)
		if e.plan.Load() == p {
			return
		}
	}
}

// feed tells a strategy that comes into force of the keys that are held, the
// longest unwritten first, and releases down to what it lets live.
func (e *engine[A, K, V]) feed(next *plan[A, K, V]) {
	held, ok := next.settings.Storage.(storage.Ranger[K, V])
	if !ok || !next.local {
		return
	}
	p := e.plan.Load()
	for ; ; p = e.plan.Load() { // another change may have come, and left these parts in force
		if !p.sameStorage(next) || !p.sameStrategy(next) {
			return
		}
		if e.use(p) {
			break
		}
	}
	defer e.unuse(p)
	var keys []K
	var written []entry.Instant
	for key, stored := range held.Range(e.life) {
		keys = append(keys, key)
		written = append(written, stored.Created())
	}
	for _, i := range order(len(keys), func(i, j int) int { return cmp.Compare(written[i], written[j]) }) {
		e.feedOne(p, keys[i])
	}
}

// order is what is at the indexes below n, in order, equals as they are. It sorts
// indexes because a sort of the things themselves is compiled for every type of
// theirs.
func order(n int, compare func(i, j int) int) []int {
	indexes := make([]int, n)
	for i := range indexes {
		indexes[i] = i
	}
	slices.SortFunc(indexes, func(i, j int) int { return cmp.Or(compare(i, j), i-j) })
	return indexes
}

func (e *engine[A, K, V]) feedOne(p *plan[A, K, V], key K) {
	ctx, events := hold(e.life)
	victim, named := func() (victim K, named bool) {
		if e.statuses.Hold(ctx, key, false) != nil {
			return victim, false
		}
		defer e.statuses.Free(key, false)
		stored, _ := e.look(ctx, p, key)
		account := e.accountOf(p)
		if stored == nil || account == nil || !account.sameStrategy(p) {
			return victim, false
		}
		if p.sweeps {
			e.sweeper.arm(stored.KeepUntil())
		}
		c, err := p.weighSafely(key, stored.Value)
		if err == nil {
			victim, named, err = p.weighed(key, &stored.Meta, &stored.Meta, c)
		}
		if err != nil {
			_ = e.panicked(ctx, err)
		}
		return victim, named && err == nil
	}()
	events.tell()
	if named {
		e.evict(e.life, p, victim)
	}
}

// weighSafely is the cost of an entry that no load brings now, nil where nobody
// wants to know.
func (p *plan[A, K, V]) weighSafely(key K, value V) (c *cost, err error) {
	if p.settings.Weigh == nil {
		return nil, nil
	}
	defer recovering(&err)
	return p.weigh(key, value)
}

// forget makes a plan's strategy forget every key, if it can.
func (e *engine[A, K, V]) forget(p *plan[A, K, V]) (can bool) {
	r, can := p.settings.Eviction.(eviction.Resetter)
	if !can {
		return false
	}
	err := safely(func() error {
		r.Reset()
		return nil
	})
	if err != nil {
		_ = e.panicked(e.life, err)
	}
	if p.held != nil {
		p.held.clear()
	}
	return true
}

// forgetKeys tells a strategy that stays in force that what a storage held that
// does not is gone.
func (e *engine[A, K, V]) forgetKeys(last *plan[A, K, V]) {
	if e.forget(last) {
		return
	}
	err := safely(func() error {
		if held, ok := last.settings.Storage.(storage.Ranger[K, V]); ok && last.local {
			for key, gone := range held.Range(e.life) {
				last.settings.Eviction.MarkReleased(key, &gone.Meta)
			}
		}
		return nil
	})
	if err != nil {
		_ = e.panicked(e.life, err)
	}
}
