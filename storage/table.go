package storage

import (
	"hash/maphash"
	"math/bits"
	"sync"
	"sync/atomic"

	"github.com/perennial-go/perennial/entry"
)

// A shard is a hash table that readers walk without a lock, while writers take
// turns. Its low hash bits are those of the shard, the next ones choose the
// bucket, the highest are the tag.
//
// A bucket is one cache line: tags tell which of its nodes may have the key, so
// a look-up touches the bucket, the node and the key's own bytes, and nothing
// else. A node never changes: a write puts another in its place. A table that
// grows or shrinks is copied; readers of the old one find what they would have
// found when they began.
type shard[K comparable, V any] struct {
	table atomic.Pointer[table[K, V]]
	mu    sync.Mutex
	count atomic.Int64
	_     [40]byte // a cache line each
}

type table[K comparable, V any] struct {
	buckets []bucket[K, V] // a power of two of them
}

const bucketSize = 6

type bucket[K comparable, V any] struct {
	tags  atomic.Uint64 // a byte a node, 0 where there is none
	nodes [bucketSize]atomic.Pointer[node[K, V]]
	more  atomic.Pointer[bucket[K, V]] // where it overflows
}

// node has the key, the entry's instants and the value in one allocation: with a
// string key and a pointer, one cache line.
type node[K comparable, V any] struct {
	key   K
	entry entry.Entry[V]
}

// eachByte has a 1 in the bytes of the tags.
const eachByte = 1 << (8 * bucketSize) / 0xff

// The steps of a look-up are methods of generic types, and not functions,
// because the compiler makes calls of functions where another package
// instantiates the types.

// tag is a hash's tag in every byte.
func (t *table[K, V]) tag(hash uint64) uint64 { return (hash>>57 | 0x80) * eachByte }

func (t *table[K, V]) bucket(hash uint64) *bucket[K, V] {
	return &t.buckets[(hash>>shardBits)&uint64(len(t.buckets)-1)]
}

// matches has the highest bit of every byte set that has the tag, and perhaps of
// one above such a byte.
func (b *bucket[K, V]) matches(tag uint64) uint64 {
	differ := b.tags.Load() ^ tag
	return (differ - eachByte) &^ differ & (eachByte << 7)
}

// at is the node at the lowest bit of a match.
func (b *bucket[K, V]) at(match uint64) *atomic.Pointer[node[K, V]] {
	return &b.nodes[bits.TrailingZeros64(match)/8]
}

// find is the key's node, and the bucket and the match where it lies, or nil.
func (t *table[K, V]) find(hash uint64, key K) (n *node[K, V], b *bucket[K, V], match uint64) {
	tag := t.tag(hash)
	for b := t.bucket(hash); b != nil; b = b.more.Load() {
		for m := b.matches(tag); m != 0; m &= m - 1 {
			if n := b.at(m).Load(); n != nil && n.key == key {
				return n, b, m
			}
		}
	}
	return nil, nil, 0
}

// insert puts a node whose key is not there into the first place that is free.
func (t *table[K, V]) insert(hash uint64, n *node[K, V]) {
	b := t.bucket(hash)
	for {
		if free := ^b.tags.Load() & (eachByte << 7); free != 0 {
			b.at(free).Store(n)
			b.tags.Store(b.tags.Load() | t.tag(hash)&tagAt(free))
			return
		}
		if b.more.Load() == nil {
			b.more.Store(new(bucket[K, V]))
		}
		b = b.more.Load()
	}
}

// tagAt has the bits set of the byte at the lowest bit of a match.
func tagAt(match uint64) uint64 { return 0xff << (bits.TrailingZeros64(match) &^ 7) }

// all yields every node.
func (t *table[K, V]) all(yield func(*node[K, V]) bool) {
	for i := range t.buckets {
		for b := &t.buckets[i]; b != nil; b = b.more.Load() {
			for j := range b.nodes {
				if n := b.nodes[j].Load(); n != nil && !yield(n) {
					return
				}
			}
		}
	}
}

// put stores a node and returns the one of the same key that it replaces, if any.
func (s *shard[K, V]) put(hash uint64, n *node[K, V], seed maphash.Seed, onlyOver bool) (old *node[K, V]) {
	s.mu.Lock()
	defer s.mu.Unlock()
	t := s.table.Load()
	if t != nil {
		if old, b, m := t.find(hash, n.key); old != nil {
			b.at(m).Store(n)
			return old
		}
	}
	if onlyOver {
		return nil
	}
	count := int(s.count.Add(1))
	switch {
	case t == nil:
		t = s.resize(1, seed)
	case count > len(t.buckets)*bucketSize*3/4:
		t = s.resize(2*len(t.buckets), seed)
	}
	t.insert(hash, n)
	return nil
}

// remove drops the key's node and returns it, or nil.
func (s *shard[K, V]) remove(hash uint64, key K, seed maphash.Seed) *node[K, V] {
	s.mu.Lock()
	defer s.mu.Unlock()
	t := s.table.Load()
	if t == nil {
		return nil
	}
	old, b, m := t.find(hash, key)
	if old == nil {
		return nil
	}
	b.tags.Store(b.tags.Load() &^ tagAt(m))
	b.at(m).Store(nil)
	if count := int(s.count.Add(-1)); count < len(t.buckets)*bucketSize/16 {
		s.resize(len(t.buckets)/2, seed)
	}
	return old
}

// resize copies the table into one of another size.
func (s *shard[K, V]) resize(size int, seed maphash.Seed) *table[K, V] {
	next := &table[K, V]{buckets: make([]bucket[K, V], max(1, size))}
	if t := s.table.Load(); t != nil {
		for n := range t.all {
			next.insert(maphash.Comparable(seed, n.key), n)
		}
	}
	s.table.Store(next)
	return next
}

func (s *shard[K, V]) clear() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.table.Store(nil)
	s.count.Store(0)
}
