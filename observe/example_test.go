package observe_test

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"time"

	"github.com/perennial-go/perennial/observe"
)

// An observer is a function. Give it to config.Observe; here it is told by hand.
func ExampleFunc() {
	slow := observe.Func(func(_ context.Context, e observe.Event) {
		if e.Duration > time.Second {
			fmt.Println(e.Func, e.Key, "took", e.Duration)
		}
	})
	slow.Observe(context.Background(), observe.Event{Kind: observe.LoadEnded, Func: "users", Key: "42", Duration: 3 * time.Second})
	// Output: users 42 took 3s
}

// A problem is logged when it starts, and not for every failure.
func ExampleSlog() {
	o := observe.Slog(slog.New(slog.NewTextHandler(os.Stdout, &slog.HandlerOptions{
		ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
			if a.Key == slog.TimeKey {
				return slog.Attr{} // the same in every run
			}
			return a
		},
	})))
	for _, first := range []bool{true, false, false} {
		o.Observe(context.Background(), observe.Event{
			Kind: observe.RefreshFailing, First: first, Func: "users", Key: "42", Cause: observe.Refresh, Err: os.ErrDeadlineExceeded,
		})
	}
	// Output: level=WARN msg="refreshes fail, stale values are served until they expire" func=users key=42 cause=refresh err="i/o timeout"
}
