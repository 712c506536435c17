package state

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/perennial-go/perennial/storage/lock"
	"github.com/perennial-go/perennial/storage/resilient"
	"github.com/perennial-go/perennial/storage/synced"
	"github.com/perennial-go/perennial/storage/tree"
)

// setup is what a member is told once.
type setup struct {
	Addr    string
	Broken  string // what it gets wrong: see broken
	Watches bool   // all values, and so writes again what a server has lost
}

// order is what a member is told to do.
type order struct {
	Do     string
	Prefix string // begin: of all keys
	Name   string // of a value, a counter or a lock
	Value  string
	N      int64
}

// What became of an order.
const (
	committed = "committed" // the server has acknowledged it
	queued    = "queued"    // it waits
	refused   = "refused"   // it was not done, and is known not to be
	failed    = "failed"    // nobody knows
)

// report is what a member says of an order.
type report struct {
	Became string
	Values []string
	Value  string
	Found  bool
	N      int64 // a sum, or a token
	Held   bool
	Err    string

	Dropped []dropped // flush: since the last one
	Stats   resilient.Stats
}

// dropped is a change that was reported and not made.
type dropped struct {
	Conflict bool
	Key      string
	Value    string
	Changes  int
	Err      string
}

// Times are short, so that outages need not be long.
const (
	wire      = 150 * time.Millisecond // connecting, reading, writing
	hold      = 300 * time.Millisecond // of a lock
	patience  = 10 * time.Second       // with what takes a moment
	lockWaits = 400 * time.Millisecond
)

// member is one of the processes that share.
type member struct {
	setup
	rdb    *redis.Client
	memory *synced.Memory
	ended  chan error // of its watch
	tree   *tree.Tree
	locks  *lock.Locks
	lock   *lock.Lock

	acquired int64             // how often a lock was
	gets     int               // how many there were
	first    map[string]string // that was read of each

	mu      sync.Mutex
	dropped []dropped
	heard   map[string]chan struct{} // is closed when the watch has told of the name
}

// hears is a channel that is closed when the watch has told of the name.
func (m *member) hears(name string) chan struct{} {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.heard[name] == nil {
		m.heard[name] = make(chan struct{})
	}
	return m.heard[name]
}

// closed closes a channel that one goroutine closes.
func closed(c chan struct{}) {
	select {
	case <-c:
	default:
		close(c)
	}
}

func newMember(s setup) *member {
	return &member{setup: s, first: map[string]string{}, rdb: redis.NewClient(&redis.Options{
		Addr: s.Addr, ContextTimeoutEnabled: true, MaxRetries: 1,
		DialTimeout: wire, ReadTimeout: wire, WriteTimeout: wire,
	})}
}

func (m *member) close() error { return errors.Join(m.end(), m.rdb.Close()) }

func (m *member) begin(ctx context.Context, prefix string) (err error) {
	store, err := resilient.New(m.store(), resilient.Timeout(wire), resilient.Observe(m.observe), resilient.WriteAgain(m.Watches))
	if err != nil {
		return err
	}
	memory, err := synced.New(ctx, store, prefix+"state:")
	if err != nil {
		return err
	}
	if m.memory = memory; m.Watches {
		m.ended = make(chan error, 1)
		m.heard = map[string]chan struct{}{}
		go func() {
			m.ended <- memory.Watch(context.Background(), func(c synced.Change) { closed(m.hears(c.Name)) })
		}()
	}
	if m.tree, err = tree.New(m.rdb, tree.Prefix(prefix+"tree")); err != nil {
		return err
	}
	if m.Broken == "locks exclude nobody" {
		prefix += m.Addr
	}
	m.locks, err = lock.New(m.rdb, lock.Prefix(prefix+"lock:"), lock.Hold(hold))
	return err
}

func (m *member) end() error {
	if m.memory == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	err := m.memory.Close(ctx)
	m.memory = nil
	if m.Watches {
		if ended := <-m.ended; !errors.Is(ended, resilient.ErrClosed) {
			err = errors.Join(err, ended)
		}
	}
	return err
}

func (m *member) observe(e resilient.Event) {
	switch e.Kind {
	case resilient.Conflict, resilient.Dropped, resilient.Refused:
	default:
		return
	}
	d := dropped{Conflict: e.Kind == resilient.Conflict, Key: e.Key, Value: string(e.Value), Changes: e.Changes}
	if e.Err != nil {
		d.Err = e.Err.Error()
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.dropped = append(m.dropped, d)
}

func (m *member) do(o order) (r report) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	err := m.obey(ctx, o, &r)
	switch {
	case err == nil:
		r.Became = committed
		return r
	case errors.Is(err, synced.ErrQueued) && o.Do != "flush":
		r.Became = queued
	case errors.Is(err, resilient.ErrContended), errors.Is(err, resilient.ErrFull), errors.Is(err, lock.ErrLockTimeout):
		r.Became = refused
	default:
		r.Became = failed
	}
	r.Err = err.Error()
	return r
}

func (m *member) obey(ctx context.Context, o order, r *report) error {
	switch o.Do {
	case "begin":
		clear(m.first)
		return m.begin(ctx, o.Prefix)
	case "end":
		return m.end()
	case "flush":
		err := m.memory.Flush(ctx)
		m.mu.Lock()
		r.Dropped, m.dropped = m.dropped, nil
		m.mu.Unlock()
		r.Stats = m.memory.Stats()
		r.Stats.Err = nil // which has no form on the wire
		return err
	case "hear":
		select {
		case <-m.hears(o.Name):
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	case "add":
		path := []string{"counters", o.Name}
		if m.Broken == "counters are read and then written" {
			n, err := tree.Get[int64](ctx, m.tree, path)
			if err != nil && !errors.Is(err, tree.ErrNotFound) {
				return err
			}
			r.N = n + o.N
			return m.tree.Set(ctx, path, r.N)
		}
		sum, err := m.tree.Add(ctx, path, o.N)
		r.N = sum
		return err
	case "acquire", "use", "release":
		return m.onLock(ctx, o, r)
	}
	return m.onValue(ctx, o, r)
}

func (m *member) onValue(ctx context.Context, o order, r *report) error {
	log, err := synced.NewVar[[]string](m.memory, o.Name)
	if o.Do == "update" || o.Do == "log" {
		if err != nil {
			return err
		}
		if o.Do == "log" {
			r.Values, err = log.Get(ctx)
			return ignoreMissing(err)
		}
		r.Values, err = log.Update(ctx, func(all []string) ([]string, error) { return append(all, o.Value), nil })
		return err
	}
	cell, err := synced.NewVar[string](m.memory, o.Name)
	if err != nil {
		return err
	}
	switch o.Do {
	case "get":
		r.Value, err = cell.Get(ctx)
		r.Found = err == nil
		if m.gets++; m.Broken == "reads are stale now and then" && r.Found {
			first := cmp.Or(m.first[o.Name], r.Value)
			if m.first[o.Name] = first; m.gets%5 == 0 {
				r.Value = first
			}
		}
		return ignoreMissing(err)
	case "set":
		return cell.Set(ctx, o.Value)
	case "delete":
		return cell.Delete(ctx)
	}
	return fmt.Errorf("%q is no order", o.Do)
}

func ignoreMissing(err error) error {
	if errors.Is(err, synced.ErrMissing) {
		return nil
	}
	return err
}

func (m *member) onLock(ctx context.Context, o order, r *report) (err error) {
	switch o.Do {
	case "acquire":
		ctx, cancel := context.WithTimeout(ctx, lockWaits)
		defer cancel()
		if m.lock, err = m.locks.Acquire(ctx, o.Name); err != nil {
			m.lock = nil
			return err
		}
		m.acquired++
		r.N, r.Held = m.token(), true
		return nil
	case "use":
		// Its context may end a moment late where the machine is busy; what is
		// left of the hold is reckoned now.
		r.N, r.Held = m.token(), m.lock.Left() > 0 || m.Broken == "a lost lock is held on to"
		return nil
	}
	l := m.lock
	m.lock = nil
	r.N = l.Token()
	return l.Release(ctx)
}

func (m *member) token() int64 {
	if m.Broken == "tokens are counted by each" {
		return m.acquired
	}
	return m.lock.Token()
}
