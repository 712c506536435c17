// Outage asks for users while their database says that there is none, that one was
// deleted, goes down, gets slow and comes back.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"os"
	"time"

	"github.com/perennial-go/perennial/config"
	"github.com/perennial-go/perennial/memoize"
)

func main() {
	if err := run(context.Background(), os.Stdout); err != nil {
		log.Fatal(err)
	}
}

var (
	errNoUser  = errors.New("no such user")
	errDeleted = errors.New("the user was deleted")
	errDown    = errors.New("the database is down")
)

// database answers as its state is.
type database struct {
	err   error
	takes time.Duration
	asked int
}

func (d *database) user(_ context.Context, name string) (string, error) {
	d.asked++
	time.Sleep(d.takes)
	if d.err != nil {
		return "", d.err
	}
	return fmt.Sprintf("%s, version %d", name, d.asked), nil
}

func run(ctx context.Context, w io.Writer) error {
	db := new(database)
	// region outage
	users, err := memoize.New(db.user, config.Name("user"),
		config.UpdateAfter(100*time.Millisecond), config.ExpireAfter(100*time.Millisecond),
		config.Remember(50*time.Millisecond, errNoUser), // an answer: kept, and no failure
		config.Gone(errDeleted),                         // drops what is stored
		config.StaleIfError(time.Second),                // kept that much longer, for failures
		config.SoftTimeout(20*time.Millisecond))         // how long a caller waits who can be given that
	// endregion
	if err != nil {
		return err
	}
	ask := func(when string) {
		user, err := users.Result(ctx, "ann")
		if err != nil {
			fmt.Fprintf(w, "%-21s %v\n", when+":", err)
			return
		}
		fmt.Fprintf(w, "%-21s %s (%v, %v old)\n", when+":", user.Value, user.Why, user.Age.Round(10*time.Millisecond))
	}
	db.err = errNoUser
	ask("no such user")
	ask("again at once")
	time.Sleep(60 * time.Millisecond)
	db.err = nil
	ask("she has signed up")
	time.Sleep(150 * time.Millisecond)
	db.err = errDown
	ask("the database is down")
	db.err, db.takes = nil, 100*time.Millisecond
	ask("it is up, and slow")
	if err := users.Wait(ctx); err != nil { // for the load that goes on
		return err
	}
	ask("and then")
	time.Sleep(150 * time.Millisecond)
	db.err, db.takes = errDeleted, 0
	ask("she is deleted")
	db.err = errDown
	ask("down again")
	s := users.Stats()
	fmt.Fprintf(w, "%d calls: %d got an answer that is an error, %d were rescued, %d failed\n", s.Calls, s.Negative, s.Rescued, s.Failed)
	return users.Close(ctx)
}
