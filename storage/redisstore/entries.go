package redisstore

import (
	"context"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/perennial-go/perennial/internal/redisask"
	"github.com/perennial-go/perennial/storage"
)

// Entries is a store in the layout entry: a hash for each key. It refuses, across
// processes, values that were loaded before the record was deleted or set.
type Entries struct {
	client
	clock serverClock // of a single server
}

// New makes a store in the layout entry, the default. The caller closes the client. Set
// ContextTimeoutEnabled in its options: else a call can outlast the deadline of its
// context. New panics if the client is nil or a redis.Ring.
func New(rdb redis.UniversalClient, opts ...Option) *Entries {
	return &Entries{client: newClient(rdb, layoutEntry, opts)}
}

// Get implements storage.Bytes.
func (e *Entries) Get(ctx context.Context, key string) (storage.Record, error) {
	return e.look(ctx, []string{key}, true)[0].record(ctx, &e.client, key)
}

// GetMany implements storage.BulkBytes.
func (e *Entries) GetMany(ctx context.Context, keys []string) ([]storage.Record, error) {
	looks := e.look(ctx, keys, true)
	records := make([]storage.Record, len(keys))
	var f faults
	for i, l := range looks {
		var err error
		if records[i], err = l.record(ctx, &e.client, keys[i]); err != nil {
			f.add(err)
		}
	}
	return records, f.err()
}

// Set implements storage.Bytes. A value over the limit is ErrTooLarge. Where the
// connection breaks under way it returns at the deadline of its context, with an error
// (without a deadline, after at most 5 s): until then it may still be done.
func (e *Entries) Set(ctx context.Context, key string, value []byte, keep time.Duration) error {
	return storage.FaultOf(e.SetMany(ctx, []storage.Item{{Key: key, Value: value, Keep: keep}}), 0)
}

// SetMany implements storage.BulkBytes. A broken connection is as in Set.
func (e *Entries) SetMany(ctx context.Context, items []storage.Item) error {
	var f faults
	places := make(map[string]int, len(items))
	last := make([]storage.Item, 0, len(items)) // of each key
	for i, item := range items {
		if err := e.fits(item.Key, item.Value); err != nil {
			f.add(&storage.ItemError{Item: i, Err: err})
			continue
		}
		if at, ok := places[item.Key]; ok {
			last[at] = item
			continue
		}
		places[item.Key] = len(last)
		last = append(last, item)
	}
	if len(last) > 0 {
		errs := make([]error, len(last))
		e.setAll(ctx, last, errs)
		for _, err := range errs {
			if err != nil {
				f.add(err)
			}
		}
	}
	return f.err()
}

// Add implements storage.AdderBytes. It is told from another's Add even where
// the connection is lost before the answer comes, and it is sent again; where what
// it has added was deleted meanwhile, it is an error. A broken connection is as in
// Set.
func (e *Entries) Add(ctx context.Context, key string, value []byte, keep time.Duration) (bool, error) {
	if err := e.fits(key, value); err != nil {
		return false, err
	}
	return e.addOne(ctx, storage.Item{Key: key, Value: value, Keep: keep})
}

// Touch implements storage.ToucherBytes.
func (e *Entries) Touch(ctx context.Context, keep time.Duration, keys ...string) ([]bool, error) {
	return e.each(ctx, "touch", touchScript, keys, redisask.Milliseconds(keep))
}

// Delete implements storage.Bytes. Where the connection is lost before the
// answer comes, and the command is sent again, existed is false.
func (e *Entries) Delete(ctx context.Context, key string) (existed bool, err error) {
	all, err := e.DeleteMany(ctx, []string{key})
	return all[0], err
}

// DeleteMany implements storage.BulkBytes.
func (e *Entries) DeleteMany(ctx context.Context, keys []string) ([]bool, error) {
	return e.each(ctx, "delete", deleteScript, keys)
}

// each runs a script that says yes or no on keys.
func (e *Entries) each(ctx context.Context, verb, sha string, keys []string, args ...any) ([]bool, error) {
	cmds := make([]*redis.Cmd, len(keys))
	for i, key := range keys {
		cmds[i] = script(ctx, sha, key, args...)
	}
	var f faults
	said := e.yes(ctx, verb, cmds, &f)
	return said, f.err()
}

// yes runs scripts that say yes or no.
func (e *Entries) yes(ctx context.Context, verb string, cmds []*redis.Cmd, f *faults) []bool {
	said := make([]bool, len(cmds))
	if len(cmds) == 0 {
		return said
	}
	e.run(ctx, cmds)
	for i, cmd := range cmds {
		n, err := cmd.Int64()
		if err != nil {
			f.add(explain(ctx, verb, keyOf(cmd), err))
		}
		said[i] = n == 1
	}
	return said
}
