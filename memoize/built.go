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
	keep                               *entry.Keep     // past expiresAfter
	negative                           *entry.Negative // the answer, in the place of a value
	tags                               []string
	stays                              bool // the value is the one that is there
}

// build gives a value its life, and weighs it. A panic of the builder is not
// caught.
func (p *plan[A, K, V]) build(b *built[V], key K, value V, now entry.Instant) (err error) {
	if p.settings.Weigh != nil {
		if b.cost, err = p.weigh(key, value); err != nil {
			return err
		}
	}
	b.keep = p.keep
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

// buildFor is build for a value whose life is known.
func (p *plan[A, K, V]) buildFor(b *built[V], key K, value V, now entry.Instant, life entry.Life) (err error) {
	if p.settings.Weigh != nil {
		if b.cost, err = p.weigh(key, value); err != nil {
			return err
		}
	}
	b.keep = p.keep
	e := entry.New(value, now, life)
	b.value, b.created, b.updateAfter, b.expiresAfter, b.made = value, e.Created(), e.UpdateAfter(), e.ExpiresAfter(), e
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
	switch {
	case b.negative != nil:
		return entry.NewNegative[V](b.created, *b.negative)
	case b.made != nil && b.keep == nil:
		return b.made
	}
	e := entry.Restore(b.value, b.created, b.updateAfter, b.expiresAfter)
	e.SetKeep(b.keep)
	return e
}

// useless tells whether nobody could ever be given what was built, so that it takes the
// place of what is stored as nothing.
func (b *built[V]) useless(now entry.Instant) bool {
	return b.expiresAfter.Add(b.keep.For()) <= now
}

// answers makes an error the answer.
func (b *built[V]) answers(n *entry.Negative, now entry.Instant) {
	b.negative, b.created, b.updateAfter, b.expiresAfter = n, now, n.UpdateAfter, n.ExpiresAfter
}
