package coarse

import (
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// near tells whether the time is the wall clock's, but for so much.
func near(t *testing.T, what string, got int64, ahead time.Duration) {
	t.Helper()
	if d := time.Duration(got-time.Now().UnixNano()) - ahead; d.Abs() > time.Minute {
		t.Errorf("%s: the time is %v ahead of what it should be", what, d)
	}
}

func TestExactIsTheLaterOfBothClocks(t *testing.T) {
	const hours = 7 * time.Hour
	near(t, "at first", Exact(), 0)
	undo := Step(hours) // as a machine does that has slept
	near(t, "the wall clock steps forth", Exact(), hours)
	undoBack := Step(-2 * hours)
	near(t, "it steps back", Exact(), hours)
	undoForth := Step(hours)
	near(t, "it steps forth, and not as far as it was", Exact(), hours)
	undoFurther := Step(hours + time.Hour)
	near(t, "it steps forth further", Exact(), hours+time.Hour)
	undoFurther()
	undoForth()
	undoBack()
	undo()
	near(t, "as it was", Exact(), 0)
}

func TestReadingFollowsTheWallClockAtItsTick(t *testing.T) {
	Now()
	defer Step(0)()
	stepped.Add(int64(time.Hour)) // what nobody has seen yet
	defer stepped.Add(-int64(time.Hour))
	looked.Store(looked.Load() - int64(lookEvery)) // as a millisecond does
	if mu.Lock(); reading.Load() == 0 {
		t.Error("the ticker does not run")
	}
	mu.Unlock()
	fire()
	near(t, "after a tick", Now(), time.Hour)
}

// The wall clock is looked at again once a millisecond has passed, and also where
// it was last looked at after the time that is read.
func TestLooksAtTheWallClockAgain(t *testing.T) {
	defer Step(0)()
	defer stepped.Add(-int64(time.Hour))
	stepped.Add(int64(time.Hour))
	for _, last := range []int64{Monotonic() - int64(lookEvery), Monotonic() + int64(time.Hour)} {
		before := offset.Load()
		looked.Store(last)
		near(t, "after a look", Exact(), time.Hour)
		offset.Store(before - int64(time.Hour))
	}
}

func TestExactNeverGoesBack(t *testing.T) {
	defer Step(0)()
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			last := Exact()
			for range 20_000 {
				now := Exact()
				if now < last {
					t.Errorf("%d, and then %d", last, now)
					return
				}
				last = now
			}
		})
	}
	wg.Go(func() {
		for i := range 200 {
			step := time.Duration(i%7-3) * time.Second
			stepped.Add(int64(step))
			defer stepped.Add(-int64(step))
			looked.Store(0)
		}
	})
	wg.Wait()
}

// A bubble has its own time, and leaves that of the process alone.
func TestExactInABubble(t *testing.T) {
	before := offset.Load()
	synctest.Test(t, func(t *testing.T) {
		for range 3 {
			if got, want := Exact(), time.Now().UnixNano(); got != want {
				t.Errorf("%v, and the bubble's time is %v", time.Unix(0, got), time.Unix(0, want))
			}
			time.Sleep(time.Hour)
		}
	})
	if offset.Load() != before {
		t.Error("the bubble has changed the time of the process")
	}
	near(t, "after the bubble", Exact(), 0)
}

func TestClock(t *testing.T) {
	defer Step(time.Hour)()
	defer Step(-2 * time.Hour)()
	c := Clock()
	now := c.Now()
	near(t, "Now", now.UnixNano(), time.Hour)
	if d := c.Since(now); d < 0 || d > time.Minute {
		t.Errorf("%v since now", d)
	}
	if d := c.Until(time.Now().Add(time.Hour)); d > time.Hour || d < 59*time.Minute {
		t.Errorf("%v until an hour from now by the wall clock", d)
	}
	ctx, cancel := c.WithDeadline(t.Context(), now.Add(time.Hour))
	defer cancel()
	if end, _ := ctx.Deadline(); time.Until(end) > time.Hour || time.Until(end) < 59*time.Minute {
		t.Errorf("the deadline is %v from now", time.Until(end))
	}
}
