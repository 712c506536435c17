package memoize

import (
	"context"
	"sync"
	"time"

	"github.com/perennial-go/perennial/internal/runs"
	"github.com/perennial-go/perennial/observe"
)

// Batch is to a source that takes many keys what Load is to one that takes one. Its
// methods may be called concurrently, until the source returns.
type Batch[K comparable, V any] struct {
	// Cause is why the load runs: see Load.
	Cause observe.Cause

	keys []K

	mu        sync.Mutex
	find      func(i int) findOld[V] // nil once the source has returned
	places    map[K]int              // of the keys, made when it is needed
	unchanged map[int]V              // old values that the source has called so
}

// BatchOf is the load of many keys that the source is asked in, the innermost one if
// loads are nested. ok is false where LoadOf's would be, and in a load of a source that
// takes one key. K is the type of the keys that the source is given.
func BatchOf[K comparable, V any](ctx context.Context) (b *Batch[K, V], ok bool) {
	innermost(ctx, func(r runs.Runner) {
		if asked, is := r.(interface{ batch() any }); is {
			b, ok = asked.batch().(*Batch[K, V])
		}
	})
	return b, ok
}

// Old is the value that is stored for a key that is asked for, and how long ago a
// source returned it: see Load. It looks there as LoadOf does.
func (b *Batch[K, V]) Old(ctx context.Context, key K) (old V, age time.Duration, ok bool) {
	_, old, age, ok = b.look(ctx, key)
	return old, age, ok
}

// Unchanged says that the old value of a key is still true: see Load. The source leaves
// the key out of what it returns. Where there is no old value, or the source has
// returned, the error is ErrNoOld, and the key is without a value if it is left out.
func (b *Batch[K, V]) Unchanged(ctx context.Context, key K) error {
	i, old, _, ok := b.look(ctx, key)
	if !ok {
		return ErrNoOld
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.find == nil { // the source has returned meanwhile
		return ErrNoOld
	}
	if b.unchanged == nil {
		b.unchanged = map[int]V{}
	}
	b.unchanged[i] = old
	return nil
}

func (b *Batch[K, V]) look(ctx context.Context, key K) (i int, old V, age time.Duration, ok bool) {
	i, find := b.place(key)
	if find == nil {
		return i, old, 0, false
	}
	e, age := find(ctx)
	if e == nil {
		return i, old, 0, false
	}
	return i, e.Value, age, true
}

// place is where a key stands among those that are asked for, and what finds its old
// value; nil if it is not one of them, or the source has returned.
func (b *Batch[K, V]) place(key K) (int, findOld[V]) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.places == nil {
		b.places = make(map[K]int, len(b.keys))
		for i, key := range b.keys {
			b.places[key] = i
		}
	}
	i, ok := b.places[key]
	if !ok || b.find == nil {
		return 0, nil
	}
	return i, b.find(i)
}

// end is what the source has called unchanged, by place.
func (b *Batch[K, V]) end() map[int]V {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.find = nil
	return b.unchanged
}

// asked is a Batch whose type of keys the load does not know.
type asked[V any] interface{ end() map[int]V }

func (l *load[A, K, V]) batch() any { return l.asked }
