// Configuration memoizes a search under a configuration object made of parts of
// its own, and once more under the same configuration said by options.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"os"
	"strings"
	"time"

	"github.com/perennial-go/perennial/config"
	"github.com/perennial-go/perennial/entry"
	"github.com/perennial-go/perennial/eviction"
	"github.com/perennial-go/perennial/memoize"
	"github.com/perennial-go/perennial/storage"
)

func main() {
	if err := run(context.Background(), os.Stdout); err != nil {
		log.Fatal(err)
	}
}

// query is no key itself: it holds a slice.
type query struct{ words []string }

// canonical is the key of a query: two that differ in case share an answer.
func (q query) canonical() string { return strings.ToLower(strings.Join(q.words, " ")) }

func run(ctx context.Context, w io.Writer) error {
	search := func(ctx context.Context, q query) ([]string, error) {
		if q.words[0] == "hang" {
			<-ctx.Done()
			return nil, ctx.Err()
		}
		fmt.Fprintln(w, "  searching for", q.words)
		return []string{"about " + q.canonical()}, nil
	}

	fmt.Fprintln(w, "an object of own parts:")
	settings, err := parts()
	if err != nil {
		return err
	}
	byObject, err := memoize.Memoize(search, config.Of(settings), config.Name("search"))
	if err != nil {
		return err
	}
	if err := try(ctx, w, byObject); err != nil {
		return err
	}

	fmt.Fprintln(w, "the same by options:")
	// region options
	byOptions, err := memoize.NewKeyed(search, query.canonical,
		config.UpdateAfter(2*time.Minute), config.ExpireAfter(5*time.Minute),
		config.Evict(eviction.LeastRecentlyUpdated[string](2)),
		config.MethodTimeout(time.Second),
		config.Postprocess(config.DeepCopy[[]string]()),
		config.Name("search"))
	// endregion
	if err != nil {
		return err
	}
	return try(ctx, w, byOptions)
}

// parts is every part of a configuration, each of which could be one of the
// program's own.
func parts() (settings config.Settings[query, string, []string], err error) {
	// region parts
	builder, err := entry.NewLifeSpan[string, []string](entry.Life{
		UpdateAfter: 2 * time.Minute,
		ExpireAfter: 5 * time.Minute,
	})
	settings = config.Settings[query, string, []string]{
		Configured:     true,
		MethodTimeout:  time.Second,
		Builder:        builder,
		Keys:           config.KeyOf(query.canonical),
		Storage:        storage.NewInMemory[string, []string](),
		Eviction:       eviction.LeastRecentlyUpdated[string](2),
		Postprocessing: config.DeepCopy[[]string](),
	}
	// endregion
	return settings, err
}

// try shows what each part does.
func try(ctx context.Context, w io.Writer, search *memoize.Func[query, []string]) error {
	for _, text := range []string{"Go", "GO", "rust", "zig", "go"} { // two are kept: "go" is searched for again
		found, err := search.Call(ctx, query{strings.Fields(text)})
		if err != nil {
			return err
		}
		fmt.Fprintf(w, "  %-4s %v\n", text, found)
		found[0] = "changed by a caller" // a copy: nobody else sees it

		// What there is no room for goes right after the call returns.
		if err := search.Wait(ctx); err != nil {
			return err
		}
	}
	_, err := search.Call(ctx, query{[]string{"hang"}})
	if !errors.Is(err, memoize.ErrLoadTimeout) {
		return fmt.Errorf("a search that hangs ended with %w", err)
	}
	fmt.Fprintln(w, " ", err)
	return search.Close(ctx)
}
