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

// FillFrom makes a copy of another entry where it stands, as Fill does.
func (e *Entry[V]) FillFrom(from *Entry[V]) {
	e.Fill(from.Value, from.created, from.updateAfter, from.expiresAfter)
	if r := from.rest.Load(); r != nil {
		e.rest.Store(&rest{math.MinInt64, r.keep, r.negative})
	}
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

	rest  atomic.Pointer[rest] // nil for most
	mark  atomic.Uint32
	place atomic.Uint32
}

// rest is what few entries have. It does not change: another takes its place.
type rest struct {
	noRefreshBefore Instant
	keep            *Keep
	negative        *Negative
}

func (m *Meta) init(created, updateAfter, expiresAfter Instant) {
	m.created, m.updateAfter, m.expiresAfter = created, updateAfter, expiresAfter
}

// Created is when the source returned the value.
func (m *Meta) Created() Instant { return m.created }

// UpdateAfter is the instant from which a refresh is due.
func (m *Meta) UpdateAfter() Instant { return m.updateAfter }

// ExpiresAfter is the instant from which the value is not served.
func (m *Meta) ExpiresAfter() Instant { return m.expiresAfter }

// KeepUntil is the instant until which a store holds the entry; from then on
// it hides and drops it. It is expires-after, or later: see Keep and Negative.
func (m *Meta) KeepUntil() Instant {
	switch r := m.rest.Load(); {
	case r == nil:
		return m.expiresAfter
	case r.negative != nil:
		return r.negative.ExpiresAfter
	default:
		return m.expiresAfter.Add(r.keep.For())
	}
}

// StateAt is the state at now of the entry that this is the Meta of.
func (m *Meta) StateAt(now Instant) State { return stateAt(m.updateAfter, m.expiresAfter, now) }

func stateAt(updateAfter, expiresAfter, now Instant) State {
	switch {
	case expiresAfter <= now:
		return Expired
	case updateAfter <= now:
		return Stale
	}
	return Fresh
}

// Age is how long before now the entry was created, never negative.
func (m *Meta) Age(now Instant) time.Duration { return max(0, now.Sub(m.created)) }

// NoRefreshBefore is the instant before which nobody need try to refresh the entry: a
// refresh runs, or one failed a short while ago. It is a hint that spares stale hits
// the way to the registry of updates.
func (m *Meta) NoRefreshBefore(module.Only) Instant {
	if r := m.rest.Load(); r != nil {
		return r.noRefreshBefore
	}
	return math.MinInt64
}

// DelayRefresh sets what NoRefreshBefore returns.
func (m *Meta) DelayRefresh(_ module.Only, until Instant) {
	var keep *Keep
	var negative *Negative
	if r := m.rest.Load(); r != nil {
		keep, negative = r.keep, r.negative
	}
	switch {
	case negative != nil || until != Never && until > m.updateAfter:
		m.rest.Store(&rest{until, keep, negative})
	case until == Never:
		m.rest.Store(keep.refreshing())
	default: // it is due by then
		m.rest.Store(keep.resting())
	}
}

// Mark is a word for the eviction strategy that the entry is under: what a
// read leaves there costs neither a lock nor a look-up.
func (m *Meta) Mark() *atomic.Uint32 { return &m.mark }

// Place is another word for the strategy: where it keeps account of the entry,
// which spares it a look-up of the key. It is 0 until SetPlace.
func (m *Meta) Place() uint32 { return m.place.Load() }

// SetPlace sets what Place returns.
func (m *Meta) SetPlace(place uint32) { m.place.Store(place) }
