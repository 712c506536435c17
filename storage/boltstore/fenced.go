package boltstore

import (
	"bytes"
	"context"
	"errors"
	"time"

	"github.com/perennial-go/perennial/storage"
)

// Claim returns the keys' records, with tokens for Fill. A damaged record is none,
// without an error, so that it can be filled. Claims live in memory: they end
// with the process, and are refused by the next.
func (s *Store) Claim(ctx context.Context, hold time.Duration, keys ...string) ([]storage.Claimed, error) {
	claimed := make([]storage.Claimed, len(keys))
	for i, key := range keys {
		claimed[i].Token = s.claims.take(key, hold) // before the record is read
	}
	records, err := s.GetMany(ctx, keys)
	if err != nil && !errors.Is(err, ErrRecord) {
		return nil, err
	}
	for i, rec := range records {
		claimed[i].Record = rec
	}
	return claimed, nil
}

// Fill stores the items whose claims are good, in one transaction.
func (s *Store) Fill(ctx context.Context, fills ...storage.Filling) ([]bool, error) {
	if len(fills) == 0 {
		return nil, ctx.Err()
	}
	errs := make([]error, len(fills))
	drafts := make([][]byte, len(fills))
	for i, fill := range fills {
		if err := s.fits(fill.Key, fill.Value, fill.Keep); err != nil {
			errs[i] = &storage.ItemError{Item: i, Err: err}
		} else {
			drafts[i] = draft(fill.Value)
		}
	}
	stored, err := update(ctx, s, func(t *table) ([]bool, error) {
		stored := make([]bool, len(fills))
		for i, fill := range fills {
			if drafts[i] == nil {
				continue
			}
			k := inFile(fill.Key)
			m, ok := t.admits(k, fill)
			if !ok {
				continue
			}
			if err := t.keep(k, drafts[i], fill.Keep); err != nil {
				return nil, err
			}
			t.fills[fill.Key], stored[i] = m, true
		}
		return stored, nil
	})
	if err != nil {
		stored = make([]bool, len(fills))
	}
	return stored, errors.Join(append(errs, err)...)
}

// CompareAndSwap stores the item if the record is what the claim has returned. A damaged
// record is none.
func (s *Store) CompareAndSwap(ctx context.Context, was storage.Claimed, item storage.Item) (swapped bool, err error) {
	if err := s.fits(item.Key, item.Value, item.Keep); err != nil {
		return false, err
	}
	k, r := inFile(item.Key), draft(item.Value)
	return update(ctx, s, func(t *table) (bool, error) {
		end, _, value, err := unseal(k, t.record.Get(k))
		found := err == nil && end > nanos(t.now)
		if !s.claims.good(item.Key, was.Token) || found != was.Found || found && !bytes.Equal(value, was.Value) {
			return false, nil
		}
		return true, t.set(item.Key, k, r, item.Keep)
	})
}

// admits reports whether an item may be filled, and of which claim it is then: of two
// claims the later one's value stays.
func (t *table) admits(k []byte, fill storage.Filling) (m mark, ok bool) {
	if !t.s.claims.good(fill.Key, fill.Token) {
		return m, false
	}
	m = mark{tokenPart(fill.Token, 0), tokenPart(fill.Token, 2)}
	if fill.Touch {
		m.number = tokenPart(fill.Token, 3)
	}
	filled := t.s.claims.filled(fill.Key)
	if before, found := t.fills[fill.Key]; found && before.generation == m.generation {
		filled = before.number
	}
	return m, m.number >= filled || !t.has(k)
}
