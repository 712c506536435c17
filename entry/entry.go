package entry

import (
	"math"
	"sync/atomic"
	"time"

	"github.com/perennial-go/perennial/internal/module"
)

// Entry is a value and its life. Everything but the marks in its Meta is fixed
// once it is built: entries are shared between goroutines by pointer.
type Entry[V any] struct {
	Meta
	Value V
}

// Fill makes an entry where it stands, for a storage that keeps entries within
// records of its own. Nobody else may have the entry yet.
func (e *Entry[V]) Fill(value V, created, updateAfter, expiresAfter Instant) {
	e.Value = value
	e.init(created, updateAfter, expiresAfter)
}

// New builds the entry of a value that was created at the given instant and
// lives as life says. Use it in a Builder of your own.
func New[V any](value V, created Instant, life Life) *Entry[V] {
	e := &Entry[V]{Value: value}
	e.init(created, created.Add(life.fresh()), created.Add(life.ExpireAfter))
	return e
}

// Restore builds an entry from instants that were kept elsewhere, as a store
// that decodes entries does.
func Restore[V any](value V, created, updateAfter, expiresAfter Instant) *Entry[V] {
	e := &Entry[V]{Value: value}
	e.init(created, updateAfter, expiresAfter)
	return e
}

// StateAt is the one decision of a cache: what this entry is worth at now.
// A nil entry is Missing. Expiry is looked at first, so an entry whose
// update-after lies beyond its expires-after is never stale.
func (e *Entry[V]) StateAt(now Instant) State {
	if e == nil {
		return Missing
	}
	return e.Meta.StateAt(now)
}

// Meta is the part of an entry that does not depend on the type of its value:
// its instants, and words for those who mark entries.
type Meta struct {
	created, updateAfter, expiresAfter Instant

	noRefreshBefore atomic.Int64
	mark            atomic.Uint32
	place           atomic.Uint32
}

func (m *Meta) init(created, updateAfter, expiresAfter Instant) {
	m.created, m.updateAfter, m.expiresAfter = created, updateAfter, expiresAfter
	m.noRefreshBefore.Store(math.MinInt64)
}

// Created is when the source returned the value.
func (m *Meta) Created() Instant { return m.created }

// UpdateAfter is the instant from which a refresh is due.
func (m *Meta) UpdateAfter() Instant { return m.updateAfter }

// ExpiresAfter is the instant from which the value is not served.
func (m *Meta) ExpiresAfter() Instant { return m.expiresAfter }

// KeepUntil is the instant until which a store holds the entry; from then on
// it hides and drops it. It is expires-after.
func (m *Meta) KeepUntil() Instant { return m.expiresAfter }

// StateAt is the state at now of the entry that this is the Meta of.
func (m *Meta) StateAt(now Instant) State {
	switch {
	case m.expiresAfter <= now:
		return Expired
	case m.updateAfter <= now:
		return Stale
	}
	return Fresh
}

// Age is how long before now the entry was created, never negative.
func (m *Meta) Age(now Instant) time.Duration { return max(0, now.Sub(m.created)) }

// NoRefreshBefore is the instant before which nobody need try to refresh the entry: a
// refresh runs, or one failed a short while ago. It is a hint that spares stale hits
// the way to the registry of updates.
func (m *Meta) NoRefreshBefore(module.Only) Instant { return Instant(m.noRefreshBefore.Load()) }

// DelayRefresh sets what NoRefreshBefore returns.
func (m *Meta) DelayRefresh(_ module.Only, until Instant) { m.noRefreshBefore.Store(int64(until)) }

// Mark is a word for the eviction strategy that the entry is under: what a
// read leaves there costs neither a lock nor a look-up.
func (m *Meta) Mark() *atomic.Uint32 { return &m.mark }

// Place is another word for the strategy: where it keeps account of the entry,
// which spares it a look-up of the key. It is 0 until SetPlace.
func (m *Meta) Place() uint32 { return m.place.Load() }

// SetPlace sets what Place returns.
func (m *Meta) SetPlace(place uint32) { m.place.Store(place) }
