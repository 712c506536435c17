// Batch memoizes a source that takes many keys at once: what is stored is not
// asked for again, and the rest goes to the source together.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"os"

	"github.com/perennial-go/perennial/memoize"
)

func main() {
	if err := run(context.Background(), os.Stdout); err != nil {
		log.Fatal(err)
	}
}

func run(ctx context.Context, w io.Writer) error {
	cents := map[string]int{"apple": 60, "bread": 250, "cheese": 790, "dates": 420}
	lookUp := func(_ context.Context, names []string) (map[string]int, error) {
		fmt.Fprintln(w, "  the source is asked for", names)
		found := map[string]int{}
		for _, name := range names {
			if price, ok := cents[name]; ok {
				found[name] = price
			}
		}
		return found, nil
	}
	prices, err := memoize.NewBatched(lookUp)
	if err != nil {
		return err
	}
	for _, names := range [][]string{
		{"apple", "bread"},
		{"bread", "unicorn", "cheese", "apple", "bread"},
		{"dates", "cheese"},
	} {
		fmt.Fprintln(w, names)
		// region many
		values, err := prices.CallMany(ctx, names)
		var many *memoize.ManyError
		if err != nil && !errors.As(err, &many) {
			return err
		}
		for i, name := range names {
			switch {
			case many == nil || many.At(i) == nil:
				fmt.Fprintf(w, "  %s costs %d cents\n", name, values[i])
			case errors.Is(many.At(i), memoize.ErrNoValue):
				fmt.Fprintf(w, "  %s is not for sale\n", name)
			default:
				return many.At(i)
			}
		}
		// endregion
	}
	return prices.Close(ctx)
}
