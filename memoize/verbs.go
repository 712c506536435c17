package memoize

import (
	"context"
	"errors"
	"fmt"

	"github.com/perennial-go/perennial/entry"
	"github.com/perennial-go/perennial/internal/keytext"
	"github.com/perennial-go/perennial/statuses"
	"github.com/perennial-go/perennial/storage"
)

// The engine's verbs, as Func has them.

func (e *engine[A, K, V]) prepare(ctx context.Context, arg A) (p *plan[A, K, V], key K, err error) {
	if p, err = e.snapshot(); err != nil {
		return p, key, err
	}
	key, err = e.key(ctx, p, arg)
	return p, key, err
}

// prepareToWrite is prepare for those who change what is stored: the plan is in
// force, and in use until unuse.
func (e *engine[A, K, V]) prepareToWrite(ctx context.Context, arg A) (p *plan[A, K, V], key K, err error) {
	for {
		if p, key, err = e.prepare(ctx, arg); err != nil || e.use(p) {
			return p, key, err
		}
	}
}

func (e *engine[A, K, V]) invalidate(ctx context.Context, arg A) error {
	p, err := e.snapshotToInvalidate()
	if err != nil {
		return err
	}
	key, err := e.key(ctx, p, arg)
	if err != nil {
		return err
	}
	if key != key {
		return nil // never stored
	}
	return e.invalidateKey(ctx, key)
}

// snapshotToInvalidate is snapshot, or the last plan of a function that is closed and
// whose values others may have: a late update still ends them.
func (e *engine[A, K, V]) snapshotToInvalidate() (*plan[A, K, V], error) {
	p, err := e.snapshot()
	if err == ErrClosed && !p.local {
		err = nil
	}
	return p, err
}

// peek is the entry that would be served, if any.
func (e *engine[A, K, V]) peek(ctx context.Context, arg A) (*plan[A, K, V], *entry.Entry[V]) {
	p, key, err := e.prepare(ctx, arg)
	if err != nil || p.bypass {
		return p, nil
	}
	stored, _ := e.look(ctx, p, key)
	if stored == nil {
		return p, nil
	}
	if _, _, state := e.time.decide(&stored.Meta); !state.Servable() {
		return p, nil
	}
	return p, stored
}

func (e *engine[A, K, V]) peekValue(ctx context.Context, arg A) (value V, ok bool) {
	p, stored := e.peek(ctx, arg)
	if stored == nil {
		return value, false
	}
	return e.peeked(ctx, p, stored)
}

// peeked is what is returned of an entry that is there.
func (e *engine[A, K, V]) peeked(ctx context.Context, p *plan[A, K, V], stored *entry.Entry[V]) (value V, ok bool) {
	if p.post == nil {
		return stored.Value, true
	}
	value, err := process(p.post, stored.Value)
	if err != nil {
		_ = e.panicked(ctx, err)
	}
	return value, err == nil
}

// peekMany is peek for many arguments, in one round trip if the storage can. Without
// values, it only says what is found.
func (e *engine[A, K, V]) peekMany(ctx context.Context, args []A, want bool) (values []V, found []bool) {
	values, found = make([]V, len(args)), make([]bool, len(args))
	p, err := e.snapshot()
	if err != nil || p.bypass {
		return values, found
	}
	all := e.distinct(ctx, p, args, make([]error, len(args)))
	e.lookAll(ctx, p, all)
	for _, a := range all {
		if a.current == nil {
			continue
		}
		if _, _, state := e.time.decide(&a.current.Meta); !state.Servable() {
			continue
		}
		for _, i := range a.places {
			if found[i] = true; want {
				values[i], found[i] = e.peeked(ctx, p, a.current)
			}
		}
	}
	return values, found
}

func (e *engine[A, K, V]) has(ctx context.Context, arg A) bool {
	_, stored := e.peek(ctx, arg)
	return stored != nil
}

// set publishes a value as an update of its own: it supersedes the one that
// runs, waits for one that publishes, and whoever calls meanwhile joins it.
func (e *engine[A, K, V]) set(ctx context.Context, arg A, value V) error {
	p, key, err := e.prepareToWrite(ctx, arg)
	if err != nil {
		return err
	}
	defer e.unuse(p)
	if key != key {
		return fmt.Errorf("%w: it is not equal to itself, so what is set could not be found again", ErrKey)
	}
	b, err := e.build(ctx, p, key, value)
	if err != nil {
		return err
	}
	s, err := e.put(ctx, p, key, b)
	if s.named {
		e.evict(ctx, p, s.victim)
	}
	return err
}

// put publishes a value. Whoever joins gets the value even if the Set fails by its own
// context: it is what the caller says is true.
func (e *engine[A, K, V]) put(ctx context.Context, p *plan[A, K, V], key K, b built[V]) (s stored[K, V], err error) {
	if err := ctx.Err(); err != nil { // a write under it could arrive all the same
		return s, e.notSet(key, err)
	}
	held, events := hold(ctx)
	defer events.tell()
	update, _ := e.statuses.Begin(key, statuses.Put)
	var filled uint64
	defer func() {
		e.loads.ended.Add(1)
		if s.entry == nil {
			s.entry = b.entry()
		}
		if p.fenced == nil {
			update.End(s.entry, nil)
			return
		}
		if !s.kept {
			filled = 0
		}
		update.End(nil, &unconfirmed[V]{entry: s.entry, filled: filled})
	}()
	if err := update.Publish(ctx); err != nil {
		return s, e.notSet(key, e.yield(held, p, key, update, err))
	}
	e.backoff.clear(key)
	if p.fenced != nil {
		filled = e.fills.Add(1)
	}
	s.sets = true
	if err = e.store(held, p, key, &b, e.time.now(), &s); s.fault != nil {
		return s, notStored(s.fault)
	}
	e.releaseElsewhere(held, p, key)
	return s, err
}

// yield ends a Set that may not publish. If something newer has superseded it, the Set
// is over as if it had come just before that, and what it was to replace is released:
// what is newer may not have touched the storage yet.
func (e *engine[A, K, V]) yield(ctx context.Context, p *plan[A, K, V], key K, update statuses.Update[V], why error) error {
	if !errors.Is(why, statuses.ErrFenced) && !errors.Is(why, statuses.ErrSuperseded) {
		return why
	}
	overtaken, err := update.Yield(ctx)
	if err != nil || overtaken {
		return err
	}
	if err := e.release(ctx, p, key); err != nil {
		return fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	return nil
}

func (e *engine[A, K, V]) notSet(key K, why error) error {
	if why == nil || errors.Is(why, ErrUnavailable) {
		return why
	}
	return fmt.Errorf("memoize: %s was not set for key %s: %w", e.name, e.show(key), why)
}

// releaseElsewhere drops the key's entry from storages that came into force since
// a value was stored under p: what they hold is older. A fault is reported. The
// caller is the only one who changes what is stored for the key.
func (e *engine[A, K, V]) releaseElsewhere(ctx context.Context, p *plan[A, K, V], key K) {
	for last := p; ; {
		now := e.plan.Load()
		if now.settings.Storage == last.settings.Storage {
			return
		}
		if e.use(now) {
			_ = e.release(ctx, now, key)
			e.unuse(now)
			last = now
		}
	}
}

// build gives a value that comes from a caller its life.
func (e *engine[A, K, V]) build(ctx context.Context, p *plan[A, K, V], key K, value V) (b built[V], err error) {
	err = func() (err error) {
		defer recovering(&err)
		return p.build(&b, key, value, e.time.now())
	}()
	if _, ok := err.(*PanicError); ok {
		_ = e.panicked(ctx, err)
	}
	if err != nil {
		err = fmt.Errorf("memoize: %s can't store a value for key %s: %w", e.name, e.show(key), err)
	}
	return b, err
}

// touch gives the stored value a new life.
func (e *engine[A, K, V]) touch(ctx context.Context, arg A) (bool, error) {
	p, key, err := e.prepareToWrite(ctx, arg)
	if err != nil {
		return false, err
	}
	defer e.unuse(p)
	if p.bypass || key != key {
		return false, nil
	}
	s, ok, err := e.touchHeld(ctx, p, key)
	if s.named {
		e.evict(ctx, p, s.victim)
	}
	return ok, err
}

func (e *engine[A, K, V]) touchHeld(outside context.Context, p *plan[A, K, V], key K) (s stored[K, V], ok bool, err error) {
	ctx, events := hold(outside)
	defer events.tell()
	if err := e.statuses.Hold(ctx, key, false); err != nil {
		return s, false, err
	}
	defer e.statuses.Free(key, false)
	var current *entry.Entry[V]
	if p.fenced == nil {
		current, err = e.look(ctx, p, key)
	} else {
		current, s.claim, err = e.lookToFill(ctx, p, key)
	}
	if current == nil {
		return s, false, err
	}
	if _, _, state := e.time.decide(&current.Meta); !state.Servable() {
		return s, false, nil
	}
	b, err := e.build(ctx, p, key, current.Value) // for its life alone
	if err != nil {
		return s, false, err
	}
	b.made, b.value, b.created = nil, current.Value, current.Created()
	s.touch = true
	if err = e.store(ctx, p, key, &b, e.time.now(), &s); s.fault != nil {
		return s, false, notStored(s.fault)
	}
	if !s.kept { // invalidated or set meanwhile, by another process
		return s, false, err
	}
	e.backoff.clear(key)
	return s, true, err
}

func (e *engine[A, K, V]) keyText(ctx context.Context, arg A) (string, error) {
	p := e.plan.Load()
	if p.settings.Keys == nil {
		return "", ErrNotConfigured
	}
	key, err := e.key(ctx, p, arg)
	if err != nil {
		return "", err
	}
	if s, ok := p.settings.Storage.(interface{ KeyText(K) (string, error) }); ok {
		text, err := s.KeyText(key)
		if err != nil {
			err = fmt.Errorf("%w: %w", ErrKey, err)
		}
		return text, err
	}
	text, err := keytext.Of(key)
	if err != nil {
		return "", fmt.Errorf("%w: %w", ErrKey, err)
	}
	return keytext.Name(e.name) + ":0:" + text, nil
}

func (e *engine[A, K, V]) length() int {
	if s, ok := e.plan.Load().settings.Storage.(storage.Sizer); ok {
		return s.Len()
	}
	return -1
}

func (e *engine[A, K, V]) stats() Stats {
	s := e.counters.snapshot()
	s.LoadsRunning, s.RefreshesRunning = e.loads.counts()
	if c, ok := e.statuses.(interface{ Counts() statuses.Counts }); ok {
		s.SupersededRunning = c.Counts().Superseded
	}
	s.Entries = e.length()
	return s
}

// waitLoads waits for what runs now, except the loads that it is called in.
func (e *engine[A, K, V]) waitLoads(ctx context.Context) error {
	slot := slotOf(ctx)
	slot.Park()
	defer slot.Resume(ctx)
	return e.loads.wait(ctx, e.loads.now(outerLoads(ctx)), false)
}

func outerLoads(ctx context.Context) map[*flight]bool {
	inner := outerLoad(ctx)
	if inner == nil {
		return nil
	}
	outer := map[*flight]bool{}
	inner.chain(func(l *flight) bool {
		outer[l] = true
		return true
	})
	return outer
}

// close lets nothing begin any more and waits for what runs, late loads too.
func (e *engine[A, K, V]) close(ctx context.Context) error {
	e.mu.Lock()
	if !e.closed {
		e.closed = true
		last := e.plan.Load()
		end := newPlan(last.settings, e.dynamicKeys)
		end.off, end.doubt, end.held = ErrClosed, last.doubt, last.held // for loads that still end
		e.plan.Store(end)
		last.retired.Store(true)
		e.retired = append(e.retired, last)
		e.sweeper.stop()
		e.loads.close()
	}
	e.mu.Unlock()
	e.remains.clear()
	e.dropUnused()
	without := outerLoads(ctx)
	err := e.loads.wait(ctx, e.loads.now(without), true)
	if err == nil {
		e.endLife()
		return nil
	}
	left := e.loads.now(without)
	for _, r := range left {
		r.ctx.end(context.Canceled)
	}
	e.endLife()
	return &CloseError{Func: e.name, Running: len(left), Err: err}
}
