package redisstore

import (
	"context"
	"iter"
	"strings"
	"sync"

	"github.com/redis/go-redis/v9"

	"github.com/perennial-go/perennial/internal/redisask"
)

// batch is about how many keys are asked for at once.
const batch = 500

// plain makes a pattern for the server that has no wildcards of a plain text,
// and matches what begins with it.
func plain(prefix string) string { return wildcards.Replace(prefix) + "*" }

var wildcards = strings.NewReplacer(`\`, `\\`, `*`, `\*`, `?`, `\?`, `[`, `\[`, `]`, `\]`)

// scan yields the keys of the server, or of every master of a cluster, that
// begin with the prefix, in batches. A key may come twice, and may be of any
// type.
func (c *client) scan(ctx context.Context, verb, prefix string) iter.Seq2[[]string, error] {
	return func(yield func([]string, error) bool) {
		if err := ctx.Err(); err != nil {
			yield(nil, explain(ctx, verb, prefix, err))
			return
		}
		servers, err := c.servers(ctx)
		if err != nil {
			yield(nil, explain(ctx, verb, prefix, err))
			return
		}
		for _, server := range servers {
			for cursor := uint64(0); ; {
				var keys []string
				err = redisask.Do(func() (err error) {
					keys, cursor, err = server.Scan(ctx, cursor, plain(prefix), batch).Result()
					return err
				})
				if err != nil {
					yield(nil, explain(ctx, verb, prefix, err))
					return
				}
				if len(keys) > 0 && !yield(keys, nil) {
					return
				}
				if cursor == 0 {
					break
				}
			}
		}
	}
}

type scanner interface {
	Scan(ctx context.Context, cursor uint64, match string, count int64) *redis.ScanCmd
}

// servers is every server that has keys of its own.
func (c *client) servers(ctx context.Context) ([]scanner, error) {
	cluster, ok := c.redis.(interface {
		ForEachMaster(context.Context, func(context.Context, *redis.Client) error) error
	})
	if !ok {
		return []scanner{c.redis}, nil
	}
	var mu sync.Mutex
	var masters []scanner
	err := redisask.Do(func() error {
		return cluster.ForEachMaster(ctx, func(_ context.Context, master *redis.Client) error {
			mu.Lock()
			defer mu.Unlock()
			masters = append(masters, master)
			return nil
		})
	})
	return masters, err
}

// Clear implements storage.ListerBytes: a key of another type goes too, and so
// do claims. The server is never held up for longer than for a few hundred keys.
// While a cluster moves slots from one node to another, keys that are moved may
// be missed.
func (c *client) Clear(ctx context.Context, prefix string) error {
	for keys, err := range c.scan(ctx, "clear", prefix) {
		if err != nil {
			return err
		}
		cmds := make([]redis.Cmder, len(keys))
		for i, key := range keys {
			cmds[i] = redis.NewIntCmd(ctx, "unlink", key)
		}
		c.send(ctx, cmds...)
		var f faults
		for i, cmd := range cmds {
			if err := cmd.Err(); err != nil {
				f.add(explain(ctx, "clear", keys[i], err))
			}
		}
		if err := f.err(); err != nil {
			return err
		}
	}
	return nil
}

// flat yields what is in batches.
func flat(batches iter.Seq2[[]string, error]) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		for keys, err := range batches {
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

// Keys implements storage.ListerBytes. Claims alone, and what is of another
// type, are left out. While a cluster moves slots from one node to another, keys
// that are moved may be missed.
func (e *Entries) Keys(ctx context.Context, prefix string) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		for keys, err := range e.scan(ctx, "keys", prefix) {
			if err != nil {
				yield("", err)
				return
			}
			for i, l := range e.look(ctx, keys, false) {
				if err := l.err(); err != nil {
					if redis.HasErrorPrefix(err, "WRONGTYPE") {
						continue
					}
					yield("", explain(ctx, "keys", keys[i], err))
					return
				}
				if ms, err := l.left(keys[i]); ms == 0 || err != nil {
					continue
				}
				if !yield(keys[i], nil) {
					return
				}
			}
		}
	}
}
