package memoize

import (
	"cmp"
	"context"
	"errors"
	"fmt"

	"github.com/perennial-go/perennial/entry"
	"github.com/perennial-go/perennial/observe"
	"github.com/perennial-go/perennial/storage"
)

// keepsTime tells whether a plan's storage keeps to deadlines itself. It can't keep
// to those of a clock that was handed in.
func (s *stores[A, K, V]) keepsTime(p *plan[A, K, V]) bool { return p.prompt && !s.core.time.Handed }

// look gets the key's entry. A storage that fails, is too slow or is in doubt
// reads as empty, unless calls are to fail then. The error is that of the
// caller's own context, or ErrUnavailable.
func (s *stores[A, K, V]) look(ctx context.Context, p *plan[A, K, V], key K) (*entry.Entry[V], error) {
	if p.memory != nil {
		return p.memory.Find(key), nil
	}
	return s.lookGuarded(ctx, p, key)
}

// lookGuarded looks into a storage that is not ours.
func (s *stores[A, K, V]) lookGuarded(ctx context.Context, p *plan[A, K, V], key K) (*entry.Entry[V], error) {
	return s.lookAt(ctx, p, key, false)
}

// lookAnyway is look for one who changes the key: the storage is asked whether it answers
// or not.
func (s *stores[A, K, V]) lookAnyway(ctx context.Context, p *plan[A, K, V], key K) (*entry.Entry[V], error) {
	if p.memory != nil {
		return p.memory.Find(key), nil
	}
	return s.lookAt(ctx, p, key, true)
}

func (s *stores[A, K, V]) lookAt(ctx context.Context, p *plan[A, K, V], key K, must bool) (*entry.Entry[V], error) {
	if !p.local && p.doubt.Has(key) || key != key { // NaN is never stored
		return nil, nil
	}
	stored, err := ask(s, ctx, p, must, key, 1, func(ctx context.Context) (*entry.Entry[V], error) { return p.settings.Storage.Get(ctx, key) })
	if err != nil {
		return nil, s.unread(ctx, p, key, err)
	}
	return p.trusted(stored), nil
}

// lookMany gets the entries of many keys in one round trip, if the storage can.
// The error is that of look, and each key's own: see storage.FaultOf.
func (s *stores[A, K, V]) lookMany(ctx context.Context, p *plan[A, K, V], keys []K) ([]*entry.Entry[V], error) {
	entries := make([]*entry.Entry[V], len(keys))
	if p.reader == nil || len(keys) < 2 {
		for i, key := range keys {
			var err error
			if entries[i], err = s.look(ctx, p, key); err != nil {
				return nil, err
			}
		}
		return entries, nil
	}
	wanted, places := make([]K, 0, len(keys)), make([]int, 0, len(keys))
	for i, key := range keys {
		if !p.doubt.Has(key) && key == key {
			wanted, places = append(wanted, key), append(places, i)
		}
	}
	if len(wanted) == 0 {
		return entries, nil
	}
	found, err := ask(s, ctx, p, false, wanted[0], len(wanted), func(ctx context.Context) ([]*entry.Entry[V], error) {
		found, err := p.reader.GetMany(ctx, wanted)
		if len(found) != len(wanted) {
			return nil, cmp.Or(err, errShort)
		}
		return found, err
	})
	for i, stored := range found { // those that could be read, where others could not
		entries[places[i]] = p.trusted(stored)
	}
	if err == nil {
		return entries, nil
	}
	if ctx.Err() != nil && errors.Is(err, ctx.Err()) {
		return entries, err
	}
	if err != errSpared {
		s.core.storeFaults(ctx, wanted, err)
	}
	var errs []error
	for i, place := range places {
		if err := p.unavailable(s.core.faultOf(err, i)); err != nil {
			errs = append(errs, &storage.ItemError{Item: place, Err: err})
		}
	}
	return entries, errors.Join(errs...)
}

// ask reads from a storage that is not ours, within its budget, for so many keys, the first
// of which is given. What it returns with an error counts as well, if it comes in time. A
// storage that does not answer is asked if it must be.
func ask[A any, K comparable, V, T any](s *stores[A, K, V], ctx context.Context, p *plan[A, K, V], must bool, key K, n int, op func(ctx context.Context) (T, error)) (answer T, err error) {
	ticket, ok := s.enter(p, must)
	if !ok {
		return answer, errSpared
	}
	here := func(ctx context.Context) (err error) {
		answer, err = op(ctx)
		return err
	}
	switch {
	case p.local:
		err = safely(func() error { return here(ctx) })
	case s.keepsTime(p):
		began := s.core.time.Steady()
		err = s.budget.Within(ctx, p.limits.StoreRead, here)
		s.core.counters.storeReads.add(s.core.time.Steady().Sub(began))
	default:
		began := s.core.time.Steady()
		answer, err = elsewhere(s, ctx, p, op)
		s.core.counters.storeReads.add(s.core.time.Steady().Sub(began))
	}
	s.leave(ctx, p, ticket, key, n, err)
	if err == nil {
		s.core.problemOver(ctx, observe.StoreFault, observe.StoreOK)
	}
	return answer, s.core.hiding(err)
}

// elsewhere asks on a goroutine that can be left.
func elsewhere[A any, K comparable, V, T any](s *stores[A, K, V], ctx context.Context, p *plan[A, K, V], op func(ctx context.Context) (T, error)) (answer T, err error) {
	got := make(chan T, 1) // for it may come when nobody waits any more
	err = s.budget.Run(ctx, p.limits.StoreRead, func(error, bool) {}, func(ctx context.Context) error {
		answer, err := op(ctx)
		got <- answer
		return err
	})
	select {
	case answer = <-got:
	default: // it has panicked, or is too slow
	}
	return answer, err
}

// unread is what a storage that can't be read means to a call: nothing, unless
// the call's own context has ended, or calls are to fail then.
func (s *stores[A, K, V]) unread(ctx context.Context, p *plan[A, K, V], key K, err error) error {
	if ctx.Err() != nil && errors.Is(err, ctx.Err()) {
		return err
	}
	if err != errSpared { // which was told when it began
		s.core.storeFault(ctx, key, err)
	}
	return p.unavailable(err)
}

// unavailable is the error of a call where its key can't be read, if calls are to
// fail then. What can't be read for its own sake is nothing that others wrote.
func (p *plan[A, K, V]) unavailable(err error) error {
	if err == nil || !p.settings.FailOnStoreError || errors.Is(err, storage.ErrUnreadable) || errors.Is(err, storage.ErrUnstorable) {
		return nil
	}
	return fmt.Errorf("%w: %w", ErrUnavailable, err)
}

// trusted is an entry that is not in doubt, and no answer that is not known here, or nil.
func (p *plan[A, K, V]) trusted(stored *entry.Entry[V]) *entry.Entry[V] {
	if stored == nil || p.local {
		return stored
	}
	if p.doubt.Reject(stored.Created()) {
		return nil
	}
	if n := stored.Negative(); n != nil {
		return p.known(stored, n)
	}
	return stored
}
