package redisstore

import (
	"context"
	"crypto/rand"
	"crypto/sha1"
	"encoding/hex"
	"fmt"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/perennial-go/perennial/internal/redisask"
	"github.com/perennial-go/perennial/storage"
)

// Claim implements storage.FencedBytes. The key lives for hold at least, and
// what Get finds ends when it would have ended.
func (e *Entries) Claim(ctx context.Context, hold time.Duration, keys ...string) ([]storage.Claimed, error) {
	if len(keys) == 0 {
		return nil, nil
	}
	if hold == storage.Forever {
		hold-- // the server has no claims without an end
	}
	cmds := make([]*redis.Cmd, len(keys))
	for i, key := range keys {
		cmds[i] = script(ctx, claimScript, key, rand.Text(), max(redisask.Milliseconds(hold), 1))
	}
	e.run(ctx, cmds)
	claims := make([]storage.Claimed, len(keys))
	var f faults
	for i, cmd := range cmds {
		var err error
		if claims[i], err = e.claimed(ctx, keys[i], cmd); err != nil {
			f.add(err)
		}
	}
	return claims, f.err()
}

// claimed reads what the script says. The token is the end of this claim by the
// server's clock, its number, that of the claim whose value is found, and the
// generation, which every set and every claim after a deletion makes anew.
func (e *Entries) claimed(ctx context.Context, key string, cmd *redis.Cmd) (c storage.Claimed, err error) {
	said, err := cmd.Slice()
	if err != nil {
		return c, explain(ctx, "claim", key, err)
	}
	if len(said) != 6 {
		return c, fmt.Errorf("redisstore: claim %q: %w", key, redisask.ErrAnswer)
	}
	until, untilOK := said[0].(string)
	g, gOK := said[1].(string)
	ms, msOK := said[2].(int64)
	value, valueOK := said[3].(string)
	number, numberOK := said[4].(int64)
	stored, storedOK := said[5].(int64)
	if !untilOK || !gOK || !msOK || !valueOK || !numberOK || !storedOK || ms < redisask.Forever {
		return c, fmt.Errorf("redisstore: claim %q: %w", key, redisask.ErrAnswer)
	}
	c.Token = fmt.Sprintf("%s.%d.%d.%s", until, number, stored, g)
	if ms == 0 {
		return c, nil
	}
	c.Left, c.Found = redisask.Duration(ms), true
	if c.Value, err = e.read(key, value); err != nil {
		c.Record = storage.Record{}
	}
	return c, err
}

// Fill implements storage.FencedBytes. What is filled with a Keep of zero or
// less drops the record, and leaves the claims of others good.
func (e *Entries) Fill(ctx context.Context, fills ...storage.Filling) ([]bool, error) {
	stored := make([]bool, len(fills))
	cmds, at := make([]*redis.Cmd, 0, len(fills)), make([]int, 0, len(fills))
	var f faults
	for i, fill := range fills {
		if err := e.fits(fill.Key, fill.Value); err != nil {
			f.add(&storage.ItemError{Item: i, Err: err})
			continue
		}
		until, number, g := readToken(fill.Token, fill.Touch)
		cmds, at = append(cmds, script(ctx, fillScript, fill.Key, until, g, fill.Value, redisask.Milliseconds(fill.Keep), number)), append(at, i)
	}
	for i, yes := range e.yes(ctx, "fill", cmds, &f) {
		stored[at[i]] = yes
	}
	return stored, f.err()
}

// CompareAndSwap implements storage.SwapperBytes. Where the connection is lost before
// the answer comes, it is sent again, and not done twice: where others have changed the
// key meanwhile it is an error, for it can't be known whether it was done before.
func (e *Entries) CompareAndSwap(ctx context.Context, was storage.Claimed, item storage.Item) (swapped bool, err error) {
	if err := e.fits(item.Key, item.Value); err != nil {
		return false, err
	}
	until, _, g := readToken(was.Token, false)
	there := ""
	if was.Found {
		sum := sha1.Sum(was.Value)
		there = hex.EncodeToString(sum[:])
	}
	cmds := []*redis.Cmd{script(ctx, swapScript, item.Key, rand.Text(), item.Value, redisask.Milliseconds(item.Keep), until, g, there, &attempts{})}
	e.run(ctx, cmds)
	switch n, err := cmds[0].Int64(); {
	case err != nil:
		return false, explain(ctx, "swap", item.Key, err)
	case n == sentTwice:
		return false, fmt.Errorf("redisstore: swap %q: %w", item.Key, errSwapSentTwice)
	default:
		return n == 1, nil
	}
}

// readToken is what a fill under a token is made of, each empty where it is none.
func readToken(token string, touch bool) (until, number, g string) {
	parts := strings.SplitN(token, ".", 4)
	if len(parts) != 4 {
		return "", "", ""
	}
	if touch {
		return parts[0], parts[2], parts[3]
	}
	return parts[0], parts[1], parts[3]
}
