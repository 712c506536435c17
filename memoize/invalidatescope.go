package memoize

import (
	"context"
	"errors"
	"fmt"

	"github.com/perennial-go/perennial/internal/module"
	"github.com/perennial-go/perennial/storage"
)

// InvalidateScope makes a function of NewScoped forget every value of one scope, as
// Invalidate does for one key, and of no other. Over a store it takes the time to look at
// all the keys that the store holds, once or twice.
//
// It returns ErrUnsupported if the function has no scopes, or its storage can neither list
// its entries in memory nor clear a scope, as a config.Store over a storage.ListerBytes
// can. The other errors are those of InvalidateAll: after one over a store, this process
// trusts nothing that the store holds of before, of any scope.
func (f *Func[A, V]) InvalidateScope(ctx context.Context, scope string) error {
	return f.verbs.invalidateScope(ctx, scope)
}

func (e *engine[A, K, V]) invalidateScope(ctx context.Context, scope string) error {
	p, err := e.snapshotToInvalidate()
	if err != nil {
		return err
	}
	var none K
	if _, scoped := any(none).(module.Scoped); !scoped {
		return fmt.Errorf("%w: InvalidateScope needs memoize.NewScoped, and the keys of %s are of type %T", ErrUnsupported, e.name, none)
	}
	in := func(key K) bool { return any(key).(module.Scoped).InScope(module.Only{}) == scope }
	if p.local {
		_, err := e.invalidateWhere(ctx, in)
		return err
	}
	var errs []error
	for _, p := range e.plans.useAll(nil) {
		err := e.emptyScope(ctx, p, scope, in)
		if err != nil && !errors.Is(err, ErrUnsupported) {
			e.distrust(p)
		}
		errs = append(errs, err)
		e.plans.unuse(p)
	}
	return brief(errors.Join(errs...))
}

// emptyScope is empty for one scope. What is in doubt stays so: another scope may be.
func (e *engine[A, K, V]) emptyScope(ctx context.Context, p *plan[A, K, V], scope string, in func(key K) bool) error {
	c, can := p.clearer.(storage.ScopeClearer)
	if !can {
		return fmt.Errorf("%w: InvalidateScope needs a storage.ScopeClearer or a storage.Local that is a storage.Ranger, and %s has a %T", ErrUnsupported, e.name, p.settings.Storage)
	}
	e.clearing.Add(1)
	defer e.clearing.Add(-1)
	for key := range e.statuses.Keys() { // what looked at the store before it was marked
		if !in(key) {
			continue
		}
		if err := e.statuses.Hold(ctx, key, true); err != nil {
			return err
		}
		e.statuses.Free(key, true)
	}
	p.doubt.Clearing(e.time.Steady())
	if err := e.stores.budget.Run(ctx, p.timeout, func(error, bool) {}, func(ctx context.Context) error { return c.ClearScope(ctx, scope) }); errors.Is(err, errors.ErrUnsupported) {
		return fmt.Errorf("%w: %w", ErrUnsupported, err)
	} else if err != nil {
		e.storageFault(ctx, "", err)
		return fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	return nil
}
