package resilient_test

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/perennial-go/perennial/storage"
	"github.com/perennial-go/perennial/storage/resilient"
)

// A store whose server goes away and comes back.
func Example() {
	server := newServer()
	store, err := resilient.New(server, resilient.Observe(func(e resilient.Event) {
		if e.Kind == resilient.Conflict || e.Kind == resilient.Dropped {
			fmt.Println(e.Kind, e.Key, e.Err)
		}
	}))
	if err != nil {
		panic(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	shout := func(now storage.Record) ([]byte, time.Duration, error) {
		return append(now.Value, '!'), storage.Forever, nil
	}

	fmt.Println(store.Set(ctx, "greeting", []byte("hello"), storage.Forever))

	server.stop()
	_, err = store.Update(ctx, "greeting", shout)
	fmt.Println(errors.Is(err, storage.ErrQueued)) // accepted, and not committed yet
	greeting, err := store.Get(ctx, "greeting")
	fmt.Println(string(greeting.Value), err, store.Stats().State)
	fmt.Println(errors.Is(store.Set(ctx, "other", nil, storage.Forever), storage.ErrQueued))

	server.start()
	fmt.Println(store.Flush(ctx), store.Stats().State)
	fmt.Println(store.Close(ctx))
	// Output:
	// <nil>
	// true
	// hello! <nil> open
	// true
	// <nil> closed
	// <nil>
}
