package memoize

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/perennial-go/perennial/entry"
	"github.com/perennial-go/perennial/eviction"
	"github.com/perennial-go/perennial/internal/module"
	"github.com/perennial-go/perennial/internal/postponed"
	"github.com/perennial-go/perennial/observe"
	"github.com/perennial-go/perennial/storage"
)

// clearMemory empties a storage in memory that comes into force: it may hold
// what was invalidated while it was not.
func (c *changes[A, K, V]) clearMemory(next *plan[A, K, V]) {
	clearer, ok := next.settings.Storage.(storage.Clearer)
	if !ok || !next.local {
		return
	}
	if next.settings.OnRelease != nil {
		c.stores.emptyMemory(next, observe.ReleaseCleared)
		return
	}
	if err := safely(func() error { return clearer.Clear(c.core.life) }); err != nil {
		c.core.tell(c.core.life, observe.Event{Kind: observe.StoreFault, Err: err})
	}
}

// retell makes up for a change that has emptied parts which were in force already:
// the strategy starts anew with what is held.
func (c *changes[A, K, V]) retell(next *plan[A, K, V]) {
	p := c.core.plans.current.Load()
	if p.sameStorage(next) || p.sameStrategy(next) {
		c.forget(p)
		c.feed(p)
	}
}

// arrange does what a change brings with it.
func (c *changes[A, K, V]) arrange(last, next *plan[A, K, V]) {
	sameStrategy, sameStorage := last != nil && last.sameStrategy(next), last != nil && last.sameStorage(next)
	if sameStrategy && !sameStorage {
		c.forgetKeys(last)
	}
	if last != nil && !sameStorage && last.settings.OnRelease != nil && !c.core.plans.current.Load().sameStorage(last) {
		c.stores.emptyMemory(last, observe.ReleaseCleared)
	}
	if !sameStrategy || !sameStorage || !last.settings.SameWeights(module.Only{}, next.settings) {
		c.feed(next)
	}
	if s, ok := next.settings.Storage.(interface{ Loses() []string }); ok && !sameStorage && len(s.Loses()) > 0 {
		lost := strings.Join(s.Loses(), ", ")
		c.core.tell(c.core.life, observe.Event{Kind: observe.FieldsLost, Err: fmt.Errorf("memoize: the values' fields %s are not exported and not written: export them, give the type methods that write it, or choose another codec", lost)})
	}
	if last != nil && !sameStorage { // what carried tags is gone
		c.core.tidyAll()
	}
	changes := ""
	if last != nil && c.core.wants(observe.ConfigChanged) {
		changes = next.settings.Changes(last.settings)
	}
	c.resize()
	if last != nil {
		c.rejected.Store(nil) // it is told again if it comes again
		c.core.problems.End(observe.ConfigRejected)
		c.core.tell(c.core.life, observe.Event{Kind: observe.ConfigChanged, Changes: changes})
	}
}

// resize gives the strategy in force the capacity that its settings ask for, and
// releases down to it. Two changes that come at once may do so in any order, so
// it looks again.
func (c *changes[A, K, V]) resize() {
	for {
		p := c.core.plans.current.Load()
		capacity, ok := p.settings.Resize(module.Only{})
		r, can := p.settings.Eviction.(eviction.Resizer)
		if !ok || !can || !c.core.plans.useCurrent(p) {
			return
		}
		err := safely(func() error {
			r.SetCapacity(capacity)
			return nil
		})
		if err != nil {
			_ = c.core.panicked(c.core.life, err)
		}
		c.evictor.shrink(c.core.life, p)
		c.core.plans.unuse(p)
		if c.core.plans.current.Load() == p {
			return
		}
	}
}

// feed tells a strategy that comes into force of the keys that are held, the
// longest unwritten first, and releases down to what it lets live.
func (c *changes[A, K, V]) feed(next *plan[A, K, V]) {
	held, ok := next.settings.Storage.(storage.Ranger[K, V])
	if !ok || !next.local {
		return
	}
	p := c.core.plans.current.Load()
	for ; ; p = c.core.plans.current.Load() { // another change may have come, and left these parts in force
		if !p.sameStorage(next) || !p.sameStrategy(next) {
			return
		}
		if c.core.plans.useCurrent(p) {
			break
		}
	}
	defer c.core.plans.unuse(p)
	var keys []K
	var written []entry.Instant
	for key, stored := range held.Range(c.core.life) {
		keys = append(keys, key)
		written = append(written, stored.Created())
	}
	for _, i := range order(len(keys), func(i, j int) int { return cmp.Compare(written[i], written[j]) }) {
		c.feedOne(p, keys[i])
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

func (c *changes[A, K, V]) feedOne(p *plan[A, K, V], key K) {
	ctx, events := postponed.Hold(c.core.life)
	victim, named := func() (victim K, named bool) {
		if c.core.statuses.Hold(ctx, key, false) != nil {
			return victim, false
		}
		defer c.core.statuses.Free(key, false)
		stored, _ := c.stores.look(ctx, p, key)
		account := c.stores.accountOf(p)
		if stored == nil || account == nil || !account.sameStrategy(p) {
			return victim, false
		}
		if p.sweeps {
			c.stores.sweeper.Arm(stored.KeepUntil())
		}
		cost, err := p.weighSafely(key, stored.Value)
		if err == nil {
			victim, named, err = p.weighed(key, &stored.Meta, &stored.Meta, cost)
		}
		if err != nil {
			_ = c.core.panicked(ctx, err)
		}
		return victim, named && err == nil
	}()
	events.Tell()
	if named {
		c.evictor.evict(c.core.life, p, victim)
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
func (c *changes[A, K, V]) forget(p *plan[A, K, V]) (can bool) {
	r, can := p.settings.Eviction.(eviction.Resetter)
	if !can {
		return false
	}
	err := safely(func() error {
		r.Reset()
		return nil
	})
	if err != nil {
		_ = c.core.panicked(c.core.life, err)
	}
	if p.reported != nil {
		p.reported.clear()
	}
	return true
}

// forgetKeys tells a strategy that stays in force that what a storage held that
// does not is gone.
func (c *changes[A, K, V]) forgetKeys(last *plan[A, K, V]) {
	if c.forget(last) {
		return
	}
	err := safely(func() error {
		if held, ok := last.settings.Storage.(storage.Ranger[K, V]); ok && last.local {
			for key, gone := range held.Range(c.core.life) {
				last.settings.Eviction.MarkReleased(key, &gone.Meta)
			}
		}
		return nil
	})
	if err != nil {
		_ = c.core.panicked(c.core.life, err)
	}
}
