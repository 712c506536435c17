package resilient

import (
	"bytes"
	"context"
	"errors"
	"iter"
	"slices"

	"github.com/perennial-go/perennial/storage"
)

// BulkCache is a Cache over a store that takes many keys at a time and lists its keys.
type BulkCache struct {
	*Cache
	store BulkStore
}

var _ interface {
	storage.BulkBytes
	storage.ListerBytes
} = (*BulkCache)(nil)

// BulkStore is a store that a BulkCache can be made over, such as those of redisstore.New
// and storage.NewMemory.
type BulkStore interface {
	FencedStore
	storage.BulkBytes
	storage.ListerBytes
}

// NewBulkCache makes a BulkCache over a store, which stays the caller's to close.
//
//	cache, err := resilient.NewBulkCache(redisstore.New(client))
//	store, err := storage.Share(cache, storage.Prefix("svc:"))
//	users, err := memoize.New(db.LoadUser, config.Store(store), config.Name("users"))
func NewBulkCache(store BulkStore, opts ...Option) (*BulkCache, error) {
	if store == nil {
		return nil, errors.New("resilient: the store is nil: give it one, such as redisstore.New(client)")
	}
	c, err := NewCache(store, opts...)
	if err != nil {
		return nil, err
	}
	return &BulkCache{c, store}, nil
}

// GetMany is Get for many keys, in one round trip.
func (c *BulkCache) GetMany(ctx context.Context, keys []string) ([]storage.Record, error) {
	s := c.s
	found := make([]storage.Record, len(keys))
	epochs := make([]uint64, len(keys))
	var there []string
	var errs []error
	here := func(i int) {
		r, err := s.known(keys[i])
		found[i] = cloned(r)
		if err != nil {
			errs = append(errs, &storage.ItemError{Item: i, Err: err})
		}
	}
	places, generation, err := s.split(ctx, len(keys), func(i int) bool {
		if s.local(keys[i]) {
			here(i)
			return true
		}
		epochs[i] = s.mirror.mark(keys[i]).own
		there = append(there, keys[i])
		return false
	})
	if err != nil {
		return nil, err
	}
	if len(there) == 0 {
		return found, errors.Join(errs...)
	}
	var records []storage.Record
	verdict, err := s.link.call(ctx, generation, there[0], func(ctx context.Context) (err error) {
		records, err = c.store.GetMany(ctx, there)
		return err
	})
	s.lock()
	defer s.unlock()
	if verdict.away() {
		for _, i := range places {
			here(i)
		}
		return found, errors.Join(errs...)
	}
	for n, i := range places[:min(len(places), len(records))] {
		found[i] = records[n]
		if storage.FaultOf(err, n) == nil {
			c.remember(keys[i], epochs[i], records[n])
		}
	}
	return found, errors.Join(append(errs, placed(err, places)...)...)
}

// SetMany is Set for many items, in one round trip unless changes to one of them wait. If
// some are queued, the error matches storage.ErrQueued.
func (c *BulkCache) SetMany(ctx context.Context, items []storage.Item) error {
	_, err := c.many(ctx, items, func(ctx context.Context) ([]bool, error) {
		return nil, c.store.SetMany(ctx, items)
	}, func(item storage.Item) (bool, error) {
		return false, c.Set(ctx, item.Key, item.Value, item.Keep)
	})
	return err
}

// DeleteMany is Delete for many keys, in one round trip unless changes to one of them
// wait. If some are queued, the error matches storage.ErrQueued.
func (c *BulkCache) DeleteMany(ctx context.Context, keys []string) ([]bool, error) {
	items := make([]storage.Item, len(keys))
	for i, key := range keys {
		items[i].Key = key
	}
	return c.many(ctx, items, func(ctx context.Context) ([]bool, error) {
		return c.store.DeleteMany(ctx, keys)
	}, func(item storage.Item) (bool, error) {
		return c.Delete(ctx, item.Key)
	})
}

// many changes many keys at once, or else one after the other, which queues them.
func (c *BulkCache) many(ctx context.Context, items []storage.Item, all func(context.Context) ([]bool, error), each func(item storage.Item) (bool, error)) ([]bool, error) {
	if err := ctx.Err(); err != nil || len(items) == 0 {
		return nil, err
	}
	existed, done, err := c.atOnce(ctx, items, all)
	if done {
		return existed, err
	}
	existed = make([]bool, len(items))
	var errs []error
	for i, item := range items {
		was, err := each(item)
		existed[i] = was
		if err != nil {
			errs = append(errs, &storage.ItemError{Item: i, Err: err})
		}
	}
	return existed, errors.Join(errs...)
}

// atOnce changes many keys in the store, unless it is away or changes to one of them
// wait.
func (c *BulkCache) atOnce(ctx context.Context, items []storage.Item, all func(context.Context) ([]bool, error)) (existed []bool, done bool, _ error) {
	s := c.s
	keys := make([]string, len(items))
	for i, item := range items {
		keys[i] = item.Key
	}
	slices.Sort(keys) // so that two callers can't wait for each other
	keys = slices.Compact(keys)
	for _, key := range keys {
		if err := s.keys.lock(ctx, key); err != nil {
			return nil, true, err
		}
		defer s.keys.unlock(key)
	}
	if err := s.lockOpen(); err != nil {
		return nil, true, err
	}
	generation := s.breaker.generation
	local := slices.ContainsFunc(keys, s.local)
	s.unlock()
	if local {
		return nil, false, nil
	}
	verdict, err := s.link.call(ctx, generation, keys[0], func(ctx context.Context) (err error) {
		existed, err = all(ctx)
		return err
	})
	s.lock()
	defer s.unlock()
	now := s.clock.Now()
	for _, item := range items {
		change := s.backend.change(item, "")
		if err != nil {
			s.mirror.doubt(change)
			continue
		}
		mine := newCopy(item.Key, bytes.Clone(item.Value), item.Keep, now)
		mine.versions = []string{versionAfter(change)}
		s.mirror.epochs.changed(item.Key)
		s.mirror.put(mine)
	}
	return existed, !verdict.away(), err
}

// Keys is Store.Keys.
func (c *BulkCache) Keys(ctx context.Context, prefix string) iter.Seq2[string, error] {
	return c.s.Keys(ctx, prefix)
}

// Clear deletes the records whose keys begin with the prefix, and the changes that wait
// for them. It does not wait itself: while the store is away it returns ErrAway, and has
// done nothing. It may take as long as its context allows.
func (c *BulkCache) Clear(ctx context.Context, prefix string) error {
	s := c.s
	if err := s.enter(ctx); err != nil {
		return err
	}
	if s.breaker.away() {
		defer s.unlock()
		return s.errAway()
	}
	generation := s.breaker.generation
	s.unlock()
	if err := safely(ctx, func(ctx context.Context) error { return c.store.Clear(ctx, prefix) }); err != nil {
		if ctx.Err() == nil {
			s.fail(generation, prefix, err)
		}
		return err
	}
	s.lock()
	defer s.unlock()
	s.clear(prefix)
	return nil
}

// placed translates the error of a call for some of the caller's items to their places
// among all of them.
func placed(err error, places []int) (errs []error) {
	if err == nil {
		return nil
	}
	if storage.FaultOf(err, -1) != nil { // of the whole call
		return []error{err}
	}
	for i, place := range places {
		if fault := storage.FaultOf(err, i); fault != nil {
			errs = append(errs, &storage.ItemError{Item: place, Err: fault})
		}
	}
	return errs
}
