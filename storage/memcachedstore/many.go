package memcachedstore

import (
	"context"
	"errors"

	"github.com/bradfitz/gomemcache/memcache"
	"github.com/perennial-go/perennial/storage"
)

// GetMany returns the records of the keys, in their order, in one round trip to
// each server that has some of them, as storage.BulkReaderBytes has it. What
// storage.BulkBytes has besides would need a trip for each key.
func (s *Store) GetMany(ctx context.Context, keys []string) ([]storage.Record, error) {
	if len(keys) == 0 {
		return nil, ctx.Err()
	}
	ks := make([]string, len(keys))
	for i, key := range keys {
		ks[i] = onServer(key)
	}
	items, err := s.getMany(ctx, ks)
	errs := []error{err}
	now := s.clock.Now()
	found := make([]storage.Record, len(keys))
	for i, k := range ks {
		item := items[k]
		if item == nil {
			continue
		}
		r, err := recordIn(k, item)
		if err != nil {
			errs = append(errs, about(keys[i], err))
			continue
		}
		found[i] = r.found(now)
	}
	return found, errors.Join(errs...)
}

// getMany returns what the servers have, those that answer.
func (s *Store) getMany(ctx context.Context, ks []string) (map[string]*memcache.Item, error) {
	perNode := map[*node][]string{}
	asked := map[string]bool{}
	for _, k := range ks {
		if !asked[k] {
			asked[k] = true
			n := s.nodeOf(k)
			perNode[n] = append(perNode[n], k)
		}
	}
	answers := make([]map[string]*memcache.Item, len(s.nodes))
	err := sideBySide(len(s.nodes), len(s.nodes), func(i int) (err error) {
		n := s.nodes[i]
		if len(perNode[n]) == 0 {
			return nil
		}
		answers[i], err = call(ctx, s, n, func(c *memcache.Client) (map[string]*memcache.Item, error) { return c.GetMulti(perNode[n]) })
		return err
	})
	all := make(map[string]*memcache.Item, len(asked))
	for _, answer := range answers {
		for k, item := range answer {
			all[k] = item
		}
	}
	return all, err
}
