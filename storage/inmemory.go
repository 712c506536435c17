package storage

import (
	"context"
	"fmt"
	"hash/maphash"
	"iter"

	"github.com/perennial-go/perennial/entry"
	"github.com/perennial-go/perennial/internal/bind"
)

// InMemory keeps entries in this process. It does not copy values: a change behind a
// pointer is seen by every later caller (config.Postprocess makes copies). An eviction
// strategy bounds it. One InMemory serves one function. Reads take no lock and do not
// allocate.
//
// It is py-memoize's LocalInMemoryCacheStorage.
type InMemory[K comparable, V any] struct {
	bind.Once
	seed   maphash.Seed
	shards [shardCount]shard[K, V]
}

const (
	shardBits  = 6
	shardCount = 1 << shardBits
)

// NewInMemory makes an empty storage.
func NewInMemory[K comparable, V any]() *InMemory[K, V] {
	return &InMemory[K, V]{seed: maphash.MakeSeed()}
}

// Get returns the key's entry or nil; the error is always nil.
func (s *InMemory[K, V]) Get(_ context.Context, key K) (*entry.Entry[V], error) {
	return s.Find(key), nil
}

// Find is Get without a context, for the engine.
func (s *InMemory[K, V]) Find(key K) *entry.Entry[V] {
	hash := maphash.Comparable(s.seed, key)
	t := s.shards[hash%shardCount].table.Load()
	if t == nil {
		return nil
	}
	tag := t.tag(hash)
	for b := t.bucket(hash); b != nil; b = b.more.Load() {
		for m := b.matches(tag); m != 0; m &= m - 1 {
			if n := b.at(m).Load(); n != nil && n.key == key {
				return &n.entry
			}
		}
	}
	return nil
}

// Offer stores a copy of the entry; the error is always nil.
func (s *InMemory[K, V]) Offer(_ context.Context, key K, e *entry.Entry[V]) error {
	s.PutCopy(key, e)
	return nil
}

// PutCopy is Offer for the engine: it returns what Put does.
func (s *InMemory[K, V]) PutCopy(key K, e *entry.Entry[V]) (kept, replaced *entry.Entry[V]) {
	n := &node[K, V]{key: key}
	n.entry.FillFrom(e)
	return s.put(n, false)
}

// Put stores an entry made of its parts, for the engine. It returns the entry that is kept
// from now on, and the one that it replaces, or nil.
func (s *InMemory[K, V]) Put(key K, value V, created, updateAfter, expiresAfter entry.Instant, keep *entry.Keep) (kept, replaced *entry.Entry[V]) {
	return s.put(nodeOf(key, value, created, updateAfter, expiresAfter, keep), false)
}

// PutOver is Put for a key that has an entry. If it has none, nothing is stored, and
// replaced is nil.
func (s *InMemory[K, V]) PutOver(key K, value V, created, updateAfter, expiresAfter entry.Instant, keep *entry.Keep) (kept, replaced *entry.Entry[V]) {
	return s.put(nodeOf(key, value, created, updateAfter, expiresAfter, keep), true)
}

func nodeOf[K comparable, V any](key K, value V, created, updateAfter, expiresAfter entry.Instant, keep *entry.Keep) *node[K, V] {
	n := &node[K, V]{key: key}
	n.entry.Fill(value, created, updateAfter, expiresAfter)
	if keep != nil {
		n.entry.SetKeep(keep)
	}
	return n
}

func (s *InMemory[K, V]) put(n *node[K, V], onlyOver bool) (kept, replaced *entry.Entry[V]) {
	hash := maphash.Comparable(s.seed, n.key)
	if old := s.shards[hash%shardCount].put(hash, n, s.seed, onlyOver); old != nil {
		replaced = &old.entry
	}
	return &n.entry, replaced
}

// Release deletes the key's entry; the error is always nil.
func (s *InMemory[K, V]) Release(_ context.Context, key K) error {
	s.Take(key)
	return nil
}

// Take deletes the key's entry, for the engine, and returns it, or nil.
func (s *InMemory[K, V]) Take(key K) *entry.Entry[V] {
	hash := maphash.Comparable(s.seed, key)
	if n := s.shards[hash%shardCount].remove(hash, key, s.seed); n != nil {
		return &n.entry
	}
	return nil
}

// Range yields the entries. It takes no lock: a slow consumer blocks nobody.
func (s *InMemory[K, V]) Range(context.Context) iter.Seq2[K, *entry.Entry[V]] {
	return func(yield func(K, *entry.Entry[V]) bool) {
		for i := range s.shards {
			t := s.shards[i].table.Load()
			if t == nil {
				continue
			}
			for n := range t.all {
				if !yield(n.key, &n.entry) {
					return
				}
			}
		}
	}
}

// Clear deletes all entries; the error is always nil.
func (s *InMemory[K, V]) Clear(context.Context) error {
	for i := range s.shards {
		s.shards[i].clear()
	}
	return nil
}

// Len returns how many entries are held, including expired ones.
func (s *InMemory[K, V]) Len() int {
	n := 0
	for i := range s.shards {
		n += int(s.shards[i].count.Load())
	}
	return n
}

// AnswersAtOnce makes it Local.
func (*InMemory[K, V]) AnswersAtOnce() {}

// String names the storage.
func (s *InMemory[K, V]) String() string { return fmt.Sprintf("InMemory[%d entries]", s.Len()) }
