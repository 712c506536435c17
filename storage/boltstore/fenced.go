package boltstore

import (
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
			if drafts[i] == nil || !s.claims.good(fill.Key, fill.Token) {
				continue
			}
			if err := t.keep(inFile(fill.Key), drafts[i], fill.Keep); err != nil {
				return nil, err
			}
			stored[i] = true
		}
		return stored, nil
	})
	if err != nil {
		stored = make([]bool, len(fills))
	}
	return stored, errors.Join(append(errs, err)...)
}
