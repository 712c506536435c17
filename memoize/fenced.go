package memoize

import (
	"context"
	"errors"
	"math"

	"github.com/perennial-go/perennial/entry"
	"github.com/perennial-go/perennial/storage"
)

// What a storage needs that processes share and that is fenced. A load claims its key
// before it asks the source, and fills it under the claim; the storage refuses once
// another process has invalidated or set the key. The fence of the registry does the
// same within this process.

// claim claims keys for a load that begins now. The claim outlives the method
// timeout by the time that it takes to store: what comes later is not stored.
func (s *stores[A, K, V]) claim(ctx context.Context, p *plan[A, K, V], keys ...K) ([]storage.Claim[V], error) {
	write := p.limits.StoreWrite
	hold := min(p.timeout, math.MaxInt64-write) + write
	claims, err := ask(s, ctx, p, func(ctx context.Context) ([]storage.Claim[V], error) { return p.fenced.Claim(ctx, hold, keys...) })
	if s.faultOf(err, -1) == nil && len(claims) != len(keys) {
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
	claims, err := s.claim(ctx, p, key)
	if err != nil {
		return nil, nil, s.unread(ctx, p, key, err)
	}
	if err := claims[0].Err; err != nil {
		return nil, nil, s.unread(ctx, p, key, err)
	}
	return p.trusted(claims[0].Entry), &claim{token: claims[0].Token}, nil
}

// fill writes under claims. What it returns with an error counts as well, for those
// that storage.FaultOf names no fault of.
func (s *stores[A, K, V]) fill(ctx context.Context, p *plan[A, K, V], fills ...storage.Fill[K, V]) (kept []bool, err error) {
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
	err = s.write(ctx, p, change{applied: func(i int) bool { return i < len(said) && said[i] }}, op, keys...)
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
		if unanswered(err) && !(ctx.Err() != nil && errors.Is(err, ctx.Err())) {
			s.storeFault(ctx, key, err)
		}
	}
	if p.reader == nil || len(keys) < 2 {
		for i, key := range keys {
			found[i], errs[i] = ask(s, ctx, p, func(ctx context.Context) (*entry.Entry[V], error) { return p.settings.Storage.Get(ctx, key) })
			report(key, errs[i])
		}
		return found, errs
	}
	many, err := ask(s, ctx, p, func(ctx context.Context) ([]*entry.Entry[V], error) { return p.reader.GetMany(ctx, keys) })
	copy(found, many)
	for i := range errs {
		errs[i] = s.faultOf(err, i)
	}
	report(keys[0], err)
	return found, errs
}
