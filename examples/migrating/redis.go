package main

import (
	"time"

	"github.com/perennial-go/perennial/config"
	"github.com/perennial-go/perennial/memoize"
	"github.com/perennial-go/perennial/storage"
	_ "github.com/perennial-go/perennial/storage/redisstore"
)

// region redis
// newUsersOfRedis takes a store of storage.Open(ctx, "redis://localhost:6379/0").
func newUsersOfRedis(db *database, store *storage.Store) (*users, error) {
	byID, err := memoize.New(db.user,
		config.Name("users"), config.Store(store),
		config.ExpireAfter(time.Hour), config.UpdateAfter(10*time.Minute),
		config.Remember(time.Minute, errNoUser))
	return &users{db, byID}, err
}

// endregion
