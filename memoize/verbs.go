package memoize

import (
	"context"
	"fmt"

	"github.com/perennial-go/perennial/entry"
	"github.com/perennial-go/perennial/eviction"
	"github.com/perennial-go/perennial/internal/keytext"
	"github.com/perennial-go/perennial/internal/runs"
	"github.com/perennial-go/perennial/statuses"
	"github.com/perennial-go/perennial/storage"
)

// The engine's verbs, as Func has them.

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
	p, err := e.changes.snapshot()
	if err == ErrClosed && !p.local {
		err = nil
	}
	return p, err
}

// peek is the entry that would be served, if any.
func (e *engine[A, K, V]) peek(ctx context.Context, arg A) (*plan[A, K, V], *entry.Entry[V]) {
	p, key, err := e.changes.prepare(ctx, arg)
	if err != nil || p.bypass {
		return p, nil
	}
	stored, _ := e.stores.look(ctx, p, key)
	if stored == nil {
		return p, nil
	}
	if _, _, state := e.time.Decide(&stored.Meta); !state.Servable() {
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
	p, err := e.changes.snapshot()
	if err != nil || p.bypass {
		return values, found
	}
	wants, _ := withKeys(e.distinct(ctx, p, args))
	e.lookAll(ctx, p, wants)
	for _, w := range wants {
		if w.current == nil {
			continue
		}
		if _, _, state := e.time.Decide(&w.current.Meta); !state.Servable() {
			continue
		}
		for _, i := range w.places {
			if found[i] = true; want {
				values[i], found[i] = e.peeked(ctx, p, w.current)
			}
		}
	}
	return values, found
}

func (e *engine[A, K, V]) has(ctx context.Context, arg A) bool {
	_, stored := e.peek(ctx, arg)
	return stored != nil
}

func (e *engine[A, K, V]) keyText(ctx context.Context, arg A) (string, error) {
	p := e.plans.current.Load()
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
	if s, ok := e.plans.current.Load().settings.Storage.(storage.Sizer); ok {
		return s.Len()
	}
	return -1
}

func (e *engine[A, K, V]) stats() Stats {
	s := e.counters.snapshot()
	s.LoadsRunning, s.RefreshesRunning = e.runs.Counts()
	if c, ok := e.statuses.(interface{ Counts() statuses.Counts }); ok {
		s.SupersededRunning = c.Counts().Superseded
	}
	p := e.plans.current.Load()
	s.MethodTimeout = p.timeout
	s.MaxLoads, s.MaxBackground, s.MaxRunaway = p.limits.MaxLoads, p.limits.MaxBackground, p.limits.MaxRunaway
	if p.guard != nil {
		s.MaxLoads, s.Guard = -1, p.guard.Name()
	}
	s.StoreDown = p.breaker != nil && !p.breaker.Closed()
	s.Entries, s.Weight, s.Capacity = -1, -1, -1
	if err := safely(func() error { p.size(&s); return nil }); err != nil {
		_ = e.panicked(e.life, err)
	}
	return s
}

// size asks the storage and the strategy how much there is.
func (p *plan[A, K, V]) size(s *Stats) {
	if held, ok := p.settings.Storage.(storage.Sizer); ok {
		s.Entries = held.Len()
	}
	if held, ok := p.settings.Eviction.(eviction.Weighted); ok {
		s.Weight = held.Weight()
	}
	if held, ok := p.settings.Eviction.(eviction.Bounded); ok {
		s.Capacity = held.Capacity()
	}
}

// waitLoads waits for what runs now, except the loads that it is called in.
func (e *engine[A, K, V]) waitLoads(ctx context.Context) error {
	slot := runs.SlotOf(ctx)
	slot.Park()
	defer slot.Resume(ctx)
	return e.runs.Wait(ctx, e.runs.Others(ctx), false)
}

// close lets nothing begin any more and waits for what runs, late loads too.
func (e *engine[A, K, V]) close(ctx context.Context) error {
	e.plans.close(e.dynamicKeys)
	e.stores.sweeper.Stop()
	e.gatherer.sendAll()
	e.runs.Close() // by each who closes: none may look for what runs before nothing begins any more
	e.cleanup.run()
	e.plans.dropUnused()
	err := e.runs.Wait(ctx, e.runs.Others(ctx), true)
	if err == nil {
		e.emptyForGood()
		e.endLife()
		return nil
	}
	left := e.runs.Others(ctx)
	for _, r := range left {
		r.Context.End(context.Canceled)
	}
	e.emptyForGood()
	e.endLife()
	return &CloseError{Func: e.name, Running: len(left), Err: err}
}
