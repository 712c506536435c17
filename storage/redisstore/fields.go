package redisstore

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/perennial-go/perennial/internal/redisask"
	"github.com/perennial-go/perennial/storage"
)

// Fields is a store in the layout field: one hash, a field a key, as ring's
// redis_hash has it. Records have no time of their own: one that is set with any
// Keep above zero stays until it is deleted, and what the entry in it says of its
// life is what counts. Nothing removes what has expired but a later value, so
// the hash grows with the keys that are ever used. In a cluster all of it is on
// one node.
type Fields struct {
	client
	hash string
}

// NewFields makes a store in the layout field, in the hash of this name: see New
// for the client.
func NewFields(rdb redis.UniversalClient, hash string, opts ...Option) *Fields {
	return &Fields{newClient(rdb, layoutField, opts), hash}
}

// String says where the store is and what layout it has.
func (s *Fields) String() string { return s.client.String() + " in " + s.hash }

// Get implements storage.Bytes. Left is always zero: it can't be told.
func (s *Fields) Get(ctx context.Context, key string) (storage.Record, error) {
	cmd := redis.NewStringCmd(ctx, "hget", s.hash, key)
	s.send(ctx, cmd)
	text, err := cmd.Result()
	if errors.Is(err, redis.Nil) {
		return storage.Record{}, nil
	}
	if err != nil {
		return storage.Record{}, explain(ctx, "get", s.hash, err)
	}
	return s.record(key, text)
}

func (s *Fields) record(key, text string) (storage.Record, error) {
	value, err := s.read(key, text)
	if err != nil {
		return storage.Record{}, err
	}
	return storage.Record{Value: value, Found: true}, nil
}

// GetMany implements storage.BulkBytes.
func (s *Fields) GetMany(ctx context.Context, keys []string) ([]storage.Record, error) {
	records := make([]storage.Record, len(keys))
	if len(keys) == 0 {
		return records, nil
	}
	args := make([]any, 0, 2+len(keys))
	args = append(args, "hmget", s.hash)
	for _, key := range keys {
		args = append(args, key)
	}
	cmd := redis.NewCmd(ctx, args...) // redis.SliceCmd takes an answer that is a number for a length
	s.send(ctx, cmd)
	said, err := cmd.Result()
	if err != nil {
		return records, explain(ctx, "get", s.hash, err)
	}
	values, ok := said.([]any)
	if !ok || len(values) != len(keys) {
		return records, fmt.Errorf("redisstore: get %q: %w", s.hash, redisask.ErrAnswer)
	}
	var f faults
	for i, value := range values {
		if text, ok := value.(string); ok {
			if records[i], err = s.record(keys[i], text); err != nil {
				f.add(err)
			}
		}
	}
	return records, f.err()
}

// Set implements storage.Bytes, but for the time. A value over the limit is
// ErrTooLarge.
func (s *Fields) Set(ctx context.Context, key string, value []byte, keep time.Duration) error {
	return storage.FaultOf(s.SetMany(ctx, []storage.Item{{Key: key, Value: value, Keep: keep}}), 0)
}

// SetMany implements storage.BulkBytes, but for the time.
func (s *Fields) SetMany(ctx context.Context, items []storage.Item) error {
	var f faults
	cmds, hashes := make([]redis.Cmder, 0, len(items)), make([]string, 0, len(items))
	for i, item := range items {
		if err := s.fits(item.Key, item.Value); err != nil {
			f.add(&storage.ItemError{Item: i, Err: err})
			continue
		}
		cmd := redis.NewIntCmd(ctx, "hset", s.hash, item.Key, item.Value)
		if item.Keep <= 0 {
			cmd = redis.NewIntCmd(ctx, "hdel", s.hash, item.Key)
		}
		cmds, hashes = append(cmds, cmd), append(hashes, s.hash)
	}
	s.done(ctx, "set", hashes, cmds, &f)
	return f.err()
}

// Add implements storage.AdderBytes, but for the time. Where the connection is
// lost before the answer comes, and the command is sent again, it may not be
// told from another's Add: added is false then.
func (s *Fields) Add(ctx context.Context, key string, value []byte, keep time.Duration) (bool, error) {
	if err := s.fits(key, value); err != nil {
		return false, err
	}
	if keep <= 0 {
		has, err := s.each(ctx, "add", []string{key}, "hexists")
		return !has[0] && err == nil, err
	}
	added, err := s.each(ctx, "add", []string{key}, "hsetnx", value)
	return added[0], err
}

// Delete implements storage.Bytes. Where the connection is lost before the
// answer comes, and the command is sent again, existed is false.
func (s *Fields) Delete(ctx context.Context, key string) (existed bool, err error) {
	all, err := s.DeleteMany(ctx, []string{key})
	return all[0], err
}

// DeleteMany implements storage.BulkBytes.
func (s *Fields) DeleteMany(ctx context.Context, keys []string) ([]bool, error) {
	return s.each(ctx, "delete", keys, "hdel")
}

// Keys implements storage.ListerBytes. The server sends the values too.
func (s *Fields) Keys(ctx context.Context, prefix string) iter.Seq2[string, error] {
	return flat(s.scanFields(ctx, "keys", prefix))
}

// Clear implements storage.ListerBytes. The server sends the values too.
func (s *Fields) Clear(ctx context.Context, prefix string) error {
	for keys, err := range s.scanFields(ctx, "clear", prefix) {
		if err != nil {
			return err
		}
		if _, err := s.each(ctx, "clear", keys, "hdel"); err != nil {
			return err
		}
	}
	return nil
}

// scanFields is scan within the hash.
func (s *Fields) scanFields(ctx context.Context, verb, prefix string) iter.Seq2[[]string, error] {
	return func(yield func([]string, error) bool) {
		for cursor := uint64(0); ; {
			if err := ctx.Err(); err != nil {
				yield(nil, explain(ctx, verb, s.hash, err))
				return
			}
			var both []string // names and values in turn
			err := redisask.Do(func() (err error) {
				both, cursor, err = s.redis.HScan(ctx, s.hash, cursor, plain(prefix), batch).Result()
				return err
			})
			if err != nil {
				yield(nil, explain(ctx, verb, s.hash, err))
				return
			}
			keys := make([]string, 0, len(both)/2)
			for i := 0; i+1 < len(both); i += 2 {
				keys = append(keys, both[i])
			}
			if len(keys) > 0 && !yield(keys, nil) || cursor == 0 {
				return
			}
		}
	}
}

// each runs a command that counts fields on one key each.
func (s *Fields) each(ctx context.Context, verb string, keys []string, command string, args ...any) ([]bool, error) {
	cmds, hashes := make([]redis.Cmder, len(keys)), make([]string, len(keys))
	for i, key := range keys {
		cmds[i], hashes[i] = redis.NewIntCmd(ctx, append([]any{command, s.hash, key}, args...)...), s.hash
	}
	return s.count(ctx, verb, hashes, cmds)
}
