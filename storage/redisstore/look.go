package redisstore

import (
	"cmp"
	"context"
	"fmt"
	"strconv"

	"github.com/redis/go-redis/v9"

	"github.com/perennial-go/perennial/storage"
)

// look is two commands that see a record of the layout entry: how long the key
// has to live, and then what is stored. They are not one step, and others may
// change the record between the two. The order has it that a value is never
// given more life than its own. Of a key's time p, and the fields k and x that
// are read after it:
//
//	p            then others             read         p - x, at most k
//	of a long    set a short one         k of short   k of short: it is just set
//	of a short   set a long one          k of long    p: too little
//	of a value   claim it for longer     x            p - x: too little
//	of a claim   set, fill or touch      k, no x      k: it is just given
//	of a value   delete it               nothing      not found
//	of nothing   set, add or fill        k            not found
//
// Too little is put right by the next read. The other order would give the value
// that was replaced the time of the one that replaced it.
type look struct {
	time   *redis.IntCmd
	fields *redis.StringSliceCmd // k, x and, unless it is only asked whether there is one, v
}

func lookAt(ctx context.Context, key string) look {
	return look{redis.NewIntCmd(ctx, "pttl", key), redis.NewStringSliceCmd(ctx, "hmget", key, "k", "x", "v")}
}

// lookFor asks only whether there is a record.
func lookFor(ctx context.Context, key string) look {
	return look{redis.NewIntCmd(ctx, "pttl", key), redis.NewStringSliceCmd(ctx, "hmget", key, "k", "x")}
}

func (l look) err() error { return cmp.Or(l.time.Err(), l.fields.Err()) }

var errForeign = fmt.Errorf("%w: its times are no numbers: use a prefix that nobody else has; the next set or claim replaces it", storage.ErrUnreadable)

// left is how long the value has to live, in ms: 0 where there is none.
func (l look) left(key string) (int64, error) {
	fields := l.fields.Val()
	if len(fields) != len(l.fields.Args())-2 {
		return 0, fmt.Errorf("redisstore: get %q: %w", key, errAnswer)
	}
	if fields[0] == "" {
		return 0, nil // a claim alone, or nothing
	}
	k, err := strconv.ParseInt(fields[0], 10, 64)
	var x int64
	if err == nil && fields[1] != "" {
		x, err = strconv.ParseInt(fields[1], 10, 64)
	}
	if err != nil || k < forever || x < 0 {
		return 0, fmt.Errorf("redisstore: get %q: %w", key, errForeign)
	}
	p := l.time.Val()
	switch {
	case p == forever:
		return k, nil
	case k == forever:
		return max(p, 0), nil
	}
	return max(min(p-x, k), 0), nil
}

// record is what is found.
func (l look) record(ctx context.Context, c *client, key string) (storage.Record, error) {
	if err := l.err(); err != nil {
		return storage.Record{}, explain(ctx, "get", key, err)
	}
	ms, err := l.left(key)
	if ms == 0 || err != nil {
		return storage.Record{}, err
	}
	value, err := c.read(key, l.fields.Val()[2])
	if err != nil {
		return storage.Record{}, err
	}
	return storage.Record{Value: value, Left: left(ms), Found: true}, nil
}
