package memoize

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"

	"github.com/perennial-go/perennial/entry"
	"github.com/perennial-go/perennial/eviction"
	"github.com/perennial-go/perennial/storage/snapshot"
)

func (e *engine[A, K, V]) restore(ctx context.Context, r io.Reader, opts []SnapshotOption) (int, error) {
	return e.restoreBy(ctx, opts, func(s snapshot.Format[K, V], each func(K, *entry.Entry[V]) bool) (int, error) {
		return s.Read(ctx, r, each)
	})
}

func (e *engine[A, K, V]) restoreFile(ctx context.Context, path string, opts []SnapshotOption) (int, error) {
	return e.restoreBy(ctx, opts, func(s snapshot.Format[K, V], each func(K, *entry.Entry[V]) bool) (int, error) {
		return s.ReadFile(ctx, path, each)
	})
}

// restoreBy reads as many entries as the strategy keeps, and stores them
// backwards, so that to the strategy those that are worth most were written last.
func (e *engine[A, K, V]) restoreBy(ctx context.Context, opts []SnapshotOption, read func(snapshot.Format[K, V], func(K, *entry.Entry[V]) bool) (int, error)) (n int, err error) {
	s, err := e.snapshotOf(opts)
	if err != nil {
		return 0, err
	}
	p, err := e.planToRestore()
	if err != nil {
		return 0, err
	}
	defer e.unuse(p)
	if !p.sweeps {
		return 0, e.notInMemory("Restore", p)
	}
	w := &withdrawn[K]{keys: map[K]struct{}{}, invalidate: e.invalidateKey}
	defer e.unuse(e.listen(p, w))

	entries, err := e.readAll(p, func(each func(K, *entry.Entry[V]) bool) error {
		_, err := read(s, each)
		return err
	})
	for _, x := range slices.Backward(entries) { // none, if the context ended while they were read
		stored, failed := e.restoreOne(ctx, p, w, x)
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
		return n, fmt.Errorf("memoize: %s has %d entries restored: %w", e.name, n, err)
	}
	return n, nil
}

// planToRestore is the plan in force, in use until unuse.
func (e *engine[A, K, V]) planToRestore() (*plan[A, K, V], error) {
	for {
		if p, err := e.snapshot(); err != nil || e.use(p) {
			return p, err
		}
	}
}

// readAll collects what may be served, as much as the strategy keeps. With an
// error, that of user code that panics too, it is what was read before.
func (e *engine[A, K, V]) readAll(p *plan[A, K, V], read func(func(K, *entry.Entry[V]) bool) error) (entries []saved[K, V], err error) {
	err = safely(func() error {
		most := -1
		if b, ok := p.settings.Eviction.(eviction.Bounded); ok {
			if most = b.Capacity(); most <= 0 {
				return nil
			}
		}
		return read(func(key K, x *entry.Entry[V]) bool {
			bad := e.dynamicKeys && checkKey(key, e.identityKeys) != nil // then it may not be compared
			if !bad && key == key && x.StateAt(e.time.now()) != entry.Expired {
				entries = append(entries, saved[K, V]{key: key, entry: x})
			}
			return len(entries) != most
		})
	})
	return entries, err
}

func (e *engine[A, K, V]) restoreOne(ctx context.Context, p *plan[A, K, V], w *withdrawn[K], x saved[K, V]) (bool, error) {
	held, events := hold(ctx)
	s, err := e.restoreHeld(held, p, w, x)
	events.tell()
	if s.named {
		e.evict(ctx, p, s.victim)
	}
	return s.kept, err
}

func (e *engine[A, K, V]) restoreHeld(ctx context.Context, p *plan[A, K, V], w *withdrawn[K], x saved[K, V]) (s stored[K, V], err error) {
	if err := e.statuses.Hold(ctx, x.key, false); err != nil {
		return s, err
	}
	defer e.statuses.Free(x.key, false)
	if err := ctx.Err(); err != nil {
		return s, err
	}
	if e.plan.Load().off == ErrClosed {
		return s, ErrClosed
	}
	if !w.mayReturn(x.key) {
		return s, nil
	}
	current, err := e.look(ctx, p, x.key)
	now := e.time.now()
	if err != nil || current != nil && current.Created() >= x.entry.Created() || x.entry.StateAt(now) == entry.Expired {
		return s, err
	}
	b := built[V]{value: x.entry.Value, created: x.entry.Created(), updateAfter: x.entry.UpdateAfter(), expiresAfter: x.entry.ExpiresAfter(), made: x.entry}
	if b.cost, err = p.weighSafely(x.key, x.entry.Value); err != nil {
		_ = e.panicked(ctx, err)
		return s, nil
	}
	if err = e.store(ctx, p, x.key, &b, now, &s); s.fault != nil {
		return s, notStored(s.fault)
	}
	return s, err
}

// withdrawn is what was invalidated since a restore began, which must not come
// back. Invalidations reach the storage of every plan in use, so that is what it
// poses as:
//
//	Restore      begins ............... reads k ─ may not store it
//	Invalidate(k)        releases k here too
//
// Both hold the key, so either the restore sees that it is released, or the
// invalidation releases what the restore has stored.
type withdrawn[K comparable] struct {
	invalidate func(ctx context.Context, key K) error

	mu       sync.Mutex
	keys     map[K]struct{}
	all      bool
	returned []K // what was allowed to return
}

// mayReturn tells whether a key may be restored. The caller holds the key.
func (w *withdrawn[K]) mayReturn(key K) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if _, released := w.keys[key]; released || w.all {
		return false
	}
	w.returned = append(w.returned, key)
	return true
}

func (w *withdrawn[K]) release(key K) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.keys[key] = struct{}{}
}

// clear lets nothing return any more. What has may have come to the storage
// behind the back of who empties it, so that is invalidated once more.
func (w *withdrawn[K]) clear(ctx context.Context) error {
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

// ear is withdrawn as a storage, which holds nothing.
type ear[K comparable, V any] struct{ *withdrawn[K] }

func (ear[K, V]) Get(context.Context, K) (*entry.Entry[V], error) { return nil, nil }
func (ear[K, V]) Offer(context.Context, K, *entry.Entry[V]) error { return nil }
func (s ear[K, V]) Release(_ context.Context, key K) error        { s.release(key); return nil }
func (s ear[K, V]) Clear(ctx context.Context) error               { return s.clear(ctx) }
func (ear[K, V]) AnswersAtOnce()                                  {}

// listen puts a plan in use, until unuse, whose storage is w.
func (e *engine[A, K, V]) listen(p *plan[A, K, V], w *withdrawn[K]) *plan[A, K, V] {
	settings := *p.settings
	settings.Storage, settings.Eviction = ear[K, V]{w}, eviction.None[K]()
	l := newPlan(&settings, e.dynamicKeys)
	l.doubt = new(doubts[K])
	l.uses = 1
	l.retired.Store(true)
	e.mu.Lock()
	defer e.mu.Unlock()
	e.retired = append(e.retired, l)
	return l
}
