package sweeptimer

import (
	"math"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/benbjohnson/clock"

	"github.com/perennial-go/perennial/entry"
	"github.com/perennial-go/perennial/internal/timeline"
)

// sweeps is a timer with what is known of its sweeps.
type sweeps struct {
	Timer
	t     *testing.T
	began time.Time

	mu     sync.Mutex
	came   []time.Duration // since began
	during func()          // what happens while one runs
}

func start(t *testing.T, c clock.Clock) *sweeps {
	s := &sweeps{t: t, began: time.Now()}
	tl := new(timeline.Timeline)
	tl.Init(c, true, func(time.Duration) {})
	s.Init(tl, func() {
		s.mu.Lock()
		s.came = append(s.came, time.Since(s.began))
		during := s.during
		s.mu.Unlock()
		if during != nil {
			during()
		}
	})
	return s
}

// in is the instant that is so long after began, in a bubble.
func (s *sweeps) in(d time.Duration) entry.Instant { return entry.At(s.began.Add(d)) }

// until waits until so long after began, and says when the sweeps so far must have come.
func (s *sweeps) until(d time.Duration, want ...time.Duration) {
	s.t.Helper()
	time.Sleep(d - time.Since(s.began))
	synctest.Wait()
	s.mu.Lock()
	defer s.mu.Unlock()
	if !slices.Equal(s.came, want) {
		s.t.Fatalf("after %v sweeps have come at %v, want %v", d, s.came, want)
	}
}

// One sweep comes, for the nearest of all ends, and at once for one that has passed.
func TestSweepComesForTheNearestEnd(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		ends []time.Duration
		want time.Duration
	}{
		"one":             {[]time.Duration{time.Minute}, time.Minute},
		"the last":        {[]time.Duration{time.Hour, time.Minute, time.Second}, time.Second},
		"the first":       {[]time.Duration{time.Second, time.Minute, time.Hour}, time.Second},
		"the same again":  {[]time.Duration{time.Second, time.Second}, time.Second},
		"now":             {[]time.Duration{time.Second, 0}, 0},
		"past":            {[]time.Duration{-time.Hour, -time.Minute}, 0},
		"long past":       {[]time.Duration{math.MinInt64}, 0},
		"one, and no end": {[]time.Duration{math.MaxInt64, time.Minute}, time.Minute},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := start(t, nil)
				for _, end := range test.ends {
					s.Arm(s.in(end))
				}
				if test.want > 0 {
					s.until(test.want - 1)
				}
				s.until(test.want, test.want)
				s.until(2*time.Hour, test.want)
			})
		})
	}
}

// What never ends needs no sweep: nothing is armed for it.
func TestNoSweepForWhatNeverEnds(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := start(t, nil)
		s.Arm(entry.Never)
		if s.timer != nil {
			t.Error("a timer is armed for the end of time")
		}
		s.Begin()
		if s.End(time.Second, 1, entry.Never); s.timer != nil {
			t.Error("a timer is armed after a sweep that has left nothing to end")
		}
	})
}

// After a sweep the next one comes for the nearest end, but no earlier than a hundred
// times as long after it as it has spent on what stays, and as long as it took.
func TestSweepsRest(t *testing.T) {
	t.Parallel()
	const forever = math.MaxInt64/2 + 1 // as a float64 has it
	for name, test := range map[string]struct {
		took    time.Duration
		idle    float64
		nearest time.Duration // after the end of the sweep
		rests   time.Duration
	}{
		"all stays":               {time.Millisecond, 1, 0, 100 * time.Millisecond},
		"half of it stays":        {time.Millisecond, 0.5, 0, 50 * time.Millisecond},
		"nothing stays":           {time.Millisecond, 0, 0, time.Millisecond},
		"hardly anything stays":   {time.Second, 1.0 / 1024, 0, time.Second},
		"it takes no time":        {0, 1, 0, 0},
		"the end is far":          {time.Millisecond, 1, time.Hour, 100 * time.Millisecond},
		"the end is long past":    {time.Millisecond, 1, -time.Hour, 100 * time.Millisecond},
		"it takes very long":      {24 * 365 * time.Hour, 1, 0, 100 * 24 * 365 * time.Hour},
		"it takes far too long":   {forever / 50, 1, 0, forever},
		"it takes a lifetime too": {forever, 0.001, 0, forever},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := start(t, nil)
				s.Begin()
				s.End(test.took, test.idle, s.in(test.nearest))
				if rests := s.Earliest().Sub(s.in(0)); rests != test.rests {
					t.Errorf("it rests for %v, want %v", rests, test.rests)
				}
				if test.nearest < test.rests {
					s.Arm(s.in(test.nearest)) // changes nothing
				}
				next := max(test.rests, test.nearest)
				if next > time.Hour {
					s.until(time.Hour)
					s.Stop()
					return
				}
				if next > 0 {
					s.until(next - 1)
				}
				s.until(next, next)
			})
		})
	}
}

// What is written while a sweep runs, and ends before the others, is swept by the next
// one. That comes when this one has ended and has rested, and not beside it.
func TestWritesAmidASweep(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		idle          float64
		near, nearest time.Duration // from the beginning of the sweep
		want          time.Duration
	}{
		"it ends meanwhile":          {0, time.Millisecond, time.Hour, 2 * time.Second},
		"it ends while it rests":     {1, 2 * time.Second, time.Hour, 101 * time.Second},
		"it ends later":              {1, 2 * time.Minute, time.Hour, 2 * time.Minute},
		"it ends after the others":   {1, time.Hour, 2 * time.Minute, 2 * time.Minute},
		"nothing else is left":       {1, 2 * time.Minute, math.MaxInt64, 2 * time.Minute},
		"it never ends, as the rest": {1, math.MaxInt64, math.MaxInt64, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := start(t, nil)
				s.during = func() {
					s.Begin()
					s.during = nil
					s.Arm(s.in(2 * time.Hour))
					s.Arm(s.in(test.near))
					time.Sleep(time.Second)
					s.End(time.Second, test.idle, s.in(test.nearest))
				}
				s.Arm(s.in(0))
				if test.want == 0 {
					s.until(3*time.Hour, 0, 2*time.Hour)
					return
				}
				s.until(test.want-1, 0)
				s.until(3*time.Hour, 0, test.want)
			})
		})
	}
}

// Sweeps follow one another for as long as something is left to end, and none after.
func TestSweepsFollowOneAnother(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := start(t, nil)
		left := 3
		s.during = func() {
			s.Begin()
			nearest := entry.Never
			if left--; left > 0 {
				nearest = entry.At(time.Now()).Add(time.Minute)
			}
			s.End(0, 0, nearest)
		}
		s.Arm(s.in(time.Second))
		s.until(time.Hour, time.Second, time.Minute+time.Second, 2*time.Minute+time.Second)
	})
}

// Once stopped no sweep comes any more: not the one that is armed, nor one that is asked
// for later.
func TestNoSweepOnceStopped(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := start(t, nil)
		s.Arm(s.in(time.Minute))
		s.Stop()
		s.Stop() // changes nothing
		s.Arm(s.in(time.Second))
		s.until(time.Hour)
		s.Begin()
		s.End(0, 0, s.in(0))
		s.until(2 * time.Hour)
	})
	synctest.Test(t, func(t *testing.T) {
		s := start(t, nil)
		s.Stop() // with no timer
		s.Arm(s.in(0))
		s.until(time.Hour)
	})
}

// In a bubble that the function was not made in no timer is made, for the function must
// not keep it.
func TestNoTimerElsewhere(t *testing.T) {
	t.Parallel()
	s := start(t, nil) // in real time
	defer s.Stop()
	synctest.Test(t, func(t *testing.T) {
		s.Arm(entry.At(time.Now()))
		if s.timer != nil || s.at.Load() != int64(entry.Never) {
			t.Error("a timer is armed in a bubble")
		}
	})
	if s.Arm(entry.At(time.Now().Add(time.Hour))); s.timer == nil {
		t.Error("no timer is armed outside of the bubble")
	}
}

// A clock that was handed in has the timer.
func TestSweepsByAClock(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := clock.NewMock()
		s := start(t, c)
		swept := func() int {
			synctest.Wait()
			s.mu.Lock()
			defer s.mu.Unlock()
			return len(s.came)
		}
		s.Arm(entry.At(c.Now()).Add(time.Minute))
		time.Sleep(time.Hour)
		if c.Add(time.Minute - 1); swept() != 0 {
			t.Fatal("a sweep comes before its time")
		}
		if c.Add(1); swept() != 1 {
			t.Fatal("no sweep comes")
		}
		s.Begin()
		s.End(time.Second, 1, 0)
		if c.Add(100*time.Second - 1); swept() != 1 {
			t.Fatal("a sweep comes while the clock says that it rests")
		}
		if c.Add(1); swept() != 2 {
			t.Fatal("no other sweep comes")
		}
	})
}

// Many write at once, and the sweep comes for the nearest end of all.
func TestManyArm(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := start(t, nil)
		for i := range 100 {
			go s.Arm(s.in(time.Duration(1+(i*37)%100) * time.Second))
		}
		s.until(time.Second - 1)
		s.until(time.Hour, time.Second)
	})
}
