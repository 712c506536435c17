package redisstore

import (
	"context"
	"errors"
	"iter"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/perennial-go/perennial/internal/redisask"
	"github.com/perennial-go/perennial/storage"
)

// Strings is a store in the layout string: one string a key, as SET and GET have
// it, to share with programs that know nothing of this one. It can't fence: a
// value that was loaded before another process deleted the record may be stored
// after. It needs no scripts.
type Strings struct{ client }

// NewStrings makes a store in the layout string: see New for the client.
func NewStrings(rdb redis.UniversalClient, opts ...Option) *Strings {
	return &Strings{newClient(rdb, layoutString, opts)}
}

// glance is what is left of a key, its value, and what is left once more, for
// others may replace the value between one command and the next: the smaller
// time is one that the value has. Only a value that is replaced twice meanwhile,
// before and after it is read, can be given the time of another.
type glance struct {
	before, after *redis.IntCmd
	value         *redis.StringCmd
}

func glanceAt(ctx context.Context, key string) glance {
	return glance{redis.NewIntCmd(ctx, "pttl", key), redis.NewIntCmd(ctx, "pttl", key), redis.NewStringCmd(ctx, "get", key)}
}

func (g glance) record(ctx context.Context, c *client, key string) (storage.Record, error) {
	text, err := g.value.Result()
	if errors.Is(err, redis.Nil) {
		return storage.Record{}, nil
	}
	for _, err := range []error{g.before.Err(), err, g.after.Err()} {
		if err != nil {
			return storage.Record{}, explain(ctx, "get", key, err)
		}
	}
	before, after := g.before.Val(), g.after.Val()
	if before == redisask.Forever {
		before = after
	}
	if after == redisask.Forever {
		after = before
	}
	ms := min(before, after)
	if ms == 0 || ms < redisask.Forever {
		return storage.Record{}, nil
	}
	value, err := c.read(key, text)
	if err != nil {
		return storage.Record{}, err
	}
	return storage.Record{Value: value, Left: redisask.Duration(ms), Found: true}, nil
}

// Get implements storage.Bytes.
func (s *Strings) Get(ctx context.Context, key string) (storage.Record, error) {
	g := glanceAt(ctx, key)
	s.send(ctx, g.before, g.value, g.after)
	return g.record(ctx, &s.client, key)
}

// GetMany implements storage.BulkBytes.
func (s *Strings) GetMany(ctx context.Context, keys []string) ([]storage.Record, error) {
	if len(keys) == 0 {
		return nil, nil
	}
	glances, cmds := make([]glance, len(keys)), make([]redis.Cmder, 0, 3*len(keys))
	for i, key := range keys {
		g := glanceAt(ctx, key)
		glances[i], cmds = g, append(cmds, g.before, g.value, g.after)
	}
	s.send(ctx, cmds...)
	records := make([]storage.Record, len(keys))
	var f faults
	for i, g := range glances {
		var err error
		if records[i], err = g.record(ctx, &s.client, keys[i]); err != nil {
			f.add(err)
		}
	}
	return records, f.err()
}

// Set implements storage.Bytes. A value over the limit is ErrTooLarge.
func (s *Strings) Set(ctx context.Context, key string, value []byte, keep time.Duration) error {
	return storage.FaultOf(s.SetMany(ctx, []storage.Item{{Key: key, Value: value, Keep: keep}}), 0)
}

// SetMany implements storage.BulkBytes.
func (s *Strings) SetMany(ctx context.Context, items []storage.Item) error {
	var f faults
	cmds, keys := make([]redis.Cmder, 0, len(items)), make([]string, 0, len(items))
	for i, item := range items {
		if err := s.fits(item.Key, item.Value); err != nil {
			f.add(&storage.ItemError{Item: i, Err: err})
			continue
		}
		cmds, keys = append(cmds, setString(ctx, item)), append(keys, item.Key)
	}
	s.done(ctx, "set", keys, cmds, &f)
	return f.err()
}

func setString(ctx context.Context, item storage.Item) redis.Cmder {
	switch k := redisask.Milliseconds(item.Keep); k {
	case 0:
		return redis.NewIntCmd(ctx, "del", item.Key)
	case redisask.Forever:
		return redis.NewStatusCmd(ctx, "set", item.Key, item.Value)
	default:
		return redis.NewStatusCmd(ctx, "set", item.Key, item.Value, "px", k)
	}
}

// Add implements storage.AdderBytes. Where the connection is lost before the
// answer comes, and the command is sent again, it may not be told from another's
// Add: added is false then.
func (s *Strings) Add(ctx context.Context, key string, value []byte, keep time.Duration) (bool, error) {
	if err := s.fits(key, value); err != nil {
		return false, err
	}
	args := []any{"set", key, value, "nx"}
	switch k := redisask.Milliseconds(keep); k {
	case 0:
		has, err := s.each(ctx, "add", []string{key}, "exists")
		return !has[0] && err == nil, err
	case redisask.Forever:
	default:
		args = append(args, "px", k)
	}
	cmd := redis.NewStatusCmd(ctx, args...)
	s.send(ctx, cmd)
	if errors.Is(cmd.Err(), redis.Nil) {
		return false, nil
	}
	if err := cmd.Err(); err != nil {
		return false, explain(ctx, "add", key, err)
	}
	return true, nil
}

// Touch implements storage.ToucherBytes.
func (s *Strings) Touch(ctx context.Context, keep time.Duration, keys ...string) ([]bool, error) {
	switch k := redisask.Milliseconds(keep); k {
	case 0:
		return s.each(ctx, "touch", keys, "del")
	case redisask.Forever:
		return s.persist(ctx, keys)
	default:
		return s.each(ctx, "touch", keys, "pexpire", k)
	}
}

// persist takes ends away. PERSIST does not tell what has none from what is not
// there.
func (s *Strings) persist(ctx context.Context, keys []string) ([]bool, error) {
	cmds, of := make([]redis.Cmder, 0, 2*len(keys)), make([]string, 0, 2*len(keys))
	for _, key := range keys {
		cmds = append(cmds, redis.NewIntCmd(ctx, "persist", key), redis.NewIntCmd(ctx, "exists", key))
		of = append(of, key, key)
	}
	both, err := s.count(ctx, "touch", of, cmds)
	has := make([]bool, len(keys))
	for i := range has {
		has[i] = both[2*i+1]
	}
	return has, err
}

// Delete implements storage.Bytes. Where the connection is lost before the
// answer comes, and the command is sent again, existed is false.
func (s *Strings) Delete(ctx context.Context, key string) (existed bool, err error) {
	all, err := s.DeleteMany(ctx, []string{key})
	return all[0], err
}

// DeleteMany implements storage.BulkBytes.
func (s *Strings) DeleteMany(ctx context.Context, keys []string) ([]bool, error) {
	return s.each(ctx, "delete", keys, "del")
}

// Keys implements storage.ListerBytes; what is of another type is among them.
// While a cluster moves slots from one node to another, keys that are moved may
// be missed.
func (s *Strings) Keys(ctx context.Context, prefix string) iter.Seq2[string, error] {
	return flat(s.scan(ctx, "keys", prefix))
}

// each runs a command that counts keys on one key each.
func (s *Strings) each(ctx context.Context, verb string, keys []string, command string, args ...any) ([]bool, error) {
	cmds := make([]redis.Cmder, len(keys))
	for i, key := range keys {
		cmds[i] = redis.NewIntCmd(ctx, append([]any{command, key}, args...)...)
	}
	return s.count(ctx, verb, keys, cmds)
}
