package storage

import (
	"context"
	"fmt"
	"hash/maphash"
	"iter"
	"sync"
	"sync/atomic"

	"github.com/perennial-go/perennial/entry"
	"github.com/perennial-go/perennial/internal/bind"
)

// InMemory keeps entries in this process, by reference: what a caller changes
// in a value, every later caller sees (config.Postprocess gives copies). It is
// unbounded by itself, an eviction strategy bounds it. One InMemory serves one
// function. Reads take no lock and do not allocate.
//
// It is py-memoize's LocalInMemoryCacheStorage.
type InMemory[K comparable, V any] struct {
	bind.Once
	seed   maphash.Seed
	shards [shardCount]memoryShard[K, V]
}

const (
	shardBits    = 6
	shardCount   = 1 << shardBits
	firstBuckets = 8
)

// NewInMemory makes an empty storage.
func NewInMemory[K comparable, V any]() *InMemory[K, V] {
	return &InMemory[K, V]{seed: maphash.MakeSeed()}
}

// memoryShard is a chained hash table. Readers walk it without a lock; writers
// take the lock. A table that grows is copied, so that a reader who is still in
// the old one finds in it what it would have found before.
type memoryShard[K comparable, V any] struct {
	table atomic.Pointer[table[K, V]]
	mu    sync.Mutex
	count atomic.Int64
	_     [40]byte // a cache line each
}

type table[K comparable, V any] struct {
	buckets []atomic.Pointer[node[K, V]]
}

type node[K comparable, V any] struct {
	key   K
	entry atomic.Pointer[entry.Entry[V]]
	next  atomic.Pointer[node[K, V]]
}

func newTable[K comparable, V any](size int) *table[K, V] {
	return &table[K, V]{buckets: make([]atomic.Pointer[node[K, V]], size)}
}

func (t *table[K, V]) bucket(hash uint64) *atomic.Pointer[node[K, V]] {
	return &t.buckets[(hash>>shardBits)&uint64(len(t.buckets)-1)]
}

// find is the key's node and the link that leads to it, or nil and the first
// link of the bucket.
func (t *table[K, V]) find(hash uint64, key K) (*node[K, V], *atomic.Pointer[node[K, V]]) {
	first := t.bucket(hash)
	link := first
	for n := link.Load(); n != nil; n = link.Load() {
		if n.key == key {
			return n, link
		}
		link = &n.next
	}
	return nil, first
}

func (s *InMemory[K, V]) shard(key K) (*memoryShard[K, V], uint64) {
	hash := maphash.Comparable(s.seed, key)
	return &s.shards[hash&(shardCount-1)], hash
}

// Get returns the key's entry or nil; the error is always nil.
func (s *InMemory[K, V]) Get(_ context.Context, key K) (*entry.Entry[V], error) {
	shard, hash := s.shard(key)
	t := shard.table.Load()
	if t == nil {
		return nil, nil
	}
	for n := t.bucket(hash).Load(); n != nil; n = n.next.Load() {
		if n.key == key {
			return n.entry.Load(), nil
		}
	}
	return nil, nil
}

// Offer stores the entry; the error is always nil.
func (s *InMemory[K, V]) Offer(_ context.Context, key K, e *entry.Entry[V]) error {
	shard, hash := s.shard(key)
	shard.mu.Lock()
	defer shard.mu.Unlock()
	t := shard.room(s.seed)
	found, link := t.find(hash, key)
	if found != nil {
		found.entry.Store(e)
		return nil
	}
	n := &node[K, V]{key: key}
	n.entry.Store(e)
	n.next.Store(link.Load())
	link.Store(n)
	shard.count.Add(1)
	return nil
}

// Release drops the key's entry; the error is always nil.
func (s *InMemory[K, V]) Release(_ context.Context, key K) error {
	shard, hash := s.shard(key)
	shard.mu.Lock()
	defer shard.mu.Unlock()
	t := shard.table.Load()
	if t == nil {
		return nil
	}
	if found, link := t.find(hash, key); found != nil {
		link.Store(found.next.Load())
		shard.count.Add(-1)
	}
	return nil
}

// room is the shard's table with room for one more. The lock is held.
func (s *memoryShard[K, V]) room(seed maphash.Seed) *table[K, V] {
	old := s.table.Load()
	switch {
	case old == nil:
		s.table.Store(newTable[K, V](firstBuckets))
		return s.table.Load()
	case int(s.count.Load()) < len(old.buckets):
		return old
	}
	grown := newTable[K, V](2 * len(old.buckets))
	for i := range old.buckets {
		for n := old.buckets[i].Load(); n != nil; n = n.next.Load() {
			moved := &node[K, V]{key: n.key}
			moved.entry.Store(n.entry.Load())
			link := grown.bucket(maphash.Comparable(seed, n.key))
			moved.next.Store(link.Load())
			link.Store(moved)
		}
	}
	s.table.Store(grown)
	return grown
}

// Range yields the entries. It takes no lock, so a slow consumer holds nobody
// up.
func (s *InMemory[K, V]) Range(context.Context) iter.Seq2[K, *entry.Entry[V]] {
	return func(yield func(K, *entry.Entry[V]) bool) {
		for i := range s.shards {
			t := s.shards[i].table.Load()
			if t == nil {
				continue
			}
			for b := range t.buckets {
				for n := t.buckets[b].Load(); n != nil; n = n.next.Load() {
					if !yield(n.key, n.entry.Load()) {
						return
					}
				}
			}
		}
	}
}

// Clear drops everything; the error is always nil.
func (s *InMemory[K, V]) Clear(context.Context) error {
	for i := range s.shards {
		shard := &s.shards[i]
		shard.mu.Lock()
		shard.table.Store(nil)
		shard.count.Store(0)
		shard.mu.Unlock()
	}
	return nil
}

// Len is how many entries are held, expired ones among them.
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
