package main

import (
	"context"
	"time"

	"github.com/perennial-go/perennial/config"
	"github.com/perennial-go/perennial/memoize"
)

// region otter
type users struct {
	db   *database
	byID *memoize.Func[string, string]
}

func newUsers(db *database) (*users, error) {
	byID, err := memoize.NewBatched(db.usersOf,
		config.Capacity(10_000),
		config.ExpireAfter(time.Hour),
		config.UpdateAfter(time.Minute),
		config.Remember(time.Minute, memoize.ErrNoValue)) // a user that does not exist
	return &users{db, byID}, err
}

func (u *users) user(ctx context.Context, id string) (string, error) {
	return u.byID.Call(ctx, id)
}

func (u *users) users(ctx context.Context, ids []string) ([]string, error) {
	return u.byID.CallMany(ctx, ids)
}

func (u *users) rename(ctx context.Context, id, name string) error {
	u.db.rename(id, name)
	return u.byID.Invalidate(ctx, id)
}

// endregion
