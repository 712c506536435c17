package memoize_test

import (
	"testing"
	"time"

	"github.com/perennial-go/perennial/config"
)

// A refresh that failed is delayed for whoever reads the stale entry, over a store
// that gives each its own copy too; a value that is set or invalidated ends that.
func TestBackoffOverAStore(t *testing.T) {
	bubble(t, func(t *testing.T) {
		u, source := newUnreliable(), returning[string](1)
		f := sharing(t, u, source, config.UpdateAfter(time.Minute))
		wants(t, 1)(f.Call(t.Context(), "a"))
		calls := 1
		reads := func(times int, refreshes bool) {
			t.Helper()
			for range times {
				wants(t, 1)(f.Call(t.Context(), "a"))
				settled(t, f)
			}
			if refreshes {
				calls++
			}
			wantCalls(t, source, calls)
		}
		time.Sleep(2 * time.Minute)
		source.fails(errAway)
		reads(5, true) // one of them refreshes, and the others let it be
		time.Sleep(400 * time.Millisecond)
		reads(5, false) // the first delay is half a second at least
		time.Sleep(time.Second)
		reads(5, true)
		if s := f.Stats(); s.Delayed != 2 {
			t.Errorf("%d refreshes were delayed, want 2", s.Delayed)
		}
		many, err := f.CallMany(t.Context(), []string{"a"})
		wants(t, 1)(many[0], err)
		settled(t, f)
		wantCalls(t, source, calls)
		source.returns(1)
		time.Sleep(time.Minute)
		reads(5, true)
		time.Sleep(2 * time.Minute)
		reads(1, true) // what has succeeded has no delay
	})
}
