package memoize

import (
	"context"
	"errors"

	"github.com/perennial-go/perennial/internal/doubts"
	"github.com/perennial-go/perennial/internal/storebudget"
	"github.com/perennial-go/perennial/observe"
	"github.com/perennial-go/perennial/storage"
)

// change is what a write does to what is stored, as far as doubts go.
type change struct {
	must    bool             // a caller wants it, so it is made whether the storage answers or not
	brings  bool             // it stores something, which may arrive late
	fences  bool             // what was stored before must not be found any more
	applied func(i int) bool // whether it has changed what is stored for the i-th key, nil where no error says so
}

// write changes what is stored for keys. A failure is reported, and leaves them in doubt,
// unless the storage was not asked because it does not answer. Values that wait for their
// store to come back are no failures, for until then the storage itself answers with them;
// nor do they end a doubt.
func (s *stores[A, K, V]) write(ctx context.Context, p *plan[A, K, V], how change, op func(ctx context.Context) error, keys ...K) error {
	if p.local {
		err := s.core.hiding(safely(func() error { return op(ctx) }))
		if err != nil {
			s.core.storeFault(ctx, keys[0], err)
		}
		return err
	}
	ticket, ok := s.enter(p, how.must)
	if !ok {
		return errSpared
	}
	began := s.core.time.Steady() // doubts of what is late are no matter of the wall clock
	writes := make([]doubts.Write, len(keys))
	for i, key := range keys {
		writes[i] = p.doubt.Begin(key, how.fences, began)
	}
	ended := func(err error, left bool) {
		now := s.core.time.Steady()
		for i, wr := range writes {
			fault, late := storage.FaultOf(err, i), doubts.LongAgo
			if how.brings && !p.ordered && mayArrive(fault) {
				late = now.Add(doubts.Lateness)
			}
			p.doubt.End(wr, fault == nil && !left && (how.applied == nil || how.applied(i)), now, late)
		}
	}
	var err error
	if s.keepsTime(p) {
		err = s.budget.Within(ctx, p.limits.StoreWrite, op)
		ended(err, false)
	} else {
		err = s.budget.Run(ctx, p.limits.StoreWrite, ended, op)
	}
	s.core.counters.storeWrites.add(s.core.time.Steady().Sub(began))
	s.leave(ctx, p, ticket, keys[0], len(keys), err)
	if how.brings {
		err = notQueued(err, len(keys))
	}
	if err != nil {
		now := s.core.time.Now()
		for i, wr := range writes {
			if fault := storage.FaultOf(err, i); fault != nil && !errors.Is(fault, storage.ErrUnstorable) {
				p.doubt.Suspect(wr, now)
			}
		}
		err = s.core.hiding(err)
		s.core.storeFaults(ctx, keys, err)
		return err
	}
	s.core.problemOver(ctx, observe.StoreFault, observe.StoreOK)
	return nil
}

// mayArrive tells whether what a write was to store may be under way, though the
// write has come back with this fault.
func mayArrive(fault error) bool {
	return fault != nil && fault != storebudget.ErrBusy && !errors.Is(fault, storage.ErrRefused) && !errors.Is(fault, storage.ErrUnstorable) && !errors.Is(fault, storage.ErrQueued)
}

// notQueued is the error of those of so many keys that do not merely wait for
// their store to come back.
func notQueued(err error, keys int) error {
	if !errors.Is(err, storage.ErrQueued) {
		return err
	}
	var faults []error
	for i := range keys {
		if fault := storage.FaultOf(err, i); fault != nil && !errors.Is(fault, storage.ErrQueued) {
			faults = append(faults, &storage.ItemError{Item: i, Err: fault})
		}
	}
	return errors.Join(faults...)
}
