package main

import (
	"time"

	"github.com/perennial-go/perennial/config"
	"github.com/perennial-go/perennial/eviction"
	"github.com/perennial-go/perennial/invalidation"
	"github.com/perennial-go/perennial/memoize"
)

// region pymemoize
var renamed invalidation.Support[string]

func newUsersOfPyMemoize(db *database) (*users, error) {
	byID, err := memoize.New(db.user, config.Name("users"),
		config.MethodTimeout(2*time.Second),
		config.UpdateAfter(time.Minute), config.ExpireAfter(time.Hour),
		config.Evict(eviction.LeastRecentlyUpdated[string](10_000)), // or Capacity, which keeps what is popular
		config.InvalidatedBy(&renamed))
	return &users{db, byID}, err
}

// endregion
