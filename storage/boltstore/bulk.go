package boltstore

import (
	"context"
	"errors"
	"time"

	"github.com/perennial-go/perennial/storage"
	"go.etcd.io/bbolt"
)

// GetMany returns the records of the keys as they were at one instant.
func (s *Store) GetMany(ctx context.Context, keys []string) ([]storage.Record, error) {
	if len(keys) == 0 {
		return nil, ctx.Err()
	}
	found := make([]storage.Record, len(keys))
	var errs []error
	err := s.view(ctx, func(records *bbolt.Cursor) error {
		now := s.options.Clock.Now()
		for i, key := range keys {
			var err error
			if found[i], err = read(records, key, now); err != nil {
				errs = append(errs, err)
			}
		}
		return nil
	})
	if err != nil {
		return make([]storage.Record, len(keys)), err
	}
	return found, errors.Join(errs...)
}

// SetMany stores the items in one transaction, except for those that are ErrKey
// or ErrTooLarge.
func (s *Store) SetMany(ctx context.Context, items []storage.Item) error {
	var errs []error
	var good []storage.Item
	for i, item := range items {
		if err := s.fits(item.Key, item.Value, item.Keep); err != nil {
			errs = append(errs, &storage.ItemError{Item: i, Err: err})
			continue
		}
		item.Value = draft(item.Value)
		good = append(good, item)
	}
	if len(good) > 0 {
		_, err := update(ctx, s, func(t *table) (struct{}, error) {
			for _, item := range good {
				if err := t.set(item.Key, inFile(item.Key), item.Value, item.Keep); err != nil {
					return struct{}{}, err
				}
			}
			return struct{}{}, nil
		})
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// set is what Set does once the record has been drafted.
func (t *table) set(key string, k, r []byte, keep time.Duration) error {
	t.drop(key)
	return t.keep(k, r, keep)
}

// keep stores a record for a time, or deletes it.
func (t *table) keep(k, r []byte, keep time.Duration) error {
	if keep <= 0 {
		return t.remove(k)
	}
	return t.put(k, r, endOf(t.now, keep))
}

// DeleteMany drops records in one transaction.
func (s *Store) DeleteMany(ctx context.Context, keys []string) ([]bool, error) {
	if len(keys) == 0 {
		return nil, ctx.Err()
	}
	return update(ctx, s, func(t *table) ([]bool, error) {
		there := make([]bool, len(keys))
		for i, key := range keys {
			k := inFile(key)
			there[i] = t.has(k)
			t.drop(key)
			if err := t.remove(k); err != nil {
				return nil, err
			}
		}
		return there, nil
	})
}
