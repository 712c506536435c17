// Reconfigure changes the configuration of a function that is in use: its
// lifetimes, its eviction strategy, its postprocessing, and the switch past the
// cache. A change that is wrong in one point changes nothing at all.
package main

import (
	"context"
	"fmt"
	"io"
	"log"
	"log/slog"
	"os"
	"sync/atomic"
	"time"

	"github.com/perennial-go/perennial/config"
	"github.com/perennial-go/perennial/eviction"
	"github.com/perennial-go/perennial/memoize"
)

func main() {
	if err := run(context.Background(), os.Stdout); err != nil {
		log.Fatal(err)
	}
}

type profile struct {
	Version int64
	Tags    []string
}

// program is what the steps share.
type program struct {
	io.Writer
	live     *config.Live[string, string, *profile]
	profiles *memoize.Func[string, *profile]
}

func run(ctx context.Context, w io.Writer) error {
	var loads atomic.Int64
	load := func(context.Context, string) (*profile, error) {
		return &profile{Version: loads.Add(1), Tags: []string{"new"}}, nil
	}
	// region mutable
	live := config.Mutable(config.InMemory[string, *profile](config.UpdateAfter(time.Minute)))
	profiles, err := memoize.Memoize(load, live, config.Name("profiles"), config.Logger(untimed(w)))
	// endregion
	if err != nil {
		return err
	}
	p := program{w, live, profiles}
	for _, step := range []func(context.Context) error{p.lifetimes, p.strategy, p.postprocessing, p.bypass, p.rejected} {
		if err := step(ctx); err != nil {
			return err
		}
	}
	return profiles.Close(ctx)
}

// lifetimes: entries that are stored keep their life, later ones get the new one.
func (p program) lifetimes(ctx context.Context) error {
	fmt.Fprintln(p, "# lifetimes")
	if err := p.show(ctx, "ann"); err != nil {
		return err
	}
	if err := p.live.Apply(config.UpdateAfter(100*time.Millisecond), config.ExpireAfter(time.Hour)); err != nil {
		return err
	}
	if err := p.show(ctx, "bob"); err != nil {
		return err
	}
	time.Sleep(200 * time.Millisecond)
	for _, name := range []string{"ann", "bob"} {
		if err := p.show(ctx, name); err != nil {
			return err
		}
	}
	if err := p.profiles.Wait(ctx); err != nil { // for the refresh of bob
		return err
	}
	return p.live.Apply(config.UpdateAfter(time.Minute))
}

// strategy: what the new one has no room for goes before Apply returns.
func (p program) strategy(ctx context.Context) error {
	fmt.Fprintln(p, "# strategy")
	if _, err := p.profiles.CallMany(ctx, []string{"cid", "dan", "eve"}); err != nil {
		return err
	}
	fmt.Fprintln(p, p.profiles.Len(), "entries")
	if err := p.live.Apply(config.Evict(eviction.LeastRecentlyUpdated[string](2))); err != nil {
		return err
	}
	fmt.Fprintln(p, p.profiles.Len(), "entries")
	return nil
}

// postprocessing: with copies, a caller may change what it gets.
func (p program) postprocessing(ctx context.Context) error {
	fmt.Fprintln(p, "# postprocessing")
	if err := p.spoil(ctx); err != nil {
		return err
	}
	if err := p.live.Apply(config.Postprocess(config.DeepCopy[*profile]())); err != nil {
		return err
	}
	return p.spoil(ctx)
}

// spoil changes the value that one caller gets, and shows what the next one does.
func (p program) spoil(ctx context.Context) error {
	got, err := p.profiles.Refresh(ctx, "ann")
	if err != nil {
		return err
	}
	got.Tags[0] = "changed by a caller"
	return p.show(ctx, "ann")
}

// bypass: the switch for an outage of the cache itself. What is stored stays.
func (p program) bypass(ctx context.Context) error {
	fmt.Fprintln(p, "# bypass")
	for _, on := range []bool{true, false} {
		if err := p.live.Apply(config.Bypass(on)); err != nil {
			return err
		}
		for range 2 {
			if err := p.show(ctx, "ann"); err != nil {
				return err
			}
		}
	}
	return nil
}

// rejected: one fault, and none of the options takes effect.
func (p program) rejected(context.Context) error {
	fmt.Fprintln(p, "# rejected")
	before := p.live.Snapshot()
	err := p.live.Apply(
		config.Bypass(true), // nothing is wrong with this one
		config.Evict(eviction.LeastRecentlyUpdated[int](10)), // keys are strings
		config.UpdateAfter(2*time.Hour), config.ExpireAfter(time.Hour),
	)
	fmt.Fprintln(p, err)
	fmt.Fprintln(p, "nothing changed:", p.live.Snapshot() == before)
	return nil
}

// show prints what a caller gets.
func (p program) show(ctx context.Context, name string) error {
	got, err := p.profiles.Result(ctx, name)
	if err != nil {
		return err
	}
	fmt.Fprintf(p, "%s: version %d, %q (%v)\n", name, got.Value.Version, got.Value.Tags, got.Why)
	return nil
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
