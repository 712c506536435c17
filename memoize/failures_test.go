package memoize_test

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/perennial-go/perennial/memoize"
)

// G1: those who come while a load fails share its failure, and the leader's
// error is told from theirs.
func TestConcurrentCallsShareOneFailure(t *testing.T) {
	bubble(t, func(t *testing.T) {
		source := returning[string](0)
		source.fails(errOutage)
		open := source.holds()
		f := memoize.Must(memoize.New(source.load))
		finish := begin(20, func() (int, error) { return f.Call(t.Context(), "key") })
		open()
		reasons := map[memoize.Reason]int{}
		joined := map[*memoize.LoadError]bool{}
		for _, r := range finish() {
			var l *memoize.LoadError
			if !errors.As(r.err, &l) || !errors.Is(r.err, errOutage) {
				t.Fatalf("got %v, %v; want a *LoadError of the outage", r.value, r.err)
			}
			reasons[l.Reason]++
			if l.Reason == memoize.JoinedFailed {
				joined[l] = true
			}
		}
		if reasons[memoize.Failed] != 1 || reasons[memoize.JoinedFailed] != 19 {
			t.Fatalf("reasons are %v, want one Failed and 19 JoinedFailed", reasons)
		}
		if len(joined) != 1 {
			t.Fatalf("those who joined got %d errors, want one that they share", len(joined))
		}
		wantCalls(t, source, 1)
	})
}

// G8: after a failure everybody who waits tries again, together.
func TestConcurrentCallsAfterFailureShareTheNextLoad(t *testing.T) {
	bubble(t, func(t *testing.T) {
		source := returning[string](0)
		source.fails(errOutage)
		f := memoize.Must(memoize.New(source.load))
		for range 2 {
			together(5, func() (int, error) { return f.Call(t.Context(), "key") })
		}
		source.returns(7)
		source.takes = time.Second
		before := source.count()
		allWant(t, 7, together(5, func() (int, error) { return f.Call(t.Context(), "key") }))
		wantCalls(t, source, before+1)
	})
}

// G8: stale hits during an outage are served, and tries come ever more rarely.
func TestFailingRefreshesAreDelayed(t *testing.T) {
	bubble(t, func(t *testing.T) {
		source := returning[string](1)
		f := memoize.Must(memoize.New(source.load, minuteAndHour...))
		wants(t, 1)(f.Call(t.Context(), "key"))
		source.fails(errOutage)
		time.Sleep(time.Minute)
		var tries []time.Duration
		stale := time.Now()
		for n := source.count(); time.Since(stale) < 58*time.Minute; time.Sleep(100 * time.Millisecond) {
			wants(t, 1)(f.Call(t.Context(), "key"))
			synctest.Wait()
			if now := source.count(); now > n {
				n = now
				tries = append(tries, time.Since(stale))
			}
		}
		if len(tries) < 6 || len(tries) > 20 {
			t.Fatalf("%d tries in 58 minutes of outage, at %v; want 6 to 20", len(tries), tries)
		}
		const longest = 59 * time.Minute / 4
		for i, at := range tries[1:] {
			gap := at - tries[i]
			upper := min(time.Second<<i, longest)
			if gap < upper/2 || gap > upper+100*time.Millisecond {
				t.Errorf("try %d came %v after the one before, want %v to %v", i+2, gap, upper/2, upper)
			}
		}
		source.returns(2)
		wants(t, 2)(f.Refresh(t.Context(), "key")) // a forced call always tries
	})
}
