package migrating

import (
	"context"
	"errors"
	"time"

	"github.com/maypok86/otter/v2"
)

// region otter
type otterUsers struct {
	db    *database
	cache *otter.Cache[string, string]
}

func newOtterUsers(db *database) (*otterUsers, error) {
	cache, err := otter.New(&otter.Options[string, string]{
		MaximumSize:       10_000,
		ExpiryCalculator:  otter.ExpiryWriting[string, string](time.Hour),
		RefreshCalculator: otter.RefreshWriting[string, string](time.Minute),
	})
	return &otterUsers{db, cache}, err
}

func (u *otterUsers) user(ctx context.Context, id string) (string, error) {
	return u.cache.Get(ctx, id, otter.LoaderFunc[string, string](u.load))
}

func (u *otterUsers) load(ctx context.Context, id string) (string, error) {
	name, err := u.db.user(ctx, id)
	if errors.Is(err, errNoUser) {
		return "", otter.ErrNotFound // not kept: the next call asks again
	}
	return name, err
}

func (u *otterUsers) users(ctx context.Context, ids []string) (map[string]string, error) {
	return u.cache.BulkGet(ctx, ids, otter.BulkLoaderFunc[string, string](u.db.usersOf))
}

func (u *otterUsers) rename(_ context.Context, id, name string) error {
	u.db.rename(id, name)
	u.cache.Invalidate(id)
	return nil
}

// endregion
