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

// Memory is a Bytes in this process. Every call copies: a caller can't change what another
// gets. It implements all optional interfaces, claims and versions too, and is the
// reference for other stores. For values that need no encoding use InMemory.
//
// It is bounded: see MemoryCapacity. A record is not found from the instant of its end on,
// and its memory is freed within about a second, by a timer that runs only while some
// record has an end.
//
// It is cachetory's MemoryBackend without three defects: there, expired records stay until
// somebody asks for them, prevent an Add, and are reported as existing by Delete.
type Memory struct {
	*records
	closed atomic.Bool
	onEnd  func() // called by the first Close
}

// DefaultMemoryCapacity is the MemoryCapacity of a Memory that is given none.
const DefaultMemoryCapacity = 64 << 20

// ErrClosed is returned by a Memory after Close.
var ErrClosed = errors.New("storage: the memory store is closed: open it again, and close it last of all")

// MemoryOption configures a Memory.
type MemoryOption struct {
	set func(r *records)
}

// MemoryCapacity limits how many bytes a Memory holds: keys, values, and 160 for each
// record, which is about its overhead. Beyond that it evicts expired records first, then
// those that have not been used for longest, by the CLOCK algorithm (Corbató, 1968): a
// record that was read since the last round gets another one. A record that is larger than
// the capacity is refused. Default, and with zero or less: DefaultMemoryCapacity.
func MemoryCapacity(bytes int) MemoryOption {
	return MemoryOption{func(r *records) {
		if bytes > 0 {
			r.capacity = int64(bytes)
		}
	}}
}

// MemoryClock sets the clock of a Memory, say a mock in a test. Default: the real clock,
// the later of the monotonic one, which stops while the machine sleeps, and the wall clock,
// which may be set back.
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

// ready returns an error if the store is closed or the context is done.
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

// Set stores a copy of the value. A record that is larger than the capacity is an error,
// and the old record stays.
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

// Delete deletes the key's record, and reports whether there was one.
func (m *Memory) Delete(ctx context.Context, key string) (existed bool, err error) {
	if err := m.ready(ctx); err != nil {
		return false, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.remove(key, m.now()), nil
}

// Add stores a copy of the value if there is no record, or an expired one. With a time of
// zero or less it stores nothing.
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

// Touch keeps the records for keep from now on.
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

// ExpireAt ends the key's record at an instant, and reports whether there is one. A past
// instant deletes the record, the zero time removes its end. If the wall clock is set back
// later, the instant does not move.
func (m *Memory) ExpireAt(ctx context.Context, key string, at time.Time) (bool, error) {
	keep := Forever
	if !at.IsZero() {
		keep = m.clock.Until(at)
	}
	touched, err := m.Touch(ctx, keep, key)
	return err == nil && touched[0], err
}

// Len returns how many records there are. Expired records and mere claims don't count.
func (m *Memory) Len() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.expire(m.now(), math.MaxInt)
	return len(m.byKey) - m.claimed
}

// Close deletes everything. A store that several have opened by its name lives until all
// have closed it. Another Close does nothing.
func (m *Memory) Close() error {
	if !m.closed.Swap(true) {
		m.onEnd()
		m.wake()
	}
	return nil
}

// KeepsOrder reports true, see Ordered: nothing is under way once a call has returned.
func (m *Memory) KeepsOrder() bool { return true }

// String names the store.
func (m *Memory) String() string { return "Memory" }

// taken returns the item with a copy of its value.
func (m *Memory) taken(item Item) (Item, error) {
	if cost := cost(item.Key, item.Value); cost > m.capacity && item.Keep > 0 {
		return item, Refused(fmt.Errorf("storage: a record takes %d bytes and the memory store holds %d: give it a larger capacity", cost, m.capacity))
	}
	item.Value = bytes.Clone(item.Value)
	return item, nil
}

// copied returns the record with a copy of its value.
func (r Record) copied() Record {
	r.Value = bytes.Clone(r.Value)
	return r
}
