package problems

import (
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/perennial-go/perennial/entry"
	"github.com/perennial-go/perennial/observe"
)

// A problem is reported when it begins and, while it goes on, once an interval, with
// how often it was met since. It is over when something works once it has been away for
// an interval. That holds wherever the clock begins.
func TestReportsOfAProblem(t *testing.T) {
	t.Parallel()
	const (
		met   = iota // want is the count to report
		works        // want is 1 if the problem is over
		ends
	)
	type step struct {
		at   time.Duration
		what int
		want int
	}
	for name, steps := range map[string][]step{
		"none":                 {{0, works, 0}, {Interval, works, 0}},
		"one":                  {{0, met, 1}, {0, works, 0}, {Interval - 1, works, 0}, {Interval, works, 1}, {Interval, works, 0}, {5 * Interval, works, 0}},
		"goes on":              {{0, met, 1}, {0, met, 0}, {1, met, 0}, {Interval - 1, met, 0}, {Interval, met, 4}, {Interval + 1, met, 0}, {2 * Interval, met, 2}},
		"comes and goes":       {{0, met, 1}, {1, works, 0}, {2, met, 0}, {Interval, works, 0}, {Interval + 1, works, 0}, {Interval + 2, works, 1}},
		"comes back":           {{0, met, 1}, {Interval, works, 1}, {Interval, met, 1}, {Interval, met, 0}, {2*Interval - 1, works, 0}, {2 * Interval, works, 1}},
		"counts what was left": {{0, met, 1}, {1, met, 0}, {1 + Interval, works, 1}, {2 + Interval, met, 2}},
		"ended":                {{0, met, 1}, {0, ends, 0}, {Interval, works, 0}, {Interval, met, 1}, {Interval, ends, 0}, {Interval, met, 1}},
		"a long time":          {{0, met, 1}, {24 * time.Hour, met, 1}, {24*time.Hour + 1, met, 0}},
	} {
		for _, origin := range []entry.Instant{1, entry.Instant(time.Hour), entry.Instant(-24 * 365 * time.Hour), entry.At(time.Unix(1_700_000_000, 0))} {
			var p Problems
			for i, s := range steps {
				got, now := 0, origin.Add(s.at)
				switch s.what {
				case met:
					got = p.Meet(observe.Failing, now)
				case works:
					if p.Over(observe.Failing, func() entry.Instant { return now }) {
						got = 1
					}
				case ends:
					p.End(observe.Failing)
				}
				if got != s.want {
					t.Errorf("%s, from %d: step %d gives %d, want %d", name, origin, i, got, s.want)
				}
			}
		}
	}
}

// A problem that is met at the beginning of time is a problem as any other.
func TestProblemAtInstantZero(t *testing.T) {
	t.Parallel()
	var p Problems
	for i, s := range []struct {
		now  entry.Instant
		want int
	}{{0, 1}, {0, 0}, {entry.Instant(Interval), 0}, {entry.Instant(Interval + 1), 3}} {
		if got := p.Meet(observe.Failing, s.now); got != s.want {
			t.Errorf("step %d gives %d, want %d", i, got, s.want)
		}
	}
}

// Problems of one kind say nothing of those of another.
func TestKindsAreApart(t *testing.T) {
	t.Parallel()
	const now = entry.Instant(time.Hour)
	late := func() entry.Instant { return now.Add(Interval) }
	var p Problems
	if p.Any() {
		t.Error("there is a problem before any was met")
	}
	if p.Meet(observe.Failing, now) != 1 || p.Meet(observe.Shed, now) != 1 {
		t.Error("two problems are not reported twice")
	}
	p.End(observe.Shed)
	if p.Over(observe.Shed, late) || p.Over(observe.RefreshFailing, late) {
		t.Error("what was ended, or never met, is over")
	}
	if !p.Over(observe.Failing, late) || !p.Any() {
		t.Error("the other one is not over")
	}
}

// While nothing was met, what works does not even read the clock.
func TestClockIsNotReadWithoutProblems(t *testing.T) {
	t.Parallel()
	var p Problems
	read := 0
	now := func() entry.Instant { read++; return entry.Instant(time.Hour) }
	if p.Over(observe.Failing, now); read > 0 {
		t.Error("the clock is read before any problem was met")
	}
	p.Meet(observe.Failing, 1)
	if p.Over(observe.Shed, now); read > 0 {
		t.Error("the clock is read for a kind without a problem")
	}
	if p.Over(observe.Failing, now); read != 1 {
		t.Errorf("the clock is read %d times for one with a problem", read)
	}
}

// What happens while a problem is found to be over comes first: if the problem is met,
// it goes on, and if another call finds it over, that one says so.
func TestOverAmidOthers(t *testing.T) {
	t.Parallel()
	const now = entry.Instant(time.Hour)
	late := now.Add(Interval)
	var p Problems
	p.Meet(observe.Failing, now)
	if p.Over(observe.Failing, func() entry.Instant {
		if got := p.Meet(observe.Failing, late); got != 1 {
			t.Errorf("%d are reported, want 1", got)
		}
		return late
	}) {
		t.Error("a problem that was just met is over")
	}
	late = late.Add(Interval)
	if p.Over(observe.Failing, func() entry.Instant {
		if !p.Over(observe.Failing, func() entry.Instant { return late }) {
			t.Error("the first does not say that it is over")
		}
		return late
	}) {
		t.Error("a problem is over twice")
	}
	if p.Over(observe.Failing, func() entry.Instant { return late }) {
		t.Error("a problem is over once more")
	}
}

// Of many that meet a problem at once one reports it, of many for which something works
// one says that it is over, and none is left out of the counts.
func TestManyMeetAProblem(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const many = 50
		var p Problems
		var reports, counted, over atomic.Int64
		meet := func(now entry.Instant) {
			if n := p.Meet(observe.Failing, now); n > 0 {
				reports.Add(1)
				counted.Add(int64(n))
			}
		}
		for round := range 20 {
			now := entry.Instant(time.Hour).Add(time.Duration(2*round) * Interval)
			var wg sync.WaitGroup
			for range many {
				wg.Go(func() { meet(now) })
			}
			wg.Wait()
			for range many {
				wg.Go(func() {
					if p.Over(observe.Failing, func() entry.Instant { return now.Add(Interval) }) {
						over.Add(1)
					}
				})
			}
			wg.Wait()
			if n := int64(round + 1); reports.Load() != n || over.Load() != n {
				t.Fatalf("%d reports and %d ends after %d rounds", reports.Load(), over.Load(), n)
			}
		}
		if meet(entry.Never); counted.Load() != 20*many+1 {
			t.Errorf("%d were counted, want %d", counted.Load(), 20*many+1)
		}
	})
}
