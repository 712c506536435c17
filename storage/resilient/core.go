package resilient

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/perennial-go/perennial/internal/coarse"
	"github.com/perennial-go/perennial/storage"
)

// core is what the parts of a Store share.
//
// One mutex guards the breaker, the mirror and the outbox, for a step has to see all of
// them at one instant: a key is read from the mirror or the outbox exactly while the
// breaker is open or a change of the key waits; a copy is replaced in the same step in
// which the change that made it leaves the outbox; and a lost record enters the outbox
// in the same step in which its copy is found to be lost. It is not held while the
// backend, a function of the user, the log or an observer is called.
type core struct {
	config
	backend backend
	link    link
	events  eventQueue
	keys    keyLocks        // one change of a key at a time
	life    context.Context // of what runs in the background
	end     context.CancelFunc

	mu      sync.Mutex
	breaker breaker
	mirror  mirror
	outbox  outbox
}

// newCore makes the core over a store without versions.
func newCore(store storage.Bytes, opts []Option) (*core, error) {
	c := &core{
		config: config{
			clock: coarse.Clock(), timeout: DefaultTimeout, inDoubt: DefaultInDoubt, judge: JudgeError, log: logTo(nil),
			random:      rand.N[time.Duration],
			queueLimits: limits{DefaultQueue, DefaultQueueSize}, copyLimits: limits{DefaultCopy, DefaultCopySize},
		},
		backend: backend{versions: plain{store}, store: store},
	}
	for _, o := range opts {
		if o.set == nil {
			return nil, errors.New("resilient: a zero Option: make options with the functions of this package")
		}
		o.set(&c.config)
	}
	c.life, c.end = context.WithCancel(context.Background())
	c.link.config, c.link.trip = &c.config, c.trip
	c.link.allow(c.timeout)
	c.events.config = &c.config
	c.mirror = newMirror(&c.config, &c.events)
	c.outbox = outbox{config: &c.config, events: &c.events, breaker: &c.breaker, mirror: &c.mirror, queue: queue{limits: c.queueLimits}}
	return c, nil
}

func (c *core) lock() { c.mu.Lock() }

// unlock releases the lock and delivers the events that were added under it.
func (c *core) unlock() {
	c.mu.Unlock()
	c.events.deliver()
}

// lockOpen takes the lock unless the Store is closed.
func (c *core) lockOpen() error {
	c.lock()
	if c.outbox.closed {
		c.unlock()
		return ErrClosed
	}
	return nil
}

// enter takes the lock unless the context has ended or the Store is closed.
func (c *core) enter(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	return c.lockOpen()
}

// split calls here with each place of a call for many, and returns the places for which
// that is false, with the breaker's generation. It holds the lock meanwhile.
func (c *core) split(ctx context.Context, n int, here func(i int) bool) (places []int, generation uint64, _ error) {
	if err := c.enter(ctx); err != nil {
		return nil, 0, err
	}
	defer c.unlock()
	for i := range n {
		if !here(i) {
			places = append(places, i)
		}
	}
	return places, c.breaker.generation, nil
}

// local reports whether the key is answered here: the store is away, or a change of the
// key waits.
func (c *core) local(key string) bool { return c.breaker.away() || c.outbox.get(key) != nil }

// known returns the key's record without asking the store. Its value is shared.
func (c *core) known(key string) (storage.Record, error) {
	now := c.clock.Now()
	if p := c.outbox.get(key); p != nil {
		return p.result.record(now), nil
	}
	if copied := c.mirror.copies.get(key); copied != nil {
		return copied.record(now), nil
	}
	if c.failAway {
		return storage.Record{}, fmt.Errorf("%w: %q was not seen before", c.errAway(), key)
	}
	return storage.Record{}, nil
}

// cloned returns the record with a copy of its value.
func cloned(r storage.Record) storage.Record {
	r.Value = bytes.Clone(r.Value)
	return r
}

// remember keeps a copy of what was found, unless this process has changed the record
// since it was looked at.
func (c *core) remember(found storage.Versioned, key string, began mark) {
	now := c.mirror.mark(key)
	if now.own != began.own && c.mirror.copies.get(key) != nil {
		return
	}
	one := c.copyFound(found, key)
	if now != began {
		one.current, one.dataID = 0, ""
	}
	c.mirror.put(one)
}

// copyFound returns a copy of what was found. It belongs to this process if the record
// is the one that this process had, or is about to write again.
func (c *core) copyFound(found storage.Versioned, key string) *recordCopy {
	before := c.mirror.copies.get(key)
	if again := c.outbox.get(key).rewrite(); again != nil {
		before = again.recordCopy
	}
	return c.mirror.copyFound(found, key, before)
}

// trip opens the breaker, unless it has closed after the call began.
func (c *core) trip(generation uint64, key string, err error) {
	c.lock()
	defer c.unlock()
	if c.breaker.away() || c.breaker.generation != generation {
		return
	}
	c.link.late.Store(0)
	c.breaker.key = key
	c.open(err)
}

// open opens the breaker, also one that is half-open, and schedules the next probe.
func (c *core) open(err error) {
	c.outbox.wait = c.backoff(c.breaker.open(err, c.clock.Now()))
	c.mirror.watches.stop()
	c.events.add(Event{Kind: Opened, Err: err, Wait: c.outbox.wait})
	c.outbox.startTimer()
}

// sleep waits for d, or until the context ends.
func (c *config) sleep(ctx context.Context, d time.Duration) error {
	timer := c.clock.Timer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// fail judges an error of the backend that came without link.call, and trips the
// breaker.
func (c *core) fail(generation uint64, key string, err error) Verdict {
	verdict := c.judge(err)
	if verdict.away() {
		c.trip(generation, key, err)
	}
	return verdict
}
