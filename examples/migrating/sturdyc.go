package main

import (
	"time"

	"github.com/perennial-go/perennial/config"
	"github.com/perennial-go/perennial/memoize"
)

// region sturdyc
func newUsersOfSturdyc(db *database) (*users, error) {
	byID, err := memoize.NewBatched(db.usersOf,
		config.Capacity(10_000),
		config.UpdateAfter(70*time.Second), config.Jitter(0.3), // from 49 seconds on
		config.ExpireAfter(30*time.Minute), config.StaleIfError(30*time.Minute),
		config.Remember(3*time.Minute, memoize.ErrNoValue)) // refreshed after a third of that
	return &users{db, byID}, err
}

// endregion
