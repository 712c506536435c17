package main

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
	asked int
}

func newDatabase() *database {
	return &database{users: map[string]string{"u1": "Ann", "u2": "Bob"}}
}

// user reads a name, and is slow to tell it.
func (db *database) user(ctx context.Context, id string) (string, error) {
	found, err := db.usersOf(ctx, []string{id})
	name, ok := found[id]
	if err == nil && !ok {
		return "", errNoUser
	}
	return name, err
}

// usersOf reads many. Those that there are not are left out.
func (db *database) usersOf(ctx context.Context, ids []string) (map[string]string, error) {
	found := map[string]string{}
	db.mu.Lock()
	db.asked++
	for _, id := range ids {
		if name, ok := db.users[id]; ok {
			found[id] = name
		}
	}
	db.mu.Unlock()
	select {
	case <-time.After(50 * time.Millisecond):
		return found, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (db *database) rename(id, name string) {
	db.mu.Lock()
	defer db.mu.Unlock()
	db.users[id] = name
}
