package shared

import (
	"context"
	"crypto/rand"
	"time"

	"github.com/perennial-go/perennial/storage"
	"github.com/perennial-go/perennial/storage/redisstore"
)

// locked is what caches do in place of a fence: whoever is to load takes a lock,
// and stores with what is an unconditional SET. The lock keeps loads apart, and
// not a load from a deletion that comes meanwhile.
type locked struct{ *redisstore.Entries }

func lockKey(key string) string { return "lock:" + key }

const lease = 5 * time.Millisecond

// Claim takes the lock of each key, if nobody has it.
func (l *locked) Claim(ctx context.Context, _ time.Duration, keys ...string) ([]storage.Claimed, error) {
	claims := make([]storage.Claimed, len(keys))
	for i, key := range keys {
		token := rand.Text()
		if added, err := l.Add(ctx, lockKey(key), []byte(token), lease); err != nil {
			return nil, err
		} else if !added {
			token = taken
		}
		r, err := l.Get(ctx, key)
		if err != nil {
			return nil, err
		}
		claims[i] = storage.Claimed{Record: r, Token: token}
	}
	return claims, nil
}

const taken = "somebody has it"

// Fill stores for whoever had the lock, and gives it back if it still is theirs.
func (l *locked) Fill(ctx context.Context, fills ...storage.Filling) ([]bool, error) {
	stored := make([]bool, len(fills))
	for i, f := range fills {
		if f.Token == taken {
			continue
		}
		if err := l.Set(ctx, f.Key, f.Value, f.Keep); err != nil {
			return nil, err
		}
		r, err := l.Get(ctx, lockKey(f.Key))
		if err == nil && string(r.Value) == f.Token {
			_, err = l.Delete(ctx, lockKey(f.Key))
		}
		if err != nil {
			return nil, err
		}
		stored[i] = true
	}
	return stored, nil
}
