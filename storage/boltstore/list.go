package boltstore

import (
	"bytes"
	"context"
	"iter"

	"go.etcd.io/bbolt"
)

// slice is how many keys Keys and Clear take at a time, so that neither a slow
// consumer nor a large store holds pages or writers up.
const slice = 1024

// Keys yields the keys that begin with the prefix, in order.
func (s *Store) Keys(ctx context.Context, prefix string) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		for from := inFile(prefix); from != nil; {
			var keys []string
			err := s.view(ctx, func(records *bbolt.Cursor) error {
				now := nanos(s.options.Clock.Now())
				k, r := records.Seek(from)
				from = nil
				for seen := 0; k != nil && bytes.HasPrefix(k[1:], []byte(prefix)); k, r = records.Next() {
					if seen++; seen > slice {
						from = bytes.Clone(k)
						break
					}
					if end, _, _, err := unseal(k, r); err == nil && end > now {
						keys = append(keys, string(k[1:]))
					}
				}
				return nil
			})
			if err != nil {
				yield("", err)
				return
			}
			for _, key := range keys {
				if !yield(key, nil) {
					return
				}
			}
		}
	}
}

// Clear deletes what begins with the prefix, in transactions of a thousand
// records or so.
func (s *Store) Clear(ctx context.Context, prefix string) error {
	for from := inFile(prefix); from != nil; {
		next, err := update(ctx, s, func(t *table) (next []byte, err error) {
			t.dropAll(prefix)
			var keys [][]byte
			c := t.record.Cursor()
			for k, _ := c.Seek(from); k != nil && bytes.HasPrefix(k[1:], []byte(prefix)); k, _ = c.Next() {
				if len(keys) == slice {
					next = bytes.Clone(k)
					break
				}
				keys = append(keys, bytes.Clone(k))
			}
			for _, k := range keys {
				if err := t.remove(k); err != nil {
					return nil, err
				}
			}
			return next, nil
		})
		if err != nil {
			return err
		}
		from = next
	}
	return nil
}
