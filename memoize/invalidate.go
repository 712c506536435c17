package memoize

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/perennial-go/perennial/internal/postponed"
	"github.com/perennial-go/perennial/observe"
	"github.com/perennial-go/perennial/storage"
)

// invalidateKey makes the function forget a key's value for good. The steps, each
// of which some interleaving needs:
//
//	fence    a load that runs never publishes, and nobody joins it any more;
//	         until Free, a new leader does not look at the store again, or it
//	         could pick the old entry up and hand it to calls that begin later
//	wait     until whoever publishes is done, for it is past the fence
//	release  the storages of every plan in use
//	again    on a plan that came into force meanwhile
func (e *engine[A, K, V]) invalidateKey(ctx context.Context, key K) error {
	if e.updates.within(key) {
		return fmt.Errorf("memoize: %s was not invalidated for key %s: %w", e.name, e.show(key), ErrRecursion)
	}
	e.counters.invalidations.Add(1)
	held, events := postponed.Hold(ctx)
	defer events.Tell()
	if err := e.statuses.Hold(ctx, key, true); err != nil {
		return fmt.Errorf("memoize: %s was not invalidated for key %s: %w", e.name, e.show(key), err)
	}
	defer e.statuses.Free(key, true)
	e.backoff.Clear(key)
	var errs []error
	released := map[*plan[A, K, V]]bool{}
	for again := true; again; {
		again = false
		var one [1]*plan[A, K, V]
		for _, p := range e.plans.useAll(one[:0]) {
			if !released[p] {
				released[p], again = true, true
				if err := e.stores.release(held, p, key, observe.ReleaseInvalidated); err != nil {
					errs = append(errs, err)
				}
			}
			e.plans.unuse(p)
		}
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	return nil
}

// invalidateAll invalidates every key for which anything runs, and then every
// key that is stored. A load that runs when it begins is seen by the first, or
// has stored its value by the second; one that begins later is newer. Where it
// fails, what a storage still holds of before is in doubt.
func (e *engine[A, K, V]) invalidateAll(ctx context.Context) error {
	if _, err := e.snapshotToInvalidate(); err != nil {
		return err
	}
	var errs []error
	for key := range e.statuses.Keys() {
		errs = append(errs, e.invalidateKey(ctx, key))
	}
	defer e.tidyAll()
	for _, p := range e.plans.useAll(nil) {
		err := e.empty(ctx, p)
		if err != nil && !errors.Is(err, ErrUnsupported) {
			e.distrust(p)
		}
		errs = append(errs, err)
		e.plans.unuse(p)
	}
	return brief(errors.Join(errs...))
}

// distrust puts everything in doubt that a plan's storage has until now. An entry
// whose life is told by the storage's clock seems to be younger than it is, by as
// long as it took to write it and to read it, and by what the storage rounds times
// up to. So what is stored within the next few moments is in doubt too, and loaded
// once more than it need be.
func (e *engine[A, K, V]) distrust(p *plan[A, K, V]) {
	if !p.local {
		p.doubt.Distrust(e.time.Now().Add(p.limits.StoreWrite + p.limits.StoreRead + time.Second))
	}
}

// empty invalidates whatever a plan's storage holds.
func (e *engine[A, K, V]) empty(ctx context.Context, p *plan[A, K, V]) error {
	if held, ok := p.settings.Storage.(storage.Ranger[K, V]); ok {
		var errs []error
		for key := range held.Range(ctx) {
			errs = append(errs, e.invalidateKey(ctx, key))
		}
		return brief(errors.Join(errs...))
	}
	c := p.clearer
	if c == nil {
		return fmt.Errorf("%w: InvalidateAll needs a storage.Clearer or storage.Ranger, and %s has a %T", ErrUnsupported, e.name, p.settings.Storage)
	}
	e.counters.invalidations.Add(1)
	e.clearing.Add(1)
	defer e.clearing.Add(-1)
	for key := range e.statuses.Keys() { // what looked at the store before it was marked
		if err := e.statuses.Hold(ctx, key, true); err != nil {
			return err
		}
		e.statuses.Free(key, true)
	}
	since := p.doubt.Clearing(e.time.Steady())
	// It may have to look at every key: it takes the time of a load, and not of a
	// write.
	if err := e.stores.budget.Run(ctx, p.timeout, func(error, bool) {}, c.Clear); err != nil {
		e.storageFault(ctx, "", err)
		return fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	p.doubt.Cleared(since, e.time.Steady())
	e.changes.forget(p)
	return nil
}
