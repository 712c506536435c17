package memoize

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"
	"unsafe"

	"github.com/perennial-go/perennial/entry"
	"github.com/perennial-go/perennial/eviction"
	"github.com/perennial-go/perennial/internal/doubts"
	"github.com/perennial-go/perennial/internal/postponed"
	"github.com/perennial-go/perennial/internal/tagindex"
	"github.com/perennial-go/perennial/storage/snapshot"
)

func (s *snapshots[A, K, V]) restore(ctx context.Context, r io.Reader, opts []SnapshotOption) (int, error) {
	return s.restoreBy(ctx, opts, func(f snapshot.Format[K, V], each func(K, *entry.Entry[V]) bool) (int, error) {
		return f.Read(ctx, r, each)
	})
}

func (s *snapshots[A, K, V]) restoreFile(ctx context.Context, path string, opts []SnapshotOption) (int, error) {
	return s.restoreBy(ctx, opts, func(f snapshot.Format[K, V], each func(K, *entry.Entry[V]) bool) (int, error) {
		return f.ReadFile(ctx, path, each)
	})
}

// restoreBy reads as many entries as the strategy keeps, and stores them
// backwards, so that to the strategy the newest were written last.
func (s *snapshots[A, K, V]) restoreBy(ctx context.Context, opts []SnapshotOption, read func(snapshot.Format[K, V], func(K, *entry.Entry[V]) bool) (int, error)) (n int, err error) {
	format, err := s.format(opts)
	if err != nil {
		return 0, err
	}
	p, err := s.planToRestore()
	if err != nil {
		return 0, err
	}
	defer s.core.plans.unuse(p)
	if !p.sweeps {
		return 0, notInMemory("Restore", s.core.name, p)
	}
	gone := &invalidatedMeanwhile[K]{keys: map[K]struct{}{}, invalidate: s.invalidate}
	defer s.core.plans.unuse(s.listen(p, gone))
	began := uint64(tagindex.Always)
	if p.settings.Tags != nil {
		began = s.core.tags.Begin()
		defer s.core.tags.End(began)
	}

	entries, err := s.readAll(p, &format, func(each func(K, *entry.Entry[V]) bool) error {
		_, err := read(format, each)
		return err
	})
	for _, x := range slices.Backward(entries) { // none, if the context ended while they were read
		stored, failed := s.restoreOne(ctx, p, gone, x, began)
		if stored {
			n++
		}
		if failed != nil {
			if !errors.Is(err, failed) {
				err = errors.Join(err, failed)
			}
			break
		}
	}
	if err != nil {
		return n, fmt.Errorf("memoize: %s has %d entries restored: %w", s.core.name, n, err)
	}
	return n, nil
}

// planToRestore is the plan in force, in use until unuse.
func (s *snapshots[A, K, V]) planToRestore() (*plan[A, K, V], error) {
	for {
		if p, err := s.changes.snapshot(); err != nil || s.core.plans.useCurrent(p) {
			return p, err
		}
	}
}

// readAll collects what may be served, as much as the strategy keeps. With an
// error, that of user code that panics too, it is what was read before. An entry whose
// tags nobody knows is left out, for nobody could invalidate it by them.
func (s *snapshots[A, K, V]) readAll(p *plan[A, K, V], format *snapshot.Format[K, V], read func(func(K, *entry.Entry[V]) bool) error) (entries []saved[K, V], err error) {
	var tags []string
	var untagged error
	if p.settings.Tags != nil {
		format.Tagged = func(key K, x *entry.Entry[V], given []string, known bool) {
			if known {
				tags, untagged = distinctTags(given)
			} else {
				tags, untagged = p.tagsAgain(key, x.Value)
			}
		}
	}
	leftOut := 0
	var first error
	err = safely(func() error {
		most := -1
		if b, ok := p.settings.Eviction.(eviction.Bounded); ok {
			if most = b.Capacity(); most <= 0 {
				return nil
			}
		}
		return read(func(key K, x *entry.Entry[V]) bool {
			if untagged != nil {
				leftOut++
				first = cmp.Or(first, untagged)
				return true
			}
			bad := s.core.dynamicKeys && checkKey(key, s.core.identityKeys) != nil // then it may not be compared
			if !bad && key == key && savable(x, s.core.time.Now()) {
				entries = append(entries, saved[K, V]{key: key, entry: x, tags: tags})
			}
			return len(entries) != most
		})
	})
	if leftOut > 0 {
		err = errors.Join(err, fmt.Errorf("%w: %d, the first because: %w", snapshot.ErrPartial, leftOut, first))
	}
	return entries, err
}

// tagsAgain asks for the tags of what was saved without them. Where keys are made of
// arguments, the argument is not known.
func (p *plan[A, K, V]) tagsAgain(key K, value V) (tags []string, err error) {
	if !p.identity {
		return nil, errUntagged
	}
	err = safely(func() (err error) {
		tags, err = distinctTags(p.settings.Tags(*(*A)(unsafe.Pointer(&key)), value)) // K is A: identity says so
		return err
	})
	return tags, err
}

var errUntagged = errors.New("memoize: the snapshot was saved without tags, and its keys don't tell the arguments that config.Tags needs: save again")

func (s *snapshots[A, K, V]) restoreOne(ctx context.Context, p *plan[A, K, V], gone *invalidatedMeanwhile[K], x saved[K, V], began uint64) (bool, error) {
	held, events := postponed.Hold(ctx)
	w, err := s.restoreHeld(held, p, gone, x, began)
	events.Tell()
	s.stores.neverStored(ctx, p, x.key, x.entry.Value, &w)
	if w.named {
		s.evictor.evict(ctx, p, w.victim)
	}
	return w.kept, err
}

func (s *snapshots[A, K, V]) restoreHeld(ctx context.Context, p *plan[A, K, V], gone *invalidatedMeanwhile[K], x saved[K, V], began uint64) (w writeResult[K, V], err error) {
	if err := s.core.statuses.Hold(ctx, x.key, false); err != nil {
		return w, err
	}
	defer s.core.statuses.Free(x.key, false)
	if err := ctx.Err(); err != nil {
		return w, err
	}
	if s.core.plans.current.Load().off == ErrClosed {
		return w, ErrClosed
	}
	if !gone.mayReturn(x.key) {
		return w, nil
	}
	current, err := s.stores.look(ctx, p, x.key)
	now := s.core.time.Now()
	if err != nil || current != nil && current.Created() >= x.entry.Created() || !savable(x.entry, now) {
		return w, err
	}
	b := built[V]{value: x.entry.Value, created: x.entry.Created(), updateAfter: x.entry.UpdateAfter(), expiresAfter: x.entry.ExpiresAfter(), made: x.entry, keep: x.entry.Keep()}
	if b.cost, err = p.weighSafely(x.key, x.entry.Value); err != nil {
		_ = s.core.panicked(ctx, err)
		return w, nil
	}
	if b.tags = x.tags; len(b.tags) > 0 {
		if !s.core.enterTags(p, x.key, &b, began) {
			return w, nil
		}
		defer s.core.tags.Settle(x.key)
	}
	if err = s.stores.store(ctx, p, x.key, &b, now, &w); w.fault != nil {
		return w, notStored(w.fault)
	}
	return w, err
}

// invalidatedMeanwhile is what was invalidated since a restore began, which must not
// come back. Invalidations reach the storage of every plan in use, so that is what it
// poses as:
//
//	Restore      begins ............... reads k ─ may not store it
//	Invalidate(k)        releases k here too
//
// Both hold the key, so either the restore sees that it is released, or the
// invalidation releases what the restore has stored.
type invalidatedMeanwhile[K comparable] struct {
	invalidate func(ctx context.Context, key K) error

	mu       sync.Mutex
	keys     map[K]struct{}
	matches  []func(key K) bool // of InvalidateWhere
	all      bool
	returned []K // what was allowed to return
}

// mayReturn tells whether a key may be restored. The caller holds the key.
func (w *invalidatedMeanwhile[K]) mayReturn(key K) bool {
	w.mu.Lock()
	matches := w.matches
	w.mu.Unlock()
	for _, match := range matches { // user code; who adds another now finds the key held
		if match(key) {
			return false
		}
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if _, released := w.keys[key]; released || w.all {
		return false
	}
	w.returned = append(w.returned, key)
	return true
}

// releaseWhere lets no key return that matches.
func (w *invalidatedMeanwhile[K]) releaseWhere(match func(key K) bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.matches = append(w.matches[:len(w.matches):len(w.matches)], match)
}

func (w *invalidatedMeanwhile[K]) release(key K) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.keys[key] = struct{}{}
}

// clear lets nothing return any more. What has may have come to the storage
// behind the back of who empties it, so that is invalidated once more.
func (w *invalidatedMeanwhile[K]) clear(ctx context.Context) error {
	w.mu.Lock()
	w.all = true
	returned := slices.Clone(w.returned)
	w.mu.Unlock()
	for _, key := range returned {
		if err := w.invalidate(ctx, key); err != nil {
			return err
		}
	}
	return nil
}

// invalidationListener is invalidatedMeanwhile as a storage, which holds nothing.
type invalidationListener[K comparable, V any] struct{ *invalidatedMeanwhile[K] }

func (invalidationListener[K, V]) Get(context.Context, K) (*entry.Entry[V], error) { return nil, nil }
func (invalidationListener[K, V]) Offer(context.Context, K, *entry.Entry[V]) error { return nil }
func (s invalidationListener[K, V]) Release(_ context.Context, key K) error {
	s.release(key)
	return nil
}
func (s invalidationListener[K, V]) Clear(ctx context.Context) error { return s.clear(ctx) }
func (invalidationListener[K, V]) AnswersAtOnce()                    {}

// listen puts a plan in use, until unuse, by which gone hears of invalidations.
func (s *snapshots[A, K, V]) listen(p *plan[A, K, V], gone *invalidatedMeanwhile[K]) *plan[A, K, V] {
	settings := *p.settings
	settings.Storage, settings.Eviction = invalidationListener[K, V]{gone}, eviction.None[K]()
	l := newPlan(&settings, s.core.dynamicKeys)
	l.doubt = new(doubts.Keys[K])
	s.core.plans.add(l)
	return l
}
