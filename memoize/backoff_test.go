package memoize_test

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/perennial-go/perennial/config"
	"github.com/perennial-go/perennial/memoize"
	"github.com/perennial-go/perennial/observe"
)

// A refresh that failed is delayed for whoever reads the stale entry, over a store
// that gives each its own copy too; a value that is set or invalidated ends that.
func TestBackoffOverAStore(t *testing.T) {
	bubble(t, func(t *testing.T) {
		u, source := newUnreliable(), returning[string](1)
		f := overStore(t, u, source, config.UpdateAfter(time.Minute))
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

// A refresh that comes too late is delayed as one that fails is, and told with its
// key; what runs meanwhile is counted.
func TestBackoffAfterATimeout(t *testing.T) {
	bubble(t, func(t *testing.T) {
		source, o := returning[string](1), &told{kinds: []observe.Kind{observe.RefreshFailing, observe.Delayed, observe.Late}}
		f := memoize.Must(memoize.New(source.load, config.UpdateAfter(time.Minute), config.ExpireAfter(time.Hour), config.MethodTimeout(time.Second), config.Observe(o)))
		wants(t, 1)(f.Call(t.Context(), "a"))
		time.Sleep(2 * time.Minute)
		open := source.holds()
		wants(t, 1)(f.Call(t.Context(), "a"))
		synctest.Wait()
		if s := f.Stats(); s.LoadsRunning != 1 || s.RefreshesRunning != 1 {
			t.Errorf("%d loads run, %d of them refreshes; want 1", s.LoadsRunning, s.RefreshesRunning)
		}
		time.Sleep(time.Second)
		synctest.Wait()
		source.lets()
		wants(t, 1)(f.Call(t.Context(), "a"))
		synctest.Wait()
		wantCalls(t, source, 2)
		if s := f.Stats(); s.LoadsRunning != 0 || s.Late != 1 || s.Delayed != 1 {
			t.Errorf("counted %+v", s)
		}
		kinds := map[observe.Kind]observe.Event{}
		for _, e := range o.was() {
			kinds[e.Kind] = e
			if e.Key != `"a"` || !errors.Is(e.Err, memoize.ErrLoadTimeout) {
				t.Errorf("the event is of %s: %v", e.Key, e.Err)
			}
		}
		if len(kinds) != 3 || kinds[observe.Delayed].Duration <= 0 || kinds[observe.Late].Duration != time.Second {
			t.Errorf("told %+v", kinds)
		}
		open()
		time.Sleep(2 * time.Second)
		wants(t, 1)(f.Call(t.Context(), "a"))
		settled(t, f)
		wantCalls(t, source, 2) // the late one has stored its value
	})
}
