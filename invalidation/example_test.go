package invalidation_test

import (
	"context"
	"fmt"

	"github.com/perennial-go/perennial/config"
	"github.com/perennial-go/perennial/invalidation"
	"github.com/perennial-go/perennial/memoize"
)

// The code that writes holds the right to invalidate, and not the function.
func ExampleSupport() {
	ctx := context.Background()
	names := map[string]string{"u1": "Ann"}
	var changed invalidation.Support[string]
	fmt.Println(changed.Invalidate(ctx, "u1"))

	users := memoize.Must(memoize.New(func(_ context.Context, id string) (string, error) { return names[id], nil },
		config.InvalidatedBy(&changed)))
	before, _ := users.Call(ctx, "u1")
	names["u1"] = "Anna"
	err := changed.Invalidate(ctx, "u1")
	after, _ := users.Call(ctx, "u1")
	fmt.Println(before, after, err)
	// Output:
	// invalidation: this Support is bound to no function: pass it to memoize with config.InvalidatedBy
	// Ann Anna <nil>
}
