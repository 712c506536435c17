// Recipes has the programs of docs/recipes.md, and of pages that show a few lines.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"os"
	"sync"
)

func main() {
	for _, r := range recipes {
		if err := r.run(context.Background(), os.Stdout); err != nil {
			log.Fatal(err)
		}
	}
}

type recipe struct {
	name string
	cook func(context.Context, io.Writer) error
}

var recipes = []recipe{
	{"write path", writePath},
	{"write path of others", writePathOfOthers},
	{"dataloader", dataloader},
	{"warm restart", warmRestart},
	{"tags", tagged},
	{"release", release},
	{"errors by key", errorsByKey},
	{"eviction", strategies},
	{"store that goes away", storeThatGoesAway},
}

func (r recipe) run(ctx context.Context, w io.Writer) error {
	fmt.Fprintf(w, "# %s\n", r.name)
	if err := r.cook(ctx, w); err != nil {
		return fmt.Errorf("%s: %w", r.name, err)
	}
	return nil
}

var errNoUser = errors.New("no such user")

// database has users, and says how often it was asked.
type database struct {
	mu    sync.Mutex
	users map[string]string
	asked int
}

func newDatabase() *database {
	return &database{users: map[string]string{"u1": "Ann", "u2": "Bob", "u3": "Cid"}}
}

func (db *database) user(_ context.Context, id string) (string, error) {
	db.mu.Lock()
	defer db.mu.Unlock()
	db.asked++
	name, ok := db.users[id]
	if !ok {
		return "", errNoUser
	}
	return name, nil
}

// usersOf is user for many: one query.
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

// rename commits a new name.
func (db *database) rename(_ context.Context, id, name string) error {
	db.mu.Lock()
	defer db.mu.Unlock()
	if _, ok := db.users[id]; !ok {
		return errNoUser
	}
	db.users[id] = name
	return nil
}
