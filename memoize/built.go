package memoize

import (
	"errors"

	"github.com/perennial-go/perennial/entry"
)

// built is a value with its life. It is no entry yet: a storage in memory makes
// that where it keeps it.
type built[V any] struct {
	value                              V
	created, updateAfter, expiresAfter entry.Instant
	made                               *entry.Entry[V] // by a builder that makes entries
}

// build gives a value its life. A panic of the builder is not caught.
func (p *plan[A, K, V]) build(key K, value V, now entry.Instant) (b built[V], err error) {
	if p.span != nil {
		b = built[V]{value: value, created: now}
		b.updateAfter, b.expiresAfter = p.span.Span(key, value, now)
		return b, nil
	}
	e := p.settings.Builder.Build(key, value, now)
	if e == nil {
		return b, errNilEntry
	}
	return built[V]{value: e.Value, created: e.Created(), updateAfter: e.UpdateAfter(), expiresAfter: e.ExpiresAfter(), made: e}, nil
}

var errNilEntry = errors.New("memoize: the builder returned nil: return entry.New(value, now, life)")

// entry is an entry of its own.
func (b *built[V]) entry() *entry.Entry[V] {
	if b.made != nil {
		return b.made
	}
	return entry.Restore(b.value, b.created, b.updateAfter, b.expiresAfter)
}
