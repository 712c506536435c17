package memoize

import (
	"context"
	"errors"
	"fmt"
	"reflect"

	"github.com/perennial-go/perennial/storage"
)

// InvalidateWhere makes a function forget every value whose key matches, as Invalidate
// does for one: values that are being loaded too. It returns how many keys it has
// invalidated, of values that were stored or loaded. K is the type of the function's keys:
//
//	n, err := memoize.InvalidateWhere(ctx, lists, func(f Filter) bool { return f.Team == "red" })
//
// which is that of the argument, but for functions of NewKeyed, those of NewScoped, whose
// keys are config.Scoped[A], and those of New2 and New3, of which Args is given.
//
// match is called for every key that is stored or that anything goes on for, and for
// those that a Restore brings meanwhile, with no lock held, possibly more than once and
// concurrently. If it panics, that is the error. It takes the time to look at every entry:
// for what is invalidated often, config.Tags is faster.
//
// The storage has to be one that lists its entries in memory, else the error is
// ErrUnsupported. The others are those of Invalidate; with one some values may still be served.
func InvalidateWhere[K comparable, A, V any](ctx context.Context, f *Func[A, V], match func(key K) bool) (n int, err error) {
	e, ok := f.verbs.(interface {
		invalidateWhere(ctx context.Context, match func(key K) bool) (int, error)
	})
	if !ok {
		return 0, fmt.Errorf("memoize: InvalidateWhere is given a function of %v, and the keys of %s are of type %v", reflect.TypeFor[K](), f.Name(), f.verbs.keyType())
	}
	if match == nil {
		return 0, fmt.Errorf("memoize: InvalidateWhere of %s is given a nil function: use InvalidateAll to invalidate everything", f.Name())
	}
	return e.invalidateWhere(ctx, match)
}

func (e *engine[A, K, V]) keyType() reflect.Type { return reflect.TypeFor[K]() }

// invalidateWhere invalidates the keys for which anything runs, and then those that are
// stored, as invalidateAll does.
func (e *engine[A, K, V]) invalidateWhere(ctx context.Context, match func(key K) bool) (n int, err error) {
	if _, err := e.snapshotToInvalidate(); err != nil {
		return 0, err
	}
	used := e.plans.useAll(nil)
	defer func() {
		for _, p := range used {
			e.plans.unuse(p)
		}
	}()
	var held []storage.Ranger[K, V]
	for _, p := range used {
		switch s := p.settings.Storage.(type) {
		case invalidationListener[K, V]: // a restore
			s.releaseWhere(func(key K) bool {
				return safely(func() error {
					if match(key) {
						return errMatches
					}
					return nil
				}) != nil
			})
		case storage.Ranger[K, V]:
			if !p.local {
				return 0, e.cantList(p)
			}
			held = append(held, s)
		default:
			return 0, e.cantList(p)
		}
	}
	var errs []error
	done := map[K]struct{}{}
	invalidate := func(key K) bool {
		if _, again := done[key]; again || !match(key) {
			return true
		}
		if err := e.invalidateKey(ctx, key); err != nil {
			errs = append(errs, err)
			return ctx.Err() == nil
		}
		n++
		return true
	}
	err = safely(func() error {
		for key := range e.statuses.Keys() {
			before := n
			if !invalidate(key) {
				return nil
			}
			if n > before {
				done[key] = struct{}{}
			}
		}
		for _, s := range held {
			for key := range s.Range(ctx) {
				if !invalidate(key) {
					return nil
				}
			}
		}
		return nil
	})
	if err != nil {
		errs = append(errs, fmt.Errorf("memoize: InvalidateWhere of %s has invalidated %d keys and not all that match: %w", e.name, n, e.panicked(ctx, err)))
	}
	return n, brief(errors.Join(errs...))
}

var errMatches = errors.New("memoize: the key matches")

func (e *engine[A, K, V]) cantList(p *plan[A, K, V]) error {
	return fmt.Errorf("%w: InvalidateWhere needs a storage.Local that is a storage.Ranger, and %s has a %T", ErrUnsupported, e.name, p.settings.Storage)
}
