package memoize

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"sync/atomic"

	"github.com/perennial-go/perennial/entry"
	"github.com/perennial-go/perennial/eviction"
	"github.com/perennial-go/perennial/internal/doubts"
	"github.com/perennial-go/perennial/internal/storebudget"
	"github.com/perennial-go/perennial/internal/sweeptimer"
	"github.com/perennial-go/perennial/observe"
	"github.com/perennial-go/perennial/storage"
)

// stores reads and writes the storages of a function within their budgets, keeps their
// strategies' account, and reports their faults.
type stores[A any, K comparable, V any] struct {
	*core[A, K, V]
	budget  storebudget.Budget
	fills   atomic.Uint64 // of storages that are fenced, accepted or not
	sweeper sweeptimer.Timer
}

// keepsTime tells whether a plan's storage keeps to deadlines itself. It can't keep
// to those of a clock that was handed in.
func (s *stores[A, K, V]) keepsTime(p *plan[A, K, V]) bool { return p.prompt && !s.time.Handed }

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
	if !p.local && p.doubt.Has(key) || key != key { // NaN is never stored
		return nil, nil
	}
	stored, err := ask(s, ctx, p, func(ctx context.Context) (*entry.Entry[V], error) { return p.settings.Storage.Get(ctx, key) })
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
	found, err := ask(s, ctx, p, func(ctx context.Context) ([]*entry.Entry[V], error) {
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
	s.storeFaults(ctx, wanted, err)
	var errs []error
	for i, place := range places {
		if err := p.unavailable(s.faultOf(err, i)); err != nil {
			errs = append(errs, &storage.ItemError{Item: place, Err: err})
		}
	}
	return entries, errors.Join(errs...)
}

// ask reads from a storage that is not ours, within its budget. What it returns
// with an error counts as well, if it comes in time.
func ask[A any, K comparable, V, T any](s *stores[A, K, V], ctx context.Context, p *plan[A, K, V], op func(ctx context.Context) (T, error)) (answer T, err error) {
	here := func(ctx context.Context) (err error) {
		answer, err = op(ctx)
		return err
	}
	switch {
	case p.local:
		err = safely(func() error { return here(ctx) })
	case s.keepsTime(p):
		err = s.budget.Within(ctx, p.limits.StoreRead, here)
	default:
		answer, err = elsewhere(s, ctx, p, op)
	}
	if err == nil {
		s.problemOver(ctx, observe.StoreFault, observe.StoreOK)
	}
	return answer, s.hiding(err)
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
	s.storeFault(ctx, key, err)
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

// trusted is an entry that is not in doubt, or nil.
func (p *plan[A, K, V]) trusted(stored *entry.Entry[V]) *entry.Entry[V] {
	if stored != nil && !p.local && p.doubt.Reject(stored.Created()) {
		return nil
	}
	return stored
}

// writeResult is what became of an entry that was to be stored.
type writeResult[K comparable, V any] struct {
	entry  *entry.Entry[V] // as it is kept, or would have been
	claim  *claim          // that it is stored under, where the storage is fenced
	cost   *cost           // of it, where the strategy wants to know
	victim K               // what the strategy names to be released
	fault  error           // the storage's
	named  bool            // there is a victim
	kept   bool            // the storage has it
	gone   bool            // it had expired when it was built, and took the place of what was there as nothing
	touch  bool            // it is what was there, with another life
	sets   bool            // a caller says that it is true: what is there must not be found any more
}

// store writes what was built and tells the strategy, which may name a key. What
// became of it is put down in s: with neither kept nor a fault, another process
// has superseded it. The error is the strategy's. The caller is the only one who
// changes what is stored for the key.
func (s *stores[A, K, V]) store(ctx context.Context, p *plan[A, K, V], key K, b *built[V], now entry.Instant, w *writeResult[K, V]) (err error) {
	if b.expiresAfter <= now { // nobody could ever be served it
		w.entry, w.fault = b.entry(), s.release(ctx, p, key)
		w.kept, w.gone = w.fault == nil, true
		return nil
	}
	w.cost = b.cost
	var old *entry.Meta
	if p.memory != nil {
		var replaced *entry.Entry[V]
		if w.entry, replaced = p.memory.Put(key, b.value, b.created, b.updateAfter, b.expiresAfter); replaced != nil {
			old = &replaced.Meta
		}
	} else if s.offer(ctx, p, key, b, w); w.fault != nil || !w.kept {
		return nil
	}
	w.kept = true
	if w.cost != nil {
		return s.accountWeighed(ctx, p, key, w, old)
	}
	return s.account(ctx, p, key, w, old)
}

// account tells the strategy of what was stored.
func (s *stores[A, K, V]) account(ctx context.Context, p *plan[A, K, V], key K, w *writeResult[K, V], old *entry.Meta) (err error) {
	if p.sweeps {
		s.sweeper.Arm(w.entry.ExpiresAfter())
	}
	if account := s.accountOf(p); account != nil {
		if w.victim, w.named, err = account.written(key, &w.entry.Meta, old); err != nil {
			return s.panicked(ctx, err)
		}
	}
	return nil
}

// accountWeighed is account for a strategy that goes by what entries cost. A
// value that weighs too much alone is reported. It stands apart to keep the frames
// of a load small.
//
//go:noinline
func (s *stores[A, K, V]) accountWeighed(ctx context.Context, p *plan[A, K, V], key K, w *writeResult[K, V], old *entry.Meta) (err error) {
	if p.sweeps {
		s.sweeper.Arm(w.entry.ExpiresAfter())
	}
	account := s.accountOf(p)
	if account == nil {
		return nil
	}
	if w.victim, w.named, err = account.weighed(key, &w.entry.Meta, old, w.cost); err != nil {
		return s.panicked(ctx, err)
	}
	if b, ok := account.settings.Eviction.(eviction.Bounded); ok {
		if most := b.Capacity(); 0 < most && most < w.cost.weight {
			s.tooHeavy(ctx, key, w.cost.weight, most)
		}
	}
	return nil
}

// offer writes to a storage that is not ours, under the claim if there is one.
func (s *stores[A, K, V]) offer(ctx context.Context, p *plan[A, K, V], key K, b *built[V], w *writeResult[K, V]) {
	w.entry = b.entry()
	if w.claim == nil {
		s.dropDoubtful(ctx, p, key)
		offered := w.entry // s may be a load's, which is over before the storage comes back
		w.fault = s.write(ctx, p, change{brings: true, fences: w.sets}, func(ctx context.Context) error { return p.settings.Storage.Offer(ctx, key, offered) }, key)
		w.kept = w.fault == nil
		return
	}
	w.claim.filled = s.fills.Add(1)
	kept, err := s.fill(ctx, p, storage.Fill[K, V]{Key: key, Entry: w.entry, Token: w.claim.token, Touch: w.touch})
	w.fault = err
	w.kept = err == nil && kept[0]
}

// notStored is the error of who was to store something: that the storage is not
// available, unless it was not asked.
func notStored(fault error) error {
	if errors.Is(fault, storage.ErrUnstorable) {
		return fault
	}
	return fmt.Errorf("%w: %w", ErrUnavailable, fault)
}

// dropDoubtful drops what is in doubt, before something is offered in its place. A
// storage may decline an offer without a word, and so leave there what is in doubt;
// a release it may not. A fault is reported, and nothing worse: the offer comes all
// the same.
func (s *stores[A, K, V]) dropDoubtful(ctx context.Context, p *plan[A, K, V], keys ...K) {
	if p.local {
		return
	}
	var doubtful []K
	for _, key := range keys {
		if p.doubt.Has(key) {
			doubtful = append(doubtful, key)
		}
	}
	switch {
	case len(doubtful) > 1 && p.bulk != nil:
		_ = s.write(ctx, p, change{}, func(ctx context.Context) error { return p.bulk.ReleaseMany(ctx, doubtful) }, doubtful...)
	default:
		for _, key := range doubtful {
			_ = s.write(ctx, p, change{}, func(ctx context.Context) error { return p.settings.Storage.Release(ctx, key) }, key)
		}
	}
}

// accountOf is the plan whose strategy keeps account of a plan's storage, or
// nil. A load that ends after the configuration has changed may write to a
// storage that another strategy sees to now, or that is out of force while its
// strategy is not.
func (s *stores[A, K, V]) accountOf(p *plan[A, K, V]) *plan[A, K, V] {
	now := s.plans.current.Load()
	switch {
	case now == p:
	case now.sameStorage(p):
		return now
	case now.sameStrategy(p):
		return nil
	}
	return p
}

// release drops the key's entry from a plan's storage and tells its strategy.
// The caller is the only one who changes what is stored for the key.
func (s *stores[A, K, V]) release(ctx context.Context, p *plan[A, K, V], key K) error {
	var old *entry.Meta
	if p.memory != nil {
		if taken := p.memory.Take(key); taken != nil {
			old = &taken.Meta
		}
	} else if err := s.drop(ctx, p, key); err != nil {
		return err
	}
	if account := s.accountOf(p); account != nil {
		if err := account.released(key, old); err != nil {
			return s.panicked(ctx, err)
		}
	}
	return nil
}

// drop releases from a storage that is not ours.
func (s *stores[A, K, V]) drop(ctx context.Context, p *plan[A, K, V], key K) error {
	return s.write(ctx, p, change{fences: true}, func(ctx context.Context) error { return p.settings.Storage.Release(ctx, key) }, key)
}

// change is what a write does to what is stored, as far as doubts go.
type change struct {
	brings  bool             // it stores something, which may arrive late
	fences  bool             // what was stored before must not be found any more
	applied func(i int) bool // whether it has changed what is stored for the i-th key, nil where no error says so
}

// write changes what is stored for keys. A failure is reported, and leaves them
// in doubt, unless the storage was not even asked. Values that wait for their store to come back are not failures, for
// until then the storage itself answers with them; nor do they end a doubt.
func (s *stores[A, K, V]) write(ctx context.Context, p *plan[A, K, V], how change, op func(ctx context.Context) error, keys ...K) error {
	if p.local {
		err := s.hiding(safely(func() error { return op(ctx) }))
		if err != nil {
			s.storeFault(ctx, keys[0], err)
		}
		return err
	}
	began := s.time.Steady() // doubts of what is late are no matter of the wall clock
	writes := make([]doubts.Write, len(keys))
	for i, key := range keys {
		writes[i] = p.doubt.Begin(key, how.fences, began)
	}
	ended := func(err error, left bool) {
		now := s.time.Steady()
		for i, wr := range writes {
			fault, late := storage.FaultOf(err, i), doubts.LongAgo
			if how.brings && !p.ordered && mayArrive(fault) {
				late = now.Add(doubts.Lateness)
			}
			p.doubt.End(wr, fault == nil && !left && (how.applied == nil || how.applied(i)), now, late)
		}
	}
	var err error
	if s.keepsTime(p) {
		err = s.budget.Within(ctx, p.limits.StoreWrite, op)
		ended(err, false)
	} else {
		err = s.budget.Run(ctx, p.limits.StoreWrite, ended, op)
	}
	if how.brings {
		err = notQueued(err, len(keys))
	}
	if err != nil {
		now := s.time.Now()
		for i, wr := range writes {
			if fault := storage.FaultOf(err, i); fault != nil && !errors.Is(fault, storage.ErrUnstorable) {
				p.doubt.Suspect(wr, now)
			}
		}
		err = s.hiding(err)
		s.storeFaults(ctx, keys, err)
		return err
	}
	s.problemOver(ctx, observe.StoreFault, observe.StoreOK)
	return nil
}

// mayArrive tells whether what a write was to store may be under way, though the
// write has come back with this fault.
func mayArrive(fault error) bool {
	return fault != nil && fault != storebudget.ErrBusy && !errors.Is(fault, storage.ErrRefused) && !errors.Is(fault, storage.ErrUnstorable) && !errors.Is(fault, storage.ErrQueued)
}

// notQueued is the error of those of so many keys that do not merely wait for
// their store to come back.
func notQueued(err error, keys int) error {
	if !errors.Is(err, storage.ErrQueued) {
		return err
	}
	var faults []error
	for i := range keys {
		if fault := storage.FaultOf(err, i); fault != nil && !errors.Is(fault, storage.ErrQueued) {
			faults = append(faults, &storage.ItemError{Item: i, Err: fault})
		}
	}
	return errors.Join(faults...)
}
