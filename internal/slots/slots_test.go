package slots

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

func limitOf(n int) *Limit {
	l := new(Limit)
	l.Resize(n)
	return l
}

// begin takes slots one after the other, each on a goroutine of its own, and returns
// the numbers in the order in which they were had.
func begin(t *testing.T, all []*Slot) func() []int {
	var mu sync.Mutex
	var order []int
	for i, s := range all {
		go func() {
			if err := s.Take(t.Context()); err != nil {
				return
			}
			mu.Lock()
			defer mu.Unlock()
			order = append(order, i)
		}()
		synctest.Wait()
	}
	return func() []int {
		synctest.Wait()
		mu.Lock()
		defer mu.Unlock()
		return slices.Clone(order)
	}
}

func slotsOf(l *Limit, n int) []*Slot {
	all := make([]*Slot, n)
	for i := range all {
		s := l.Slot()
		all[i] = &s
	}
	return all
}

func want(t *testing.T, order []int, want ...int) {
	t.Helper()
	if !slices.Equal(order, want) {
		t.Fatalf("slots were had by %v, want %v", order, want)
	}
}

func TestFirstComeFirstServed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := limitOf(2)
		all := slotsOf(l, 5)
		order := begin(t, all)
		want(t, order(), 0, 1)
		all[1].Return()
		want(t, order(), 0, 1, 2)
		all[0].Return()
		all[0].Return() // changes nothing
		want(t, order(), 0, 1, 2, 3)
		all[2].Return()
		all[3].Return()
		want(t, order(), 0, 1, 2, 3, 4)
		late := l.Slot()
		if all[4].Return(); !late.TryTake() {
			t.Error("all slots are free, and none can be had")
		}
	})
}

func TestTryTakeDoesNotOvertake(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := limitOf(1)
		all := slotsOf(l, 2)
		order := begin(t, all)
		want(t, order(), 0)
		all[0].Park() // the second has it
		want(t, order(), 0, 1)
		resumed := make(chan struct{})
		go func() {
			all[0].Resume(t.Context())
			close(resumed)
		}()
		synctest.Wait()
		l.Resize(0)
		all[1].Return()
		s := l.Slot()
		if s.TryTake() {
			t.Error("there is no slot, and one was had")
		}
		l.Resize(1)
		<-resumed
		if s.TryTake() {
			t.Error("who has been waiting was overtaken")
		}
	})
}

// Who waits in a nested call takes a slot again ahead of those who have not begun.
func TestParkedGoesAhead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := limitOf(1)
		all := slotsOf(l, 3)
		order := begin(t, all)
		all[0].Park()
		want(t, order(), 0, 1)
		var resumed atomic.Bool
		go func() {
			all[0].Resume(t.Context())
			resumed.Store(true)
		}()
		synctest.Wait()
		if resumed.Load() {
			t.Fatal("two hold the only slot")
		}
		all[1].Return()
		if want(t, order(), 0, 1); !resumed.Load() {
			t.Fatal("the one that goes on has no slot")
		}
		all[0].Return()
		want(t, order(), 0, 1, 2)
	})
}

// With two nested calls the slot is taken again after the second: after the first it
// would lock the second out.
func TestParkedUntilTheLastNestedCall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := limitOf(1)
		outer, a, b := l.Slot(), l.Slot(), l.Slot()
		if !outer.TryTake() {
			t.Fatal("no slot")
		}
		outer.Park()
		outer.Park()
		if !a.TryTake() {
			t.Fatal("the first nested call has no slot")
		}
		a.Return()
		outer.Resume(t.Context())
		if !b.TryTake() {
			t.Fatal("the second nested call is locked out")
		}
		b.Return()
		outer.Resume(t.Context())
		if a := l.Slot(); a.TryTake() {
			t.Fatal("the outer run has not taken its slot again")
		}
	})
}

// A run that waits to go on, and begins another nested call elsewhere, goes on without.
func TestParkedWhileItWaitsToGoOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := limitOf(1)
		outer, other := l.Slot(), l.Slot()
		if !outer.TryTake() {
			t.Fatal("no slot")
		}
		outer.Park()
		if !other.TryTake() {
			t.Fatal("no slot")
		}
		var resumed atomic.Bool
		go func() {
			outer.Resume(t.Context())
			resumed.Store(true)
		}()
		synctest.Wait()
		outer.Park()
		if synctest.Wait(); !resumed.Load() {
			t.Fatal("the run waits for a slot while it waits in a nested call")
		}
		other.Return()
		last := l.Slot()
		if !last.TryTake() {
			t.Fatal("a parked run holds a slot")
		}
		last.Return()
		outer.Resume(t.Context())
		outer.Return()
		if s := l.Slot(); !s.TryTake() {
			t.Fatal("a slot is lost")
		}
	})
}

func TestContextsEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := limitOf(1)
		first, second := l.Slot(), l.Slot()
		if !first.TryTake() {
			t.Fatal("no slot")
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := second.Take(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Fatalf("got %v", err)
		}
		third := l.Slot()
		first.Park()
		if !third.TryTake() {
			t.Fatal("no slot")
		}
		first.Resume(ctx) // over the limit: its caller can't wait
		third.Return()
		if s := l.Slot(); s.TryTake() {
			t.Fatal("the run that went on over the limit does not count")
		}
		first.Return()
		if s := l.Slot(); !s.TryTake() {
			t.Fatal("a slot is lost")
		}
	})
}

func TestReturnFreesWhoWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := limitOf(1)
		first, second, third := l.Slot(), l.Slot(), l.Slot()
		if !first.TryTake() {
			t.Fatal("no slot")
		}
		got := make(chan error, 1)
		go func() { got <- second.Take(t.Context()) }()
		synctest.Wait()
		second.Return()
		if err := <-got; !errors.Is(err, ErrGone) {
			t.Errorf("got %v", err)
		}
		third.Return()
		if err := third.Take(t.Context()); !errors.Is(err, ErrGone) {
			t.Errorf("got %v", err)
		}
		first.Park()
		fourth := l.Slot()
		if !fourth.TryTake() {
			t.Fatal("no slot")
		}
		go func() {
			first.Resume(t.Context())
			got <- nil
		}()
		synctest.Wait()
		first.Return()
		<-got
		fourth.Return()
		if s := l.Slot(); !s.TryTake() {
			t.Fatal("a slot is lost")
		}
	})
}

func TestNoLimit(t *testing.T) {
	var none *Slot
	none.Park()
	none.Resume(t.Context())
	var zero Slot
	zero.Park()
	zero.Resume(t.Context())
	zero.Return()
}

// Random runs that nest, of several depths and widths: never more than the limit run
// where no context ends, nobody is locked out, and no slot is lost.
func TestRandomNesting(t *testing.T) {
	for i := range 200 {
		seed := rand.Uint64()
		t.Run(fmt.Sprint(i, "/", seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { randomNesting(t, rand.New(rand.NewPCG(seed, 0))) })
		})
	}
}

func randomNesting(t *testing.T, rnd *rand.Rand) {
	var mu sync.Mutex
	chance := func(n int) int {
		mu.Lock()
		defer mu.Unlock()
		return rnd.IntN(n)
	}
	size := 1 + chance(3)
	l := limitOf(size)
	var running atomic.Int64
	var run func(outer *Slot, depth int)
	runs := func(n, outerDepth int, outer *Slot) {
		var all sync.WaitGroup
		for range n {
			all.Go(func() { run(outer, outerDepth-1) })
		}
		all.Wait()
	}
	run = func(outer *Slot, depth int) {
		s := l.Slot()
		outer.Park()
		defer outer.Resume(context.Background())
		if s.Take(context.Background()) != nil {
			t.Error("a run was given up")
		}
		if depth > 0 && chance(4) > 0 {
			runs(1+chance(2), depth, &s)
		}
		if s.nested == 0 && s.holds { // nobody else changes them now
			if n := running.Add(1); n > int64(size) {
				t.Errorf("%d run, the limit is %d", n, size)
			}
			time.Sleep(time.Duration(chance(3)) * time.Millisecond)
			running.Add(-1)
		}
		s.Return()
	}
	runs(8, 4, nil)
	synctest.Wait()
	if l.held != 0 || l.queue != (list{}) || l.ahead != (list{}) {
		t.Errorf("%d slots are still held, %v and %v wait", l.held, l.queue, l.ahead)
	}
}
