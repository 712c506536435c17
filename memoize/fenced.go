package memoize

import (
	"context"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/perennial-go/perennial/entry"
	"github.com/perennial-go/perennial/observe"
	"github.com/perennial-go/perennial/storage"
)

// What a storage needs that processes share and that is fenced. A load claims its key
// before it asks the source, and fills it under the claim; the storage refuses once
// another process has invalidated or set the key. The fence of the registry does the
// same within this process.

// claim claims keys for a load that begins now. The claim outlives the method timeout by
// the time that the load may wait for its guard, and that it takes to store: what comes
// later is not stored.
func (s *stores[A, K, V]) claim(ctx context.Context, p *plan[A, K, V], must bool, keys ...K) ([]storage.Claim[V], error) {
	write := p.limits.StoreWrite
	hold := p.timeout
	for _, more := range []time.Duration{write, p.queueTimeout()} {
		hold = min(hold, math.MaxInt64-more) + more
	}
	claims, err := ask(s, ctx, p, must, keys[0], len(keys), func(ctx context.Context) ([]storage.Claim[V], error) { return p.fenced.Claim(ctx, hold, keys...) })
	if s.core.faultOf(err, -1) == nil && len(claims) != len(keys) {
		err = errShort
	}
	return claims, err
}

// lookToFill is look with a claim, for who is to store something in place of what
// is there.
func (s *stores[A, K, V]) lookToFill(ctx context.Context, p *plan[A, K, V], key K) (current *entry.Entry[V], c *claim, err error) {
	if p.doubt.Has(key) {
		return nil, nil, nil
	}
	claims, err := s.claim(ctx, p, true, key)
	if err != nil {
		return nil, nil, s.unread(ctx, p, key, err)
	}
	if err := claims[0].Err; err != nil {
		return nil, nil, s.unread(ctx, p, key, err)
	}
	return p.trusted(claims[0].Entry), &claim{token: claims[0].Token}, nil
}

// lookToSwap is look with a claim, for an Update. What it can't see it must not replace: a
// storage that does not answer, or is in doubt, is an error.
func (s *stores[A, K, V]) lookToSwap(ctx context.Context, p *plan[A, K, V], key K) (current *entry.Entry[V], was *storage.Claim[V], err error) {
	if p.doubt.Has(key) {
		return nil, nil, fmt.Errorf("%w: %w", ErrUnavailable, errInDoubt)
	}
	write := p.limits.StoreWrite
	hold := min(p.timeout, math.MaxInt64-write) + write
	claims, err := ask(s, ctx, p, true, key, 1, func(ctx context.Context) ([]storage.Claim[V], error) { return p.swapper.Claim(ctx, hold, key) })
	if err == nil && len(claims) != 1 {
		err = errShort
	}
	if err != nil {
		if ctx.Err() == nil || !errors.Is(err, ctx.Err()) {
			s.core.storeFault(ctx, key, err)
			err = notStored(err)
		}
		return nil, nil, err
	}
	was = &claims[0]
	if was.Err != nil { // counts as missing
		if err := s.unread(ctx, p, key, was.Err); err != nil {
			return nil, nil, err
		}
	}
	if was.Entry != nil && p.doubt.Reject(was.Entry.Created()) {
		return nil, nil, fmt.Errorf("%w: %w", ErrUnavailable, errInDoubt)
	}
	return p.trusted(was.Entry), was, nil
}

var errInDoubt = errors.New("a write of the key has failed before, so that it is not known whether what is stored is still true: invalidate or set it first")

// swap stores an entry in place of what an Update has found, if it is still that. It leaves
// no doubt if it fails: what is stored is true whether it was replaced or not, and the
// storage refuses what comes after something else.
func (s *stores[A, K, V]) swap(ctx context.Context, p *plan[A, K, V], key K, was *storage.Claim[V], e *entry.Entry[V]) (swapped bool, err error) {
	got := make(chan bool, 1)
	op := func(ctx context.Context) error {
		swapped, err := p.swapper.CompareAndSwap(ctx, key, *was, e)
		got <- swapped
		return err
	}
	ticket, _ := s.enter(p, true)
	began := s.core.time.Steady()
	if s.keepsTime(p) {
		err = s.budget.Within(ctx, p.limits.StoreWrite, op)
	} else {
		err = s.budget.Run(ctx, p.limits.StoreWrite, func(error, bool) {}, op)
	}
	s.core.counters.storeWrites.add(s.core.time.Steady().Sub(began))
	s.leave(ctx, p, ticket, key, 1, err)
	if err != nil {
		err = s.core.hiding(err)
		s.core.storeFault(ctx, key, err)
		return false, err
	}
	s.core.problemOver(ctx, observe.StoreFault, observe.StoreOK)
	return <-got, nil
}

// notSwapped is the error of an Update for a fault of the storage.
func notSwapped(fault error) error {
	if mayArrive(fault) {
		return unknownError{fault}
	}
	return notStored(fault)
}

// unknownError says that a change may have been made. It matches ErrUnavailable, whose
// text would have the caller make it again.
type unknownError struct{ fault error }

func (e unknownError) Error() string {
	return "it is not known whether the new value is stored: look at it before you change it again: " + e.fault.Error()
}

func (e unknownError) Unwrap() []error { return []error{ErrUnavailable, e.fault} }

// fill writes under claims. What it returns with an error counts as well, for those
// that storage.FaultOf names no fault of.
func (s *stores[A, K, V]) fill(ctx context.Context, p *plan[A, K, V], must bool, fills ...storage.Fill[K, V]) (kept []bool, err error) {
	keys := make([]K, len(fills))
	for i, f := range fills {
		keys[i] = f.Key
	}
	got := make(chan []bool, 1)
	var said []bool // of the goroutine that op runs on, as applied does
	op := func(ctx context.Context) error {
		kept, err := p.fenced.Fill(ctx, fills...)
		if err == nil && len(kept) != len(fills) {
			err = errShort
		}
		said = kept
		got <- kept
		return err
	}
	// One that is refused tells nothing of what is stored, and one that arrives late is
	// refused where it would bring back what was invalidated.
	err = s.write(ctx, p, change{must: must, applied: func(i int) bool { return i < len(said) && said[i] }}, op, keys...)
	select {
	case kept = <-got:
	default: // it has panicked, or is too slow
	}
	if len(kept) != len(fills) {
		kept = make([]bool, len(fills))
	}
	return kept, err
}

var errShort = errors.New("memoize: the storage has answered for fewer keys than it was asked for: its GetMany, Claim and Fill must answer for each")

// claim is a key's claim, and the number of its fill.
type claim struct {
	token  string
	filled uint64
}

// unanswered tells whether an error says that the storage did not answer.
func unanswered(err error) bool { return err != nil && !errors.Is(err, storage.ErrUnreadable) }

// readEach reads keys, in one round trip if the storage can, and reports faults. Each
// key has an error of its own.
func (s *stores[A, K, V]) readEach(ctx context.Context, p *plan[A, K, V], keys []K) (found []*entry.Entry[V], errs []error) {
	found, errs = make([]*entry.Entry[V], len(keys)), make([]error, len(keys))
	report := func(key K, err error) {
		if err != errSpared && unanswered(err) && !(ctx.Err() != nil && errors.Is(err, ctx.Err())) {
			s.core.storeFault(ctx, key, err)
		}
	}
	if p.reader == nil || len(keys) < 2 {
		for i, key := range keys {
			found[i], errs[i] = ask(s, ctx, p, false, key, 1, func(ctx context.Context) (*entry.Entry[V], error) { return p.settings.Storage.Get(ctx, key) })
			report(key, errs[i])
		}
		return found, errs
	}
	many, err := ask(s, ctx, p, false, keys[0], len(keys), func(ctx context.Context) ([]*entry.Entry[V], error) { return p.reader.GetMany(ctx, keys) })
	copy(found, many)
	for i := range errs {
		errs[i] = s.core.faultOf(err, i)
	}
	report(keys[0], err)
	return found, errs
}
