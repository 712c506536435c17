package memoize_test

import (
	"context"
	"fmt"
	"time"

	"github.com/perennial-go/perennial/entry"
	"github.com/perennial-go/perennial/memoize"
)

// What docs/changes.md shows.
func Example_changes() {
	ctx := context.Background()
	counts := memoize.Must(memoize.New(func(context.Context, string) (int, error) { return 0, nil }))
	// region update
	n, err := counts.Update(ctx, "page", func(old int, ok bool) (int, error) { return old + 1, nil })
	// endregion
	fmt.Println(n, err)

	tokens := memoize.Must(memoize.New(func(context.Context, string) (string, error) { return "", nil }))
	user, token := "ann", struct {
		Text      string
		ExpiresIn time.Duration
	}{"secret", time.Hour}
	// region setfor
	err = tokens.SetFor(ctx, user, token.Text, entry.Life{ExpireAfter: token.ExpiresIn})
	// endregion
	fmt.Println(err)

	// region all
	seq, err := memoize.All[string](counts)
	if err != nil {
		fmt.Println(err)
		return
	}
	for page, r := range seq {
		fmt.Println(page, r.Value, r.State, r.ExpiresIn().Round(time.Minute))
	}
	// endregion
	// Output:
	// 1 <nil>
	// <nil>
	// page 1 fresh 30m0s
}
