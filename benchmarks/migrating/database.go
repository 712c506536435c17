// Package migrating has the programs before a migration that docs/migrating.md shows. Those
// after it are in examples/migrating, in the repository's own module, which requires none of what
// these are written with.
package migrating

import (
	"context"
	"errors"
	"sync"
	"time"
)

var errNoUser = errors.New("no such user")

// database is what is slow.
type database struct {
	mu    sync.Mutex
	users map[string]string
	takes time.Duration
	asked int
}

func newDatabase() *database {
	return &database{users: map[string]string{"u1": "Ann", "u2": "Bob"}, takes: 50 * time.Millisecond}
}

// user reads a name, and is slow to tell it.
func (db *database) user(ctx context.Context, id string) (string, error) {
	db.mu.Lock()
	db.asked++
	name, ok := db.users[id]
	db.mu.Unlock()
	select {
	case <-time.After(db.takes):
	case <-ctx.Done():
		return "", ctx.Err()
	}
	if !ok {
		return "", errNoUser
	}
	return name, nil
}

func (db *database) usersOf(_ context.Context, ids []string) (map[string]string, error) {
	db.mu.Lock()
	defer db.mu.Unlock()
	db.asked++
	found := map[string]string{}
	for _, id := range ids {
		if name, ok := db.users[id]; ok {
			found[id] = name
		}
	}
	return found, nil
}

func (db *database) rename(id, name string) {
	db.mu.Lock()
	defer db.mu.Unlock()
	db.users[id] = name
}
