package statuses_test

import (
	"context"
	"fmt"

	"github.com/perennial-go/perennial/entry"
	"github.com/perennial-go/perennial/statuses"
)

// The first to need a key leads its update, and others join it. The engine does that; a registry
// of your own is given to config.UpdateStatuses.
func ExampleInMemory() {
	ctx := context.Background()
	registry := statuses.NewInMemory[string, string](0, nil)
	leader, first := registry.Begin("key", statuses.Need)
	waiter, second := registry.Begin("key", statuses.Need)
	fmt.Println(first == statuses.Lead, second == statuses.Join)

	if _, err := leader.Start(ctx, 64); err != nil {
		fmt.Println(err)
		return
	}
	value := entry.New("value", 0, entry.Life{}) // the load
	if err := leader.Publish(ctx); err != nil {
		fmt.Println(err)
		return
	}
	leader.End(statuses.Outcome[string]{Entry: value}) // after it was stored

	end, err := waiter.Wait(ctx)
	fmt.Println(end.Entry.Value, err)
	// Output:
	// true true
	// value <nil>
}
