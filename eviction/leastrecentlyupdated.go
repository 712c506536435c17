package eviction

import (
	"container/list"
	"fmt"
	"sync"

	"github.com/perennial-go/perennial/entry"
	"github.com/perennial-go/perennial/internal/bind"
)

// LeastRecentlyUpdated keeps the given number of entries and releases the one
// whose last write lies furthest back; reads make no difference, and cost
// nothing. Capacity 0 releases every entry right after it is written, which
// collapses concurrent loads and keeps nothing; a negative one counts as 0.
//
// It is py-memoize's LeastRecentlyUpdatedEvictionStrategy.
func LeastRecentlyUpdated[K comparable](capacity int) Strategy[K] {
	return &leastRecentlyUpdated[K]{order: newWriteOrder[K](), capacity: max(0, capacity)}
}

type leastRecentlyUpdated[K comparable] struct {
	bind.Once
	mu       sync.Mutex
	order    writeOrder[K]
	capacity int
}

func (s *leastRecentlyUpdated[K]) MarkRead(K) {}

func (s *leastRecentlyUpdated[K]) MarkWritten(key K, _ *entry.Meta) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.order.touch(key)
}

func (s *leastRecentlyUpdated[K]) MarkReleased(key K) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.order.remove(key)
}

func (s *leastRecentlyUpdated[K]) NextToRelease() (key K, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.order.len() <= s.capacity {
		return key, false
	}
	return s.order.takeOldest(), true
}

func (s *leastRecentlyUpdated[K]) Reset() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.order = newWriteOrder[K]()
}

func (s *leastRecentlyUpdated[K]) IgnoresReads() {}
func (s *leastRecentlyUpdated[K]) Capacity() int { return s.capacity }
func (s *leastRecentlyUpdated[K]) String() string {
	return fmt.Sprintf("LeastRecentlyUpdated[capacity %d]", s.capacity)
}

// writeOrder is the pure policy: keys from the longest untouched to the last
// touched. It is not safe for concurrent use.
type writeOrder[K comparable] struct {
	keys *list.List
	at   map[K]*list.Element
}

func newWriteOrder[K comparable]() writeOrder[K] {
	return writeOrder[K]{keys: list.New(), at: map[K]*list.Element{}}
}

func (o writeOrder[K]) len() int { return len(o.at) }

func (o writeOrder[K]) touch(key K) {
	if at, ok := o.at[key]; ok {
		o.keys.MoveToBack(at)
		return
	}
	o.at[key] = o.keys.PushBack(key)
}

func (o writeOrder[K]) remove(key K) {
	if at, ok := o.at[key]; ok {
		o.keys.Remove(at)
		delete(o.at, key)
	}
}

func (o writeOrder[K]) takeOldest() K {
	key := o.keys.Remove(o.keys.Front()).(K)
	delete(o.at, key)
	return key
}
