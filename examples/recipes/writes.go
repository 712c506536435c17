package main

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/perennial-go/perennial/config"
	"github.com/perennial-go/perennial/invalidation"
	"github.com/perennial-go/perennial/memoize"
)

// region write
// service reads users through the cache and writes them past it.
type service struct {
	db    *database
	users *memoize.Func[string, string]
}

// rename commits the new name, and then has the cache forget the old one.
func (s *service) rename(ctx context.Context, id, name string) error {
	if err := s.db.rename(ctx, id, name); err != nil {
		return err // nothing has changed, and what is cached is right
	}
	// From here on the change is made, whatever becomes of this caller.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	return s.users.Invalidate(ctx, id)
}

// endregion

func writePath(ctx context.Context, w io.Writer) error {
	db := newDatabase()
	users, err := memoize.New(db.user)
	if err != nil {
		return err
	}
	s := &service{db, users}
	for _, name := range []string{"Anna", "Anne"} {
		before, err := s.users.Call(ctx, "u1")
		if err != nil {
			return err
		}
		if err := s.rename(ctx, "u1", name); err != nil {
			return err
		}
		after, err := s.users.Call(ctx, "u1")
		if err != nil {
			return err
		}
		fmt.Fprintln(w, before, "is now", after)
	}
	return users.Close(ctx)
}

// writePathOfOthers has the writing code hold the right to invalidate and nothing else.
func writePathOfOthers(ctx context.Context, w io.Writer) error {
	db := newDatabase()
	// region support
	var changed invalidation.Support[string] // handed to the code that writes

	users, err := memoize.New(db.user, config.InvalidatedBy(&changed))
	// endregion
	if err != nil {
		return err
	}
	if _, err := users.Call(ctx, "u2"); err != nil {
		return err
	}
	if err := db.rename(ctx, "u2", "Rob"); err != nil {
		return err
	}
	// region changed
	err = changed.Invalidate(ctx, "u2")
	// endregion
	if err != nil {
		return err
	}
	name, err := users.Call(ctx, "u2")
	if err != nil {
		return err
	}
	fmt.Fprintln(w, name)
	return users.Close(ctx)
}
