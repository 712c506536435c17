package config_test

import (
	"context"
	"fmt"

	"github.com/perennial-go/perennial/config"
	"github.com/perennial-go/perennial/memoize"
)

type (
	traceKey       struct{}
	transactionKey struct{}
)

// A load sees the trace of the call that has started it, and not its transaction.
func ExampleContextValues() {
	users := memoize.Must(memoize.New(func(ctx context.Context, id int) (string, error) {
		return fmt.Sprint(id, " in trace ", ctx.Value(traceKey{}), ", transaction ", ctx.Value(transactionKey{})), nil
	}, config.ContextValues(config.OnlyValues(traceKey{}))))

	ctx := context.WithValue(context.Background(), traceKey{}, "t1")
	ctx = context.WithValue(ctx, transactionKey{}, "open")
	fmt.Println(users.Call(ctx, 42))
	// Output: 42 in trace t1, transaction <nil> <nil>
}
