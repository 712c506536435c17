package storage

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math"
	"sync/atomic"
	"time"

	"github.com/benbjohnson/clock"

	"github.com/perennial-go/perennial/internal/coarse"
)

// Memory is a Bytes in this process: every call copies, so that nobody changes
// what another gets. It has what stores elsewhere have, claims and versions too,
// and is what they are tried against. For values that need not be encoded there is InMemory.
//
// It is bounded: see MemoryCapacity. What is expired is not found from the
// instant of its end on, and its memory is freed within about a second, by a
// timer that runs only while something is to end.
//
// It is cachetory's MemoryBackend, without what is wrong there: expired records
// stay until somebody asks for them, keep an Add out, and are said to have been
// there by Delete.
type Memory struct {
	*records
	closed atomic.Bool
	onEnd  func() // called by the first Close
}

// DefaultMemoryCapacity is the MemoryCapacity of a Memory that is given none.
const DefaultMemoryCapacity = 64 << 20

// ErrClosed is what a Memory returns after its Close.
var ErrClosed = errors.New("storage: the memory store is closed: open it again, and close it last of all")

// MemoryOption says one thing about a Memory.
type MemoryOption struct {
	set func(r *records)
}

// MemoryCapacity is how many bytes a Memory holds at most: keys, values, and 160
// for each record, which is about what it takes to keep one. What would be more
// puts others out: expired ones first, then those that have not been used for
// longest, as the CLOCK algorithm (Corbató, 1968) tells them: a record that was
// read since it was last looked at is given another round. A record that alone
// is larger is refused. Default, and where it is zero or less:
// DefaultMemoryCapacity.
func MemoryCapacity(bytes int) MemoryOption {
	return MemoryOption{func(r *records) {
		if bytes > 0 {
			r.capacity = int64(bytes)
		}
	}}
}

// MemoryClock is what a Memory takes the time from, say a mock in a test.
// Default: the real clock, the later of the monotonic one, which stands still while
// the machine sleeps, and that of the wall, which may be set back.
func MemoryClock(c clock.Clock) MemoryOption {
	return MemoryOption{func(r *records) { r.clock = c }}
}

// NewMemory makes an empty Memory.
func NewMemory(opts ...MemoryOption) *Memory {
	r := &records{capacity: DefaultMemoryCapacity, clock: coarse.Clock()}
	for _, o := range opts {
		if o.set != nil {
			o.set(r)
		}
	}
	r.init()
	return &Memory{records: r, onEnd: r.empty}
}

// ready is asked by everything that Memory does before it does it.
func (m *Memory) ready(ctx context.Context) error {
	if m.closed.Load() {
		return ErrClosed
	}
	return ctx.Err()
}

// Get returns the key's record.
func (m *Memory) Get(ctx context.Context, key string) (Record, error) {
	if err := m.ready(ctx); err != nil {
		return Record{}, err
	}
	m.mu.RLock()
	r := m.read(key, m.now())
	m.mu.RUnlock()
	return r.copied(), nil
}

// Set stores a copy of the value. One that is larger than the capacity is an
// error, and leaves what was there.
func (m *Memory) Set(ctx context.Context, key string, value []byte, keep time.Duration) error {
	if err := m.ready(ctx); err != nil {
		return err
	}
	item, err := m.taken(Item{key, value, keep})
	if err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.put(item, m.now())
	return nil
}

// Delete drops the key's record.
func (m *Memory) Delete(ctx context.Context, key string) (existed bool, err error) {
	if err := m.ready(ctx); err != nil {
		return false, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.remove(key, m.now()), nil
}

// Add stores a copy of the value where there is no record, or one that is
// expired. With a time of zero or less it stores nothing.
func (m *Memory) Add(ctx context.Context, key string, value []byte, keep time.Duration) (added bool, err error) {
	if err := m.ready(ctx); err != nil {
		return false, err
	}
	item, err := m.taken(Item{key, value, keep})
	if err != nil {
		return false, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	now := m.now()
	if m.live(key, now) != nil {
		return false, nil
	}
	m.put(item, now)
	return true, nil
}

// Touch gives the records another time.
func (m *Memory) Touch(ctx context.Context, keep time.Duration, keys ...string) ([]bool, error) {
	if err := m.ready(ctx); err != nil {
		return nil, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	now := m.now()
	touched := make([]bool, len(keys))
	for i, key := range keys {
		if keep <= 0 {
			touched[i] = m.remove(key, now)
			continue
		}
		if r := m.live(key, now); r != nil {
			r.used.Store(true)
			r.end = after(now, keep)
			m.schedule(r)
			touched[i] = true
		}
	}
	return touched, nil
}

// ExpireAt ends the key's record at an instant, and tells whether there is one:
// one that is over deletes the record, the zero time takes its end away. The
// instant is a wall clock's: one that is set back later does not move it.
func (m *Memory) ExpireAt(ctx context.Context, key string, at time.Time) (bool, error) {
	keep := Forever
	if !at.IsZero() {
		keep = m.clock.Until(at)
	}
	touched, err := m.Touch(ctx, keep, key)
	return err == nil && touched[0], err
}

// Len is how many records there are; what is expired or only claimed does not
// count.
func (m *Memory) Len() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.expire(m.now(), math.MaxInt)
	return len(m.byKey) - m.claimed
}

// Close drops everything, or, of a store that several have opened by its name,
// this one's part in it. Another Close does nothing.
func (m *Memory) Close() error {
	if !m.closed.Swap(true) {
		m.onEnd()
		m.wake()
	}
	return nil
}

// KeepsOrder makes it storage.Ordered: nothing is under way once a call has returned.
func (m *Memory) KeepsOrder() bool { return true }

// String names the store.
func (m *Memory) String() string { return "Memory" }

// taken is the item with a value that nobody else has.
func (m *Memory) taken(item Item) (Item, error) {
	if cost := cost(item.Key, item.Value); cost > m.capacity && item.Keep > 0 {
		return item, Refused(fmt.Errorf("storage: a record takes %d bytes and the memory store holds %d: give it a larger capacity", cost, m.capacity))
	}
	item.Value = bytes.Clone(item.Value)
	return item, nil
}

// copied is the record with a value that nobody else has.
func (r Record) copied() Record {
	r.Value = bytes.Clone(r.Value)
	return r
}
