package redisstore

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/perennial-go/perennial/internal/redisask"
	"github.com/perennial-go/perennial/storage"
)

// look is what is read of a record of the layout entry. A single server is asked
// for what is stored, with the instant e of its end, and after all records for the
// time: what is left is never too long, for time goes on between the two.
//
// The nodes of a cluster have clocks of their own, and a command without a key goes
// to any of them. There it is two commands a record: how long the key has to live,
// and then what is stored. They are not one step, and others may change the record
// between the two. The order has it that a value is never given more life than its
// own. Of a key's time p, and the fields k and x that are read after it:
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
	now    *redis.TimeCmd        // of the server, nil in a cluster
	time   *redis.IntCmd         // that the key has to live, nil where there is now
	fields *redis.StringSliceCmd // k, then e or x and, unless it is only asked whether there is a record, v
}

// look sends the commands for keys, in one round trip. Without values, it is only
// asked which records there are.
func (e *Entries) look(ctx context.Context, keys []string, values bool) []look {
	if len(keys) == 0 {
		return nil
	}
	looks := make([]look, len(keys))
	cmds := make([]redis.Cmder, 0, 2*len(keys))
	var now *redis.TimeCmd
	second := "x"
	if _, single := e.redis.(*redis.Client); single {
		now, second = redis.NewTimeCmd(ctx, "time"), "e"
	}
	for i, key := range keys {
		l := &looks[i]
		if l.now = now; now == nil {
			l.time = redis.NewIntCmd(ctx, "pttl", key)
			cmds = append(cmds, l.time)
		}
		if values {
			l.fields = redis.NewStringSliceCmd(ctx, "hmget", key, "k", second, "v")
		} else {
			l.fields = redis.NewStringSliceCmd(ctx, "hmget", key, "k", second)
		}
		cmds = append(cmds, l.fields)
	}
	if now != nil {
		cmds = append(cmds, now)
	}
	began := time.Now()
	e.send(ctx, cmds...)
	if now != nil && now.Err() == nil {
		e.clock.tells(began, now.Val().UnixMilli())
	}
	return looks
}

func (l look) err() error {
	if l.now != nil {
		return cmp.Or(l.fields.Err(), l.now.Err())
	}
	return cmp.Or(l.time.Err(), l.fields.Err())
}

var errForeign = fmt.Errorf("%w: %w", storage.ErrUnreadable, errors.New("its times are no numbers: use a prefix that nobody else has; the next set or claim replaces it"))

// left is how long the value has to live, in ms: 0 where there is none.
func (l look) left(key string) (int64, error) {
	fields := l.fields.Val()
	if len(fields) != len(l.fields.Args())-2 {
		return 0, fmt.Errorf("redisstore: get %q: %w", key, redisask.ErrAnswer)
	}
	if fields[0] == "" {
		return 0, nil // a claim alone, or nothing
	}
	k, err := strconv.ParseInt(fields[0], 10, 64)
	var second int64
	if err == nil && fields[1] != "" {
		second, err = strconv.ParseInt(fields[1], 10, 64)
	}
	if err != nil || k < redisask.Forever || second < 0 {
		return 0, fmt.Errorf("redisstore: get %q: %w", key, errForeign)
	}
	if l.now != nil {
		if k == redisask.Forever || fields[1] == "" {
			return k, nil
		}
		return max(min(second-l.now.Val().UnixMilli(), k), 0), nil
	}
	p, x := l.time.Val(), second
	switch {
	case p == redisask.Forever:
		return k, nil
	case k == redisask.Forever:
		return max(p, 0), nil
	}
	return max(min(max(p, 0)-x, k), 0), nil
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
	return storage.Record{Value: value, Left: redisask.Duration(ms), Found: true}, nil
}
