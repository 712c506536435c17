// Invalidation lets code that does not hold the memoized function make it forget
// a value.
package main

import (
	"context"
	"fmt"
	"io"
	"log"
	"os"

	"github.com/perennial-go/perennial/config"
	"github.com/perennial-go/perennial/invalidation"
	"github.com/perennial-go/perennial/memoize"
)

func main() {
	if err := run(context.Background(), os.Stdout); err != nil {
		log.Fatal(err)
	}
}

func run(ctx context.Context, w io.Writer) error {
	version := 0
	load := func(_ context.Context, page string) (string, error) {
		version++
		return fmt.Sprintf("%s, version %d", page, version), nil
	}
	// region support
	var pages invalidation.Support[string] // for whoever changes pages
	show, err := memoize.New(load, config.InvalidatedBy(&pages))
	// endregion
	if err != nil {
		return err
	}
	twice := func() error {
		for range 2 {
			page, err := show.Call(ctx, "home")
			if err != nil {
				return err
			}
			fmt.Fprintln(w, page)
		}
		return nil
	}
	if err := twice(); err != nil {
		return err
	}
	if err := pages.Invalidate(ctx, "home"); err != nil {
		return err
	}
	fmt.Fprintln(w, "invalidated")
	if err := twice(); err != nil {
		return err
	}
	return show.Close(ctx)
}
