package migrating

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/go-redis/cache/v9"
	"github.com/maypok86/otter/v2"
)

type users interface {
	user(ctx context.Context, id string) (string, error)
	rename(ctx context.Context, id, name string) error
}

// each is every program of docs/migrating.md, and what it says of a user that there is not.
func each(t *testing.T, f func(t *testing.T, db *database, u users, missing error)) {
	t.Run("otter", func(t *testing.T) {
		db := newDatabase()
		u, err := newOtterUsers(db)
		if err != nil {
			t.Fatal(err)
		}
		f(t, db, u, otter.ErrNotFound)
	})
	t.Run("sturdyc", func(t *testing.T) {
		db := newDatabase()
		f(t, db, newSturdycUsers(db), errNoUser)
	})
	t.Run("redis", func(t *testing.T) {
		db := newDatabase()
		f(t, db, &redisUsers{db: db, cache: cache.New(&cache.Options{LocalCache: cache.NewTinyLFU(1000, time.Minute)})}, errNoUser)
	})
}

func TestPrograms(t *testing.T) {
	each(t, func(t *testing.T, db *database, u users, missing error) {
		for range 3 {
			if name, err := u.user(t.Context(), "u1"); name != "Ann" || err != nil {
				t.Fatalf("user returned %q and error %v", name, err)
			}
		}
		if db.asked != 1 {
			t.Errorf("the database was asked %d times, want once", db.asked)
		}
		if err := u.rename(t.Context(), "u1", "Anna"); err != nil {
			t.Fatal(err)
		}
		if name, err := u.user(t.Context(), "u1"); name != "Anna" || err != nil {
			t.Errorf("user returned %q and error %v", name, err)
		}
		if _, err := u.user(t.Context(), "u9"); !errors.Is(err, missing) {
			t.Errorf("of a user that there is not it returned error %v", err)
		}
		if many, ok := u.(interface {
			users(ctx context.Context, ids []string) (map[string]string, error)
		}); ok {
			if found, err := many.users(t.Context(), []string{"u1", "u2"}); err != nil || found["u1"] != "Anna" || found["u2"] != "Bob" {
				t.Errorf("users returned %v and error %v", found, err)
			}
		}
	})
}

// What docs/migrating.md says of a first caller who leaves.
func TestTheFirstCallerLeaves(t *testing.T) {
	each(t, func(t *testing.T, db *database, u users, _ error) {
		first, leave := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { _, err := u.user(first, "u1"); done <- err }()
		for asked := 0; asked == 0; {
			db.mu.Lock()
			asked = db.asked
			db.mu.Unlock()
		}
		go func() {
			<-time.After(10 * time.Millisecond)
			leave()
		}()
		_, err := u.user(t.Context(), "u1")
		t.Logf("the second caller got error %v, after %d loads", err, db.asked)
		<-done
		if _, isOtter := u.(*otterUsers); isOtter != (err == nil) {
			t.Errorf("the second caller got error %v", err)
		}
	})
}

// What docs/migrating.md says of a change during a load.
func TestChangeDuringALoad(t *testing.T) {
	each(t, func(t *testing.T, db *database, u users, _ error) {
		done := make(chan error, 1)
		go func() { _, err := u.user(t.Context(), "u1"); done <- err }()
		for asked := 0; asked == 0; {
			db.mu.Lock()
			asked = db.asked
			db.mu.Unlock()
		}
		if err := u.rename(t.Context(), "u1", "Anna"); err != nil {
			t.Fatal(err)
		}
		<-done
		name, err := u.user(t.Context(), "u1")
		t.Logf("afterwards user returns %q, %v", name, err)
		if _, isOtter := u.(*otterUsers); isOtter != (name == "Anna") {
			t.Errorf("afterwards user returns %q", name)
		}
	})
}
