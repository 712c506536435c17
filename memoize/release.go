package memoize

import (
	"context"
	"reflect"

	"github.com/perennial-go/perennial/entry"
	"github.com/perennial-go/perennial/internal/postponed"
	"github.com/perennial-go/perennial/observe"
)

// What config.OnRelease is told. The table hands each entry that it replaces or lets go of
// to one caller alone, and that one tells of it. So whoever empties a storage takes entry
// by entry.

// released tells of a value that has left, or never came: at once, or when nothing is held
// any more. p.settings.OnRelease is not nil.
func (s *stores[A, K, V]) released(ctx context.Context, p *plan[A, K, V], key K, value V, why observe.ReleaseCause) {
	tell := func() {
		err := safely(func() error {
			p.settings.OnRelease(key, value, why)
			return nil
		})
		if err != nil {
			_ = s.core.panicked(ctx, err)
		}
	}
	if events := postponed.In(ctx); events != nil && events.Add(tell) {
		return
	}
	tell()
}

// left tells of an entry that has left. One that has an answer has no value.
func (s *stores[A, K, V]) left(ctx context.Context, p *plan[A, K, V], key K, gone *entry.Entry[V], why observe.ReleaseCause) {
	if gone.Negative() == nil {
		s.released(ctx, p, key, gone.Value, why)
	}
}

// replaced tells of an entry whose place what was built has taken, unless its value stays.
func (s *stores[A, K, V]) replaced(ctx context.Context, p *plan[A, K, V], key K, old *entry.Entry[V], b *built[V]) {
	if !b.stays && !samePointer(old.Value, b.value) {
		s.left(ctx, p, key, old, observe.ReleaseReplaced)
	}
}

// samePointer tells whether two values are one pointer: then the old one has not left.
func samePointer[V any](old, value V) bool {
	t := reflect.TypeOf(any(old))
	return t != nil && t.Kind() == reflect.Pointer && any(old) == any(value)
}

// withdraw takes back what was just stored, if nobody will see to it: the storage is out of
// force and was emptied, or the function is closed and was. Whoever empties it does so after
// that has come to pass, and this looks after it has stored:
//
//	load     stores ─ looks: still in force
//	change                                   another in force ─ empties
//
// so one of them finds the entry.
func (s *stores[A, K, V]) withdraw(ctx context.Context, p *plan[A, K, V], key K) {
	why := observe.ReleaseCleared
	if s.emptied.Load() {
		why = observe.ReleaseClosed
	} else if s.core.plans.current.Load().sameStorage(p) {
		return
	}
	if taken := p.memory.Take(key); taken != nil {
		s.left(ctx, p, key, taken, why)
	}
}

// neverStored tells of a value that was brought and is not stored, if somebody wants to
// know. A pointer that is stored already stays.
func (s *stores[A, K, V]) neverStored(ctx context.Context, p *plan[A, K, V], key K, value V, w *writeResult[K, V]) {
	if p.settings.OnRelease == nil || p.memory == nil || w.kept && !w.gone || w.told {
		return
	}
	if stored := p.memory.Find(key); stored == nil || !samePointer(stored.Value, value) {
		s.released(ctx, p, key, value, observe.ReleaseNeverStored)
	}
}

// emptyMemory takes everything out of a plan's storage, and tells of it.
func (s *stores[A, K, V]) emptyMemory(p *plan[A, K, V], why observe.ReleaseCause) {
	if p.memory == nil { // its parts are put in place later
		return
	}
	ctx, events := postponed.Hold(s.core.life)
	defer events.Tell() // of all, also where one that is told ends its goroutine
	for key := range p.memory.Range(ctx) {
		if taken := p.memory.Take(key); taken != nil {
			s.left(ctx, p, key, taken, why)
		}
	}
}

// emptyForGood empties the storage in memory of a function that is closed, if somebody
// wants to know what was in it.
func (e *engine[A, K, V]) emptyForGood() {
	if p := e.plans.current.Load(); p.settings.OnRelease != nil {
		e.stores.emptied.Store(true) // before, for those who still store: see withdraw
		e.stores.emptyMemory(p, observe.ReleaseClosed)
	}
}
