package migrating

import (
	"context"
	"errors"
	"time"

	"github.com/viccon/sturdyc"
)

// region sturdyc
type sturdycUsers struct {
	db    *database
	cache *sturdyc.Client[string]
}

func newSturdycUsers(db *database) *sturdycUsers {
	return &sturdycUsers{db, sturdyc.New[string](10_000, 10, time.Hour, 10,
		sturdyc.WithEarlyRefreshes(50*time.Second, 70*time.Second, 30*time.Minute, time.Second),
		sturdyc.WithMissingRecordStorage())}
}

func (u *sturdycUsers) user(ctx context.Context, id string) (string, error) {
	name, err := u.cache.GetOrFetch(ctx, u.key(id), func(ctx context.Context) (string, error) {
		name, err := u.db.user(ctx, id)
		if errors.Is(err, errNoUser) {
			return "", sturdyc.ErrNotFound
		}
		return name, err
	})
	if errors.Is(err, sturdyc.ErrMissingRecord) {
		return "", errNoUser
	}
	return name, err
}

func (u *sturdycUsers) users(ctx context.Context, ids []string) (map[string]string, error) {
	return u.cache.GetOrFetchBatch(ctx, ids, u.key, u.db.usersOf)
}

func (u *sturdycUsers) rename(_ context.Context, id, name string) error {
	u.db.rename(id, name)
	u.cache.Delete(u.key(id))
	return nil
}

func (u *sturdycUsers) key(id string) string { return u.cache.BatchKeyFn("user")(id) }

// endregion
