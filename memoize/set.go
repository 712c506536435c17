package memoize

import (
	"context"
	"errors"
	"fmt"

	"github.com/perennial-go/perennial/entry"
	"github.com/perennial-go/perennial/internal/postponed"
	"github.com/perennial-go/perennial/internal/tagindex"
	"github.com/perennial-go/perennial/observe"
	"github.com/perennial-go/perennial/statuses"
)

// editor has the verbs that change what is stored for a key: Set, SetFor, Touch and
// Update.
type editor[A any, K comparable, V any] struct {
	core    *core[A, K, V]
	stores  *stores[A, K, V]
	evictor *evictor[A, K, V]
	changes *changes[A, K, V]
}

// editing is an editor, whatever the type of its keys.
type editing[A, V any] interface {
	set(ctx context.Context, arg A, value V, life *entry.Life) error
	touch(ctx context.Context, arg A) (bool, error)
	update(ctx context.Context, arg A, change func(old V, ok bool) (V, error)) (V, error)
}

// set publishes a value as an update of its own: it supersedes the one that
// runs, waits for one that publishes, and whoever calls meanwhile joins it.
func (e *editor[A, K, V]) set(ctx context.Context, arg A, value V, life *entry.Life) error {
	if life != nil {
		if err := life.Validate(); err != nil {
			return fmt.Errorf("memoize: %s can't store a value with this life: %w", e.core.name, err)
		}
	}
	p, key, err := e.changes.prepareToWrite(ctx, arg)
	if err != nil {
		return err
	}
	defer e.core.plans.unuse(p)
	if key != key {
		return fmt.Errorf("%w: it is not equal to itself, so what is set could not be found again", ErrKey)
	}
	if e.core.updates.within(key) {
		return e.notSet(key, ErrRecursion)
	}
	b, err := e.build(ctx, p, key, value, life)
	if err == nil && p.settings.Tags != nil {
		err = e.tagsOfSet(ctx, p, key, &b, arg)
	}
	if err != nil {
		return err
	}
	w, err := e.put(ctx, p, key, b)
	if err == nil { // else the caller has the value
		e.stores.neverStored(ctx, p, key, value, &w)
	}
	if w.named {
		e.evictor.evict(ctx, p, w.victim)
	}
	if len(b.tags) > 0 {
		e.core.tidyBehind(len(b.tags))
	}
	return err
}

// put publishes a value. Whoever joins gets the value even if the Set fails by its own
// context: it is what the caller says is true.
func (e *editor[A, K, V]) put(ctx context.Context, p *plan[A, K, V], key K, b built[V]) (w writeResult[K, V], err error) {
	if err := ctx.Err(); err != nil { // a write under it could arrive all the same
		return w, e.notSet(key, err)
	}
	held, events := postponed.Hold(ctx)
	defer events.Tell()
	update, _ := e.core.statuses.Begin(key, statuses.Put)
	if len(b.tags) > 0 { // whoever invalidates a tag from now on supersedes the Set; it is newer than who has done so before
		e.core.enterTags(p, key, &b, tagindex.Always)
		defer e.core.tags.Settle(key)
	}
	fill := statuses.Fill{Shared: p.fenced != nil}
	defer func() {
		e.core.ended.Add(1)
		if w.entry == nil {
			w.entry = b.entry()
		}
		if !w.kept {
			fill.Number = 0
		}
		update.End(statuses.Outcome[V]{Entry: w.entry, Fill: fill})
	}()
	if err := update.Publish(ctx); err != nil {
		return w, e.notSet(key, e.yield(held, p, key, update, err))
	}
	e.core.backoff.Clear(key)
	if p.fenced != nil {
		fill.Number = e.stores.fills.Add(1)
	}
	w.sets = true
	if err = e.stores.store(held, p, key, &b, e.core.time.Now(), &w); w.fault != nil {
		return w, notStored(w.fault)
	}
	e.releaseElsewhere(held, p, key)
	return w, err
}

// yield ends a Set that may not publish. If something newer has superseded it, the Set
// is over as if it had come just before that, and what it was to replace is released:
// what is newer may not have touched the storage yet.
func (e *editor[A, K, V]) yield(ctx context.Context, p *plan[A, K, V], key K, update statuses.Update[V], why error) error {
	if !errors.Is(why, statuses.ErrFenced) && !errors.Is(why, statuses.ErrSuperseded) {
		return why
	}
	overtaken, err := update.Yield(ctx)
	if err != nil || overtaken {
		return err
	}
	if err := e.stores.release(ctx, p, key, observe.ReleaseReplaced); err != nil {
		return fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	return nil
}

func (e *editor[A, K, V]) notSet(key K, why error) error {
	if why == nil || errors.Is(why, ErrUnavailable) {
		return why
	}
	return fmt.Errorf("memoize: %s was not set for key %s: %w", e.core.name, e.core.show(key), why)
}

// releaseElsewhere drops the key's entry from storages that came into force since
// a value was stored under p: what they hold is older. A fault is reported. The
// caller is the only one who changes what is stored for the key.
func (e *editor[A, K, V]) releaseElsewhere(ctx context.Context, p *plan[A, K, V], key K) {
	for last := p; ; {
		now := e.core.plans.current.Load()
		if now.settings.Storage == last.settings.Storage {
			return
		}
		if e.core.plans.useCurrent(now) {
			_ = e.stores.release(ctx, now, key, observe.ReleaseReplaced)
			e.core.plans.unuse(now)
			last = now
		}
	}
}

// build gives a value that comes from a caller its life: the one given, or the function's.
func (e *editor[A, K, V]) build(ctx context.Context, p *plan[A, K, V], key K, value V, life *entry.Life) (b built[V], err error) {
	err = func() (err error) {
		defer recovering(&err)
		if life != nil {
			return p.buildFor(&b, key, value, e.core.time.Now(), *life)
		}
		return p.build(&b, key, value, e.core.time.Now())
	}()
	if _, ok := err.(*PanicError); ok {
		_ = e.core.panicked(ctx, err)
	}
	if err != nil {
		err = fmt.Errorf("memoize: %s can't store a value for key %s: %w", e.core.name, e.core.show(key), err)
	}
	return b, err
}

// tagsOfSet gives a value that comes from a caller its tags.
func (e *editor[A, K, V]) tagsOfSet(ctx context.Context, p *plan[A, K, V], key K, b *built[V], arg A) (err error) {
	err = safely(func() (err error) {
		b.tags, err = distinctTags(p.settings.Tags(arg, b.value))
		return err
	})
	if _, ok := err.(*PanicError); ok {
		_ = e.core.panicked(ctx, err)
	}
	if err != nil {
		err = fmt.Errorf("memoize: %s can't store a value for key %s: %w", e.core.name, e.core.show(key), err)
	}
	return err
}

// touch gives the stored value a new life.
func (e *editor[A, K, V]) touch(ctx context.Context, arg A) (bool, error) {
	p, key, err := e.changes.prepareToWrite(ctx, arg)
	if err != nil {
		return false, err
	}
	defer e.core.plans.unuse(p)
	if p.bypass || key != key {
		return false, nil
	}
	if e.core.updates.within(key) {
		return false, fmt.Errorf("memoize: %s was not touched for key %s: %w", e.core.name, e.core.show(key), ErrRecursion)
	}
	w, ok, err := e.touchHeld(ctx, p, key)
	if w.named {
		e.evictor.evict(ctx, p, w.victim)
	}
	return ok, err
}

func (e *editor[A, K, V]) touchHeld(outside context.Context, p *plan[A, K, V], key K) (w writeResult[K, V], ok bool, err error) {
	ctx, events := postponed.Hold(outside)
	defer events.Tell()
	if err := e.core.statuses.Hold(ctx, key, false); err != nil {
		return w, false, err
	}
	defer e.core.statuses.Free(key, false)
	var current *entry.Entry[V]
	if p.fenced == nil {
		current, err = e.stores.lookAnyway(ctx, p, key)
	} else {
		current, w.claim, err = e.stores.lookToFill(ctx, p, key)
	}
	if current == nil {
		return w, false, err
	}
	if _, _, state := e.core.time.Decide(&current.Meta); !state.Servable() {
		return w, false, nil
	}
	b, err := e.build(ctx, p, key, current.Value, nil) // for its life alone
	if err != nil {
		return w, false, err
	}
	b.made, b.value, b.created = nil, current.Value, current.Created()
	if e.core.tags.Used() { // it keeps its tags, for those go with the instant of its creation
		e.core.tags.Hold(key)
		defer e.core.tags.Settle(key)
	}
	w.touch, b.stays = true, true
	if err = e.stores.store(ctx, p, key, &b, e.core.time.Now(), &w); w.fault != nil {
		return w, false, notStored(w.fault)
	}
	if !w.kept { // invalidated or set meanwhile, by another process
		return w, false, err
	}
	e.core.backoff.Clear(key)
	return w, true, err
}
