package guard_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"slices"
	"time"

	"github.com/perennial-go/perennial/config"
	"github.com/perennial-go/perennial/guard"
	"github.com/perennial-go/perennial/memoize"
)

// A database that bears one query at a time, of two functions together.
func Example() {
	orders, err := guard.New("orders-db", guard.Fixed(1), guard.QueueTimeout(10*time.Millisecond)) // or guard.New("orders-db")
	if err != nil {
		log.Fatal(err)
	}
	asked, answer := make(chan struct{}), make(chan struct{})
	users, err := memoize.New(func(context.Context, int) (string, error) {
		close(asked)
		<-answer
		return "Ada", nil
	}, config.Name("users"), config.Guard(orders))
	if err != nil {
		log.Fatal(err)
	}
	items, err := memoize.New(func(context.Context, int) (string, error) { return "lamp", nil }, config.Name("items"), config.Guard(orders))
	if err != nil {
		log.Fatal(err)
	}
	ctx := context.Background()
	done := make(chan struct{})
	go func() {
		defer close(done)
		fmt.Println(users.Call(ctx, 7))
	}()
	<-asked

	_, err = items.Call(ctx, 7)
	var overloaded *guard.OverloadedError
	if errors.As(err, &overloaded) {
		fmt.Println(overloaded.Guard, "is overloaded; come again later:", overloaded.RetryAfter > 0)
	}
	close(answer)
	<-done
	fmt.Println(items.Call(ctx, 7))
	// Output:
	// orders-db is overloaded; come again later: true
	// Ada <nil>
	// lamp <nil>
}

// At three in the morning: what is there to see, and to turn.
func ExampleGuard_Apply() {
	orders, err := guard.New("orders-db")
	if err != nil {
		log.Fatal(err)
	}
	if err := orders.Apply(guard.Between(1, 20), guard.ProbeEvery(5*time.Second)); err != nil {
		log.Fatal(err)
	}
	s := orders.State()
	fmt.Println(s.Name, s.Limit, "of", s.Ceiling, "in flight:", s.InFlight, "down:", s.Down)
	fmt.Println(orders.Apply(guard.Between(0, 20)))
	// Output:
	// orders-db 4 of 20 in flight: 0 down: false
	// guard: orders-db is as it was: Between is given 0 and 20: give a floor above zero, and a ceiling that is no less
}

// slowDB stands for a database.
type slowDB struct{}

func (slowDB) user(context.Context, int) (string, error) { return "Ada", nil }
func (slowDB) item(context.Context, int) (string, error) { return "lamp", nil }

// Two functions that ask one database.
func ExampleNew() {
	var db slowDB
	ctx := context.Background()
	program := func() error {
		// region guard
		orders, err := guard.New("orders-db")
		if err != nil {
			return err
		}
		users, err := memoize.New(db.user, config.Name("users"), config.Guard(orders))
		if err != nil {
			return err
		}
		items, err := memoize.New(db.item, config.Name("items"), config.Guard(orders), config.StaleIfError(time.Hour))
		// endregion
		if err != nil {
			return err
		}
		// region warm
		err = users.Warm(ctx, slices.Values([]int{7, 8, 9}))
		// endregion
		fmt.Println(users.Len(), items.Len())
		return err
	}
	if err := program(); err != nil {
		log.Fatal(err)
	}
	// Output: 3 0
}
