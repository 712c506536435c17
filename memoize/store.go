package memoize

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"

	"github.com/perennial-go/perennial/entry"
	"github.com/perennial-go/perennial/internal/storebudget"
	"github.com/perennial-go/perennial/internal/sweeptimer"
	"github.com/perennial-go/perennial/observe"
	"github.com/perennial-go/perennial/storage"
)

// stores reads and writes the storages of a function within their budgets, keeps their
// strategies' account, and reports their faults.
type stores[A any, K comparable, V any] struct {
	core    *core[A, K, V]
	budget  storebudget.Budget
	fills   atomic.Uint64 // of storages that are fenced, accepted or not
	sweeper sweeptimer.Timer
	emptied atomic.Bool // for good, by Close
}

// writeResult is what became of an entry that was to be stored.
type writeResult[K comparable, V any] struct {
	entry  *entry.Entry[V]   // as it is kept, or would have been
	claim  *claim            // that it is stored under, where the storage is fenced
	was    *storage.Claim[V] // of an Update: what it has found, in place of which alone it is stored
	cost   *cost             // of it, where the strategy wants to know
	victim K                 // what the strategy names to be released
	fault  error             // the storage's
	named  bool              // there is a victim
	kept   bool              // the storage has it
	gone   bool              // it had expired when it was built, and took the place of what was there as nothing
	touch  bool              // it is what was there, with another life
	told   bool              // config.OnRelease of the value: it was there, and has gone
	sets   bool              // a caller says that it is true: what is there must not be found any more
}

// store writes what was built and tells the strategy, which may name a key. What
// became of it is put down in w: with neither kept nor a fault, another process
// has superseded it. The error is the strategy's. The caller is the only one who
// changes what is stored for the key.
func (s *stores[A, K, V]) store(ctx context.Context, p *plan[A, K, V], key K, b *built[V], now entry.Instant, w *writeResult[K, V]) (err error) {
	useless := b.useless(now)
	if useless && w.was == nil {
		why := observe.ReleaseReplaced
		switch {
		case w.touch:
			why = observe.ReleaseExpired
		case b.negative != nil: // the source says that it is no more
			why = observe.ReleaseInvalidated
		}
		if p.settings.OnRelease != nil {
			there := p.memory.Find(key)
			w.told = there != nil && samePointer(there.Value, b.value)
		}
		w.entry, w.fault = b.entry(), s.release(ctx, p, key, why)
		w.kept, w.gone = w.fault == nil, true
		return nil
	}
	w.cost = b.cost
	var old *entry.Meta
	defer s.core.updates.mark(key)
	if p.memory != nil {
		var replaced *entry.Entry[V]
		switch {
		case b.negative != nil:
			w.entry, replaced = p.memory.PutCopy(key, b.entry())
		case b.stays && p.settings.OnRelease != nil:
			w.entry, replaced = p.memory.PutOver(key, b.value, b.created, b.updateAfter, b.expiresAfter, b.keep)
			if replaced == nil { // the storage was emptied meanwhile: the value has left, which was told
				return nil
			}
		default:
			w.entry, replaced = p.memory.Put(key, b.value, b.created, b.updateAfter, b.expiresAfter, b.keep)
		}
		if replaced != nil {
			old = &replaced.Meta
		}
		if p.settings.OnRelease != nil {
			if replaced != nil {
				s.replaced(ctx, p, key, replaced, b)
			}
			s.withdraw(ctx, p, key)
		}
	} else if s.offer(ctx, p, key, b, w); w.fault != nil || !w.kept || useless {
		w.gone = w.kept && useless
		return nil
	}
	w.kept = true
	if w.cost != nil {
		return s.accountWeighed(ctx, p, key, w, old)
	}
	return s.account(ctx, p, key, w, old)
}

// offer writes to a storage that is not ours, under the claim if there is one.
func (s *stores[A, K, V]) offer(ctx context.Context, p *plan[A, K, V], key K, b *built[V], w *writeResult[K, V]) {
	w.entry = b.entry()
	if w.was != nil {
		w.kept, w.fault = s.swap(ctx, p, key, w.was, w.entry)
		return
	}
	if w.claim == nil {
		must := w.sets || w.touch
		s.dropDoubtful(ctx, p, must, key)
		offered := w.entry // s may be a load's, which is over before the storage comes back
		w.fault = s.write(ctx, p, change{must: must, brings: true, fences: w.sets}, func(ctx context.Context) error { return p.settings.Storage.Offer(ctx, key, offered) }, key)
		w.kept = w.fault == nil
		return
	}
	w.claim.filled = s.fills.Add(1)
	kept, err := s.fill(ctx, p, w.sets || w.touch, storage.Fill[K, V]{Key: key, Entry: w.entry, Token: w.claim.token, Touch: w.touch})
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
func (s *stores[A, K, V]) dropDoubtful(ctx context.Context, p *plan[A, K, V], must bool, keys ...K) {
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
		_ = s.write(ctx, p, change{must: must}, func(ctx context.Context) error { return p.bulk.ReleaseMany(ctx, doubtful) }, doubtful...)
	default:
		for _, key := range doubtful {
			_ = s.write(ctx, p, change{must: must}, func(ctx context.Context) error { return p.settings.Storage.Release(ctx, key) }, key)
		}
	}
}

// release drops the key's entry from a plan's storage and tells its strategy, and who
// wants to know why. The caller is the only one who changes what is stored for the key.
func (s *stores[A, K, V]) release(ctx context.Context, p *plan[A, K, V], key K, why observe.ReleaseCause) error {
	defer s.core.updates.mark(key)
	var old *entry.Meta
	if p.memory != nil {
		if taken := p.memory.Take(key); taken != nil {
			old = &taken.Meta
			if p.settings.OnRelease != nil {
				s.left(ctx, p, key, taken, why)
			}
		}
	} else if err := s.drop(ctx, p, key); err != nil {
		return err
	}
	if account := s.accountOf(p); account != nil {
		if err := account.released(key, old); err != nil {
			return s.core.panicked(ctx, err)
		}
	}
	return nil
}

// drop releases from a storage that is not ours.
func (s *stores[A, K, V]) drop(ctx context.Context, p *plan[A, K, V], key K) error {
	return s.write(ctx, p, change{must: true, fences: true}, func(ctx context.Context) error { return p.settings.Storage.Release(ctx, key) }, key)
}
