package slots

import (
	"context"
	"errors"
	"math"
	"testing"
	"testing/synctest"
	"time"

	"github.com/benbjohnson/clock"

	"github.com/perennial-go/perennial/entry"
)

// What is given up keeps its slot; one is for a run that was not, however many do.
func TestLate(t *testing.T) {
	l := limitOf(2)
	a, b, c, d := l.Slot(), l.Slot(), l.Slot(), l.Slot()
	if !a.TryTake() || !b.TryTake() || c.TryTake() {
		t.Fatal("two slots are not two")
	}
	if held, _ := a.Late(); held != 2 || c.TryTake() {
		t.Error("one that is late has given its slot back")
	}
	b.Late()
	b.Late()
	if _, late, _ := l.Counts(); late != 2 || !c.TryTake() || d.TryTake() {
		t.Error("there is not one for a run in its time")
	}
	c.Return()
	a.Return()
	if held, late, waiting := l.Counts(); held != 1 || late != 1 || waiting != 0 {
		t.Error(held, late, waiting)
	}
	if held, _ := a.Late(); held != 1 {
		t.Error("one that is over is late")
	}
	b.Return()
	if held, late, _ := l.Counts(); held != 0 || late != 0 {
		t.Error(held, late)
	}
}

// One that is given up while it waits in a nested call counts again when it goes on, at once.
func TestLateWhileParked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := limitOf(1)
		a, b := l.Slot(), l.Slot()
		if !a.TryTake() {
			t.Fatal("no slot")
		}
		a.Park()
		a.Late()
		if !b.TryTake() {
			t.Fatal("one that is parked holds its slot")
		}
		a.Resume(t.Context())
		if held, late, _ := l.Counts(); held != 2 || late != 1 {
			t.Error(held, late)
		}
		a.Return()
		c := l.Slot()
		if c.TryTake() {
			t.Error("b's slot was given away")
		}
		b.Park()
		if !c.TryTake() {
			t.Fatal("no slot")
		}
		resumed := make(chan struct{})
		go func() {
			b.Resume(context.Background())
			close(resumed)
		}()
		synctest.Wait()
		b.Late() // while it waits to go on
		<-resumed
		if held, late, _ := l.Counts(); held != 2 || late != 1 {
			t.Error(held, late)
		}
		b.Return()
		c.Return()
		if held, late, _ := l.Counts(); held != 0 || late != 0 {
			t.Error(held, late)
		}
	})
}

func TestShares(t *testing.T) {
	l := limitOf(5)
	for _, c := range []struct {
		share float64
		most  int
	}{{0.6, 3}, {0.4, 2}, {0.01, 1}, {1, 5}, {0.79, 4}} {
		var all []*Slot
		for {
			s := l.Slot()
			if room := l.Room(c.share); room != (len(all) < c.most) {
				t.Errorf("a share of %v: %d are held, room: %v", c.share, len(all), room)
			}
			if _, ok := s.TryTakeOf(c.share); !ok {
				break
			}
			all = append(all, &s)
		}
		if len(all) != c.most {
			t.Errorf("a share of %v is %d of 5, want %d", c.share, len(all), c.most)
		}
		for _, s := range all {
			s.Return()
		}
	}
	l.Resize(0)
	if s := l.Slot(); s.TryTake() {
		t.Error("a slot of none")
	}
	s := l.Slot()
	for range 2 {
		if held := s.TakeOver(); held != 1 {
			t.Errorf("TakeOver takes none, or two: %d are held", held)
		}
	}
	s.Return()
	if s.TakeOver() != 0 {
		t.Error("one that is over takes another")
	}
}

func TestRefuse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := limitOf(1)
		a, b, ahead := l.Slot(), l.Slot(), l.Slot()
		if !ahead.TryTake() {
			t.Fatal("no slot")
		}
		ahead.Park()
		if !a.TryTake() {
			t.Fatal("no slot")
		}
		got, resumed := make(chan error), make(chan struct{})
		go func() { got <- b.Take(context.Background()) }()
		go func() {
			ahead.Resume(context.Background())
			close(resumed)
		}()
		synctest.Wait()
		l.Refuse()
		if err := <-got; !errors.Is(err, ErrRefused) {
			t.Errorf("who waits to begin got %v", err)
		}
		a.Return()
		<-resumed // who has begun goes on
		ahead.Return()
		if err := b.Take(t.Context()); err != nil {
			t.Errorf("one that was refused can't try again: %v", err)
		}
	})
}

// It is asked again how long is left, whenever that is over.
func TestTakeWithin(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := limitOf(1)
		a, b := l.Slot(), l.Slot()
		if !a.TryTake() {
			t.Fatal("no slot")
		}
		began, asked := time.Now(), 0
		left := func() time.Duration {
			asked++
			return []time.Duration{time.Second, time.Minute, 0}[asked-1]
		}
		if err := b.TakeWithin(t.Context(), clock.New(), left); !errors.Is(err, ErrTooLong) || time.Since(began) != 61*time.Second || asked != 3 {
			t.Errorf("%v after %v, asked %d times", err, time.Since(began), asked)
		}
		if _, _, waiting := l.Counts(); waiting != 0 {
			t.Error("it still waits")
		}
		got := make(chan error)
		go func() {
			got <- b.TakeWithin(t.Context(), clock.New(), func() time.Duration { return math.MaxInt64 })
		}()
		synctest.Wait()
		a.Return()
		if err := <-got; err != nil {
			t.Error(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		c := l.Slot()
		if err := c.TakeWithin(ctx, clock.New(), func() time.Duration { return time.Hour }); !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
	})
}

func TestParked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := &Limit{Now: func() entry.Instant { return entry.Instant(time.Now().UnixNano()) }}
		l.Resize(1)
		a := l.Slot()
		if !a.TryTake() {
			t.Fatal("no slot")
		}
		time.Sleep(time.Second)
		a.Park()
		a.Park()
		time.Sleep(time.Second)
		a.Resume(t.Context())
		time.Sleep(time.Second)
		a.Resume(t.Context())
		time.Sleep(time.Second)
		a.Park()
		time.Sleep(time.Second)
		if _, parked := a.Return(); parked != 3*time.Second {
			t.Errorf("it was parked for %v", parked)
		}
	})
}

// One that never had a slot waits for none after a nested call.
func TestNeverTaken(t *testing.T) {
	l := limitOf(1)
	a, b := l.Slot(), l.Slot()
	if !a.TryTake() {
		t.Fatal("no slot")
	}
	b.Park()
	b.Resume(t.Context())
	if held, _, _ := l.Counts(); held != 1 {
		t.Errorf("%d are held", held)
	}
}
