// Expvar publishes the counters of a memoized function as an expvar, prints its
// events, and logs its problems with slog.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"expvar"
	"fmt"
	"io"
	"log"
	"log/slog"
	"os"
	"time"

	"github.com/perennial-go/perennial/config"
	"github.com/perennial-go/perennial/memoize"
	"github.com/perennial-go/perennial/observe"
)

func main() {
	// A server that imports expvar shows its variables at /debug/vars.
	if err := run(context.Background(), os.Stdout, expvar.NewMap("memoized")); err != nil {
		log.Fatal(err)
	}
}

func run(ctx context.Context, w io.Writer, vars *expvar.Map) error {
	down := false
	rate := func(_ context.Context, currency string) (float64, error) {
		if down {
			return 0, errors.New("the bank does not answer")
		}
		return 1.25, nil
	}
	// region observe
	printer := observe.Func(func(_ context.Context, e observe.Event) {
		fmt.Fprintf(w, "event %v: %s(%s)\n", e.Kind, e.Func, e.Key)
	})
	rates, err := memoize.New(rate, config.Name("rate"),
		config.UpdateAfter(100*time.Millisecond), config.ExpireAfter(500*time.Millisecond),
		config.Observe(printer), config.Logger(untimed(w)))
	// endregion
	if err != nil {
		return err
	}
	// region expvar
	vars.Set(rates.Name(), expvar.Func(func() any { return rates.Stats() }))
	// endregion

	// ask waits for a refresh in the background, to keep the printed lines in order.
	ask := func(note string) error {
		fmt.Fprintln(w, "#", note)
		r, err := rates.Result(ctx, "EUR")
		if waited := rates.Wait(ctx); waited != nil {
			return waited
		}
		if err != nil {
			fmt.Fprintln(w, "error", err)
			return nil
		}
		fmt.Fprintf(w, "%v (%v)\n", r.Value, r.Why)
		return nil
	}
	for _, step := range []struct {
		note  string
		later time.Duration
		down  bool
	}{
		{"the first call", 0, false},
		{"fresh: no event", 50 * time.Millisecond, false},
		{"stale, the refresh fails", 200 * time.Millisecond, true},
		{"expired, the load fails", time.Second, true},
		{"the bank is back", 0, false},
	} {
		time.Sleep(step.later)
		down = step.down
		if err := ask(step.note); err != nil {
			return err
		}
	}

	fmt.Fprintln(w, "# what a monitor reads")
	var published memoize.Stats
	if err := json.Unmarshal([]byte(vars.Get("rate").String()), &published); err != nil {
		return err
	}
	fmt.Fprintf(w, "calls %d: fresh %d, stale %d, loaded %d, failed %d; runs of the source %d, failed %d\n",
		published.Calls, published.Fresh, published.Stale, published.Loaded, published.Failed,
		published.Loads, published.LoadsFailed)
	return rates.Close(ctx)
}

// untimed logs without the time of day.
func untimed(w io.Writer) *slog.Logger {
	return slog.New(slog.NewTextHandler(w, &slog.HandlerOptions{
		ReplaceAttr: func(groups []string, a slog.Attr) slog.Attr {
			if len(groups) == 0 && a.Key == slog.TimeKey {
				return slog.Attr{}
			}
			return a
		},
	}))
}
