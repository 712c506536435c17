package migrating

import (
	"context"
	"errors"
	"time"

	"github.com/go-redis/cache/v9"
	"golang.org/x/sync/singleflight"
)

// region redis
type redisUsers struct {
	db     *database
	cache  *cache.Cache // over redis.NewClient, with a LocalCache
	flight singleflight.Group
}

func (u *redisUsers) user(ctx context.Context, id string) (string, error) {
	var name string
	switch err := u.cache.Get(ctx, "user:"+id, &name); {
	case err == nil:
		return name, nil
	case !errors.Is(err, cache.ErrCacheMiss):
		return "", err // Redis is away
	}
	v, err, _ := u.flight.Do(id, func() (any, error) {
		name, err := u.db.user(ctx, id) // under the context of whoever came first
		if err != nil {
			return "", err
		}
		return name, u.cache.Set(&cache.Item{Ctx: ctx, Key: "user:" + id, Value: name, TTL: time.Hour})
	})
	if err != nil {
		return "", err
	}
	return v.(string), nil
}

func (u *redisUsers) rename(ctx context.Context, id, name string) error {
	u.db.rename(id, name)
	return u.cache.Delete(ctx, "user:"+id)
}

// endregion
