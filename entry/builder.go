package entry

import (
	"fmt"
	"hash/maphash"
	"math"
	"sync/atomic"
	"time"
)

// Builder makes the entry of a value that a source returned at now. It may
// give each value a life of its own, and may change the value. It is called by
// the goroutine that ran the source, concurrently for different keys, with no
// lock held; a panic in it fails the load.
type Builder[K comparable, V any] interface {
	Build(key K, value V, now Instant) *Entry[V]
}

// Spanner is a Builder that gives a value a life and changes nothing else. The
// engine asks for the life alone then, and spares an allocation: it makes the
// entry where it is kept. Span is called as Build is.
type Spanner[K comparable, V any] interface {
	Span(key K, value V, now Instant) (updateAfter, expiresAfter Instant)
}

// BuilderFunc is a function as a Builder.
type BuilderFunc[K comparable, V any] func(key K, value V, now Instant) *Entry[V]

// Build calls f.
func (f BuilderFunc[K, V]) Build(key K, value V, now Instant) *Entry[V] { return f(key, value, now) }

// LifeOf is a Builder that takes an entry's life from its value, such as the
// expiry of a token. A life that Validate refuses is used as it stands: an
// expire-after of zero or less is not worth storing, and is expired at once.
func LifeOf[K comparable, V any](life func(value V) Life) Builder[K, V] {
	return lifeOf[K, V](life)
}

type lifeOf[K comparable, V any] func(value V) Life

func (f lifeOf[K, V]) Build(_ K, value V, now Instant) *Entry[V] { return New(value, now, f(value)) }

func (f lifeOf[K, V]) Span(_ K, value V, now Instant) (updateAfter, expiresAfter Instant) {
	return f(value).span(now)
}

// LifeSpan is the Builder that gives every value the same life. It can be
// changed while it is in use; entries that were built before keep theirs.
// Its methods may be called concurrently. The zero LifeSpan gives the default
// life.
type LifeSpan[K comparable, V any] struct {
	life atomic.Pointer[Life]
}

// NewLifeSpan gives every value the life given, or says what is wrong with it.
func NewLifeSpan[K comparable, V any](life Life) (*LifeSpan[K, V], error) {
	b := new(LifeSpan[K, V])
	return b, b.Update(life)
}

// Update changes the life of entries that are built from now on. A life that
// Validate refuses changes nothing.
func (b *LifeSpan[K, V]) Update(life Life) error {
	if err := life.Validate(); err != nil {
		return err
	}
	life = life.filled()
	b.life.Store(&life)
	return nil
}

// Life is the life that entries are given now.
func (b *LifeSpan[K, V]) Life() Life {
	if life := b.life.Load(); life != nil {
		return *life
	}
	return Life{UpdateAfter: DefaultUpdateAfter, ExpireAfter: DefaultExpireAfter}
}

// Build gives the value the present life.
func (b *LifeSpan[K, V]) Build(_ K, value V, now Instant) *Entry[V] {
	return New(value, now, b.Life())
}

// Span is the present life as instants.
func (b *LifeSpan[K, V]) Span(_ K, _ V, now Instant) (updateAfter, expiresAfter Instant) {
	return b.Life().span(now)
}

// String names the builder and the life it gives.
func (b *LifeSpan[K, V]) String() string {
	life := b.Life()
	return fmt.Sprintf("LifeSpan[update after %v, expire after %v]", life.fresh(), life.ExpireAfter)
}

// Jittered shortens the lives that inner gives by up to the given share, at
// least 0 and below 1, so that entries of one birth do not all fall due at
// once. A life only becomes shorter, never longer; how much is a fixed
// function of the key within one process.
func Jittered[K comparable, V any](inner Builder[K, V], share float64) Builder[K, V] {
	j := jittered[K, V]{inner, share, maphash.MakeSeed()}
	if spanner, ok := inner.(Spanner[K, V]); ok {
		return jitteredSpan[K, V]{j, spanner}
	}
	return j
}

type jittered[K comparable, V any] struct {
	inner Builder[K, V]
	share float64
	seed  maphash.Seed
}

func (j jittered[K, V]) Build(key K, value V, now Instant) *Entry[V] {
	e := j.inner.Build(key, value, now)
	if e != nil {
		e.updateAfter, e.expiresAfter = j.shorten(key, e.created, e.updateAfter), j.shorten(key, e.created, e.expiresAfter)
	}
	return e
}

// String names the builder within, and the share.
func (j jittered[K, V]) String() string {
	inner, ok := j.inner.(fmt.Stringer)
	if !ok {
		return fmt.Sprintf("Jittered[%T, %v]", j.inner, j.share)
	}
	return fmt.Sprintf("Jittered[%v, %v]", inner, j.share)
}

func (j jittered[K, V]) shorten(key K, created, end Instant) Instant {
	if end <= created {
		return end
	}
	const unit = 1 << 53
	factor := 1 - j.share*float64(maphash.Comparable(j.seed, key)%unit)/unit
	life := float64(end.Sub(created)) * factor
	if life >= math.MaxInt64 { // which is one more than the longest duration
		return end
	}
	return min(end, created.Add(time.Duration(life)))
}

// jitteredSpan is jittered where the builder within only gives lives.
type jitteredSpan[K comparable, V any] struct {
	jittered[K, V]
	spanner Spanner[K, V]
}

func (j jitteredSpan[K, V]) Span(key K, value V, now Instant) (updateAfter, expiresAfter Instant) {
	updateAfter, expiresAfter = j.spanner.Span(key, value, now)
	return j.shorten(key, now, updateAfter), j.shorten(key, now, expiresAfter)
}
