package memoize

import (
	"errors"
	"fmt"
	"time"

	"github.com/perennial-go/perennial/entry"
)

// built is a value with its life. It is no entry yet: a storage in memory makes
// that where it keeps it.
type built[V any] struct {
	value                              V
	created, updateAfter, expiresAfter entry.Instant
	made                               *entry.Entry[V] // by a builder that makes entries
	cost                               *cost           // nil where nobody wants to know
}

// build gives a value its life, and weighs it. A panic of the builder is not
// caught.
func (p *plan[A, K, V]) build(b *built[V], key K, value V, now entry.Instant) (err error) {
	if p.settings.Weigh != nil {
		if b.cost, err = p.weigh(key, value); err != nil {
			return err
		}
	}
	if p.span != nil {
		b.value, b.created = value, now
		b.updateAfter, b.expiresAfter = p.span.Span(key, value, now)
		return nil
	}
	e := p.settings.Builder.Build(key, value, now)
	if e == nil {
		return errNilEntry
	}
	b.value, b.created, b.updateAfter, b.expiresAfter, b.made = e.Value, e.Created(), e.UpdateAfter(), e.ExpiresAfter(), e
	return nil
}

//go:noinline
func (p *plan[A, K, V]) weigh(key K, value V) (*cost, error) {
	weight := p.settings.Weigh(key, value)
	if weight <= 0 {
		return nil, fmt.Errorf("%w: it weighs %d", ErrWeight, weight)
	}
	return &cost{weight: weight}, nil
}

// took notes how long the load took that brought the value.
func (b *built[V]) took(d time.Duration) {
	if b.cost == nil {
		b.cost = new(cost)
	}
	b.cost.took = max(1, d)
}

var errNilEntry = errors.New("memoize: the builder returned nil: return entry.New(value, now, life)")

// entry is an entry of its own.
func (b *built[V]) entry() *entry.Entry[V] {
	if b.made != nil {
		return b.made
	}
	return entry.Restore(b.value, b.created, b.updateAfter, b.expiresAfter)
}
