package coarse

import (
	"context"
	"time"

	"github.com/benbjohnson/clock"
)

// Clock is Exact as a clock, whose timers are those of the runtime: they stand
// still while the machine sleeps.
func Clock() clock.Clock { return exactClock{clock.New()} }

type exactClock struct{ clock.Clock }

func (exactClock) Now() time.Time                    { return time.Unix(0, Exact()) }
func (c exactClock) Since(t time.Time) time.Duration { return c.Now().Sub(t) }

// Until is by the wall clock: what t is compared with is not from here, but
// somebody's idea of the time.
func (exactClock) Until(t time.Time) time.Duration { return time.Until(t.Round(0)) }

func (c exactClock) WithDeadline(ctx context.Context, d time.Time) (context.Context, context.CancelFunc) {
	return c.WithTimeout(ctx, d.Sub(c.Now()))
}
