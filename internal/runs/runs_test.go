package runs

import (
	"context"
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/benbjohnson/clock"

	"github.com/perennial-go/perennial/internal/timeline"
)

// fake is a runner that says what becomes of it.
type fake struct {
	r       Run
	run     func()
	timeout func()
	refresh bool

	mu      sync.Mutex
	began   time.Time
	late    []time.Duration // when it was told of a deadline, since began
	cleared int
}

func newFake(ctx context.Context) *fake {
	f := &fake{began: time.Now()}
	f.r.Runner, f.r.Context.Context = f, ValuesOf(ctx)
	return f
}

func (f *fake) Run() {
	if f.run != nil {
		f.run()
	}
}

func (f *fake) Timeout() {
	f.mu.Lock()
	f.late = append(f.late, time.Since(f.began))
	f.mu.Unlock()
	if f.timeout != nil {
		f.timeout()
	}
}

func (f *fake) Refresh() bool { return f.refresh }

func (f *fake) Clear() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.cleared++
}

func (f *fake) isCleared() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.cleared == 1
}

// wasLate says when the deadlines so far must have come.
func (f *fake) wasLate(t *testing.T, what string, want ...time.Duration) {
	t.Helper()
	f.mu.Lock()
	defer f.mu.Unlock()
	if !slices.Equal(f.late, want) {
		t.Errorf("%s: it was told of deadlines at %v, want %v", what, f.late, want)
	}
}

// timed are runs with the number of times that their timer came.
type timed struct {
	Runs
	fires atomic.Int64
}

func newRuns(c clock.Clock) *timed {
	l := new(timed)
	tl := new(timeline.Timeline)
	tl.Init(c, true, func(time.Duration) {})
	l.Init(tl, func() {
		l.fires.Add(1)
		l.Expire()
	})
	return l
}

// begin begins a run of its own, which lasts for most at most if that is not 0.
func (l *timed) begin(t *testing.T, most time.Duration) *fake {
	t.Helper()
	f := newFake(t.Context())
	l.start(t, f, most)
	return f
}

func (l *timed) start(t *testing.T, f *fake, most time.Duration) {
	t.Helper()
	if l.Begin(&f.r, most, most != 0) == nil {
		t.Error("no run can begin")
	}
}

// bubble runs a test in a bubble, beside others.
func bubble(t *testing.T, test func(t *testing.T)) {
	t.Parallel()
	synctest.Test(t, test)
}

// Each runner is told once when its deadline has passed, whatever the order in which the
// runs began and ended: those that have ended are not told.
func TestDeadlines(t *testing.T) {
	for name, deadlines := range map[string][]time.Duration{
		"one":          {time.Second},
		"growing":      {time.Second, 2 * time.Second, 3 * time.Second},
		"falling":      {3 * time.Second, 2 * time.Second, time.Second},
		"any":          {2 * time.Second, 3 * time.Second, time.Second, 2 * time.Second},
		"at once":      {time.Second, time.Second, time.Second},
		"no time":      {-1, time.Second},
		"one has none": {0, time.Second, 0},
		"none has any": {0, 0},
	} {
		for ended := -1; ended < len(deadlines); ended++ {
			t.Run(fmt.Sprint(name, " ", ended), func(t *testing.T) {
				bubble(t, func(t *testing.T) {
					l := newRuns(nil)
					var all []*fake
					for _, most := range deadlines {
						all = append(all, l.begin(t, most))
					}
					if ended >= 0 {
						l.End(&all[ended].r)
					}
					for now := time.Duration(0); now < 5*time.Second; now += time.Second {
						synctest.Wait()
						for i, f := range all {
							if at := max(0, deadlines[i]); i == ended || deadlines[i] == 0 || at > now {
								f.wasLate(t, fmt.Sprint("run ", i, " at ", now))
							} else {
								f.wasLate(t, fmt.Sprint("run ", i, " at ", now), at)
							}
						}
						time.Sleep(time.Second - 1)
						time.Sleep(time.Nanosecond)
					}
				})
			})
		}
	}
}

// Deadlines are in the time of a clock that was handed in, and no context knows them.
func TestDeadlinesByAClock(t *testing.T) {
	bubble(t, func(t *testing.T) {
		c := clock.NewMock()
		l := newRuns(c)
		f := l.begin(t, time.Second)
		if end, ok := f.r.Context.Deadline(); ok {
			t.Errorf("the context has the deadline %v", end)
		}
		time.Sleep(time.Hour)
		c.Add(time.Second - 1)
		synctest.Wait()
		f.wasLate(t, "before")
		c.Add(1)
		synctest.Wait()
		if len(f.late) != 1 {
			t.Error("it is not told of its deadline")
		}
		l.End(&f.r)
	})
}

// One timer serves runs that come and go: it comes once in the time that they may last,
// finds nothing to do, and comes no more when nothing runs.
func TestOneTimerServesAll(t *testing.T) {
	bubble(t, func(t *testing.T) {
		l := newRuns(nil)
		for range 1000 {
			f := l.begin(t, time.Second)
			time.Sleep(10 * time.Millisecond)
			l.End(&f.r)
		}
		if n := l.fires.Load(); n < 9 || n > 11 {
			t.Errorf("the timer has come %d times in 10 s", n)
		}
		time.Sleep(2 * time.Second)
		n := l.fires.Load()
		if time.Sleep(time.Hour); l.fires.Load() != n {
			t.Error("the timer comes while nothing runs")
		}
		early, late := l.begin(t, time.Hour), l.begin(t, time.Minute)
		time.Sleep(time.Minute)
		synctest.Wait()
		late.wasLate(t, "the second", time.Minute)
		early.wasLate(t, "the first")
		if got := l.fires.Load() - n; got != 1 {
			t.Errorf("the timer has come %d times for the nearest deadline", got)
		}
		time.Sleep(time.Hour)
		early.wasLate(t, "the first", time.Hour)
		if got := l.fires.Load() - n; got != 2 {
			t.Errorf("the timer has come %d times for two deadlines", got)
		}
		l.End(&early.r)
		l.End(&late.r)
	})
}

// Once closed nothing begins, and the timer is stopped as soon as nothing runs.
func TestClose(t *testing.T) {
	for name, test := range map[string]struct {
		begin []time.Duration // runs that begin, and end after two seconds if they last so long
		ends  bool            // before it is closed
		fires int64
	}{
		"before any has begun":   {nil, false, 0},
		"none goes on":           {[]time.Duration{time.Second}, true, 0},
		"one goes on":            {[]time.Duration{time.Second}, false, 1},
		"one has long":           {[]time.Duration{time.Hour}, false, 0},
		"one of two has long":    {[]time.Duration{time.Second, time.Hour}, false, 1},
		"one has no deadline":    {[]time.Duration{0}, false, 0},
		"the others have ended ": {[]time.Duration{time.Second, time.Second}, true, 0},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				l := newRuns(nil)
				var all []*fake
				for _, most := range test.begin {
					all = append(all, l.begin(t, most))
				}
				if test.ends {
					for _, f := range all {
						l.End(&f.r)
					}
				}
				l.Close()
				l.Close() // changes nothing
				f := newFake(t.Context())
				if l.Begin(&f.r, time.Second, true) != nil {
					t.Error("a run begins once closed")
				}
				if inTime, _ := l.Counts(); inTime != len(all) && !test.ends {
					t.Errorf("%d run of %d", inTime, len(all))
				}
				time.Sleep(2 * time.Second)
				if !test.ends {
					for _, f := range all {
						l.End(&f.r)
					}
				}
				time.Sleep(2 * time.Hour)
				if n := l.fires.Load(); n != test.fires {
					t.Errorf("the timer has come %d times, want %d", n, test.fires)
				}
				f.wasLate(t, "what has not begun")
			})
		})
	}
}

// The time of a run that waits for its slot begins when it has one. How long it waits is
// bounded too, and if that was too long it can't begin any more.
func TestQueue(t *testing.T) {
	bubble(t, func(t *testing.T) {
		l := newRuns(nil)
		f := l.begin(t, time.Second)
		if l.Queues(&f.r) {
			t.Error("a run that has begun waits")
		}
		l.Queue(&f.r, time.Minute)
		if end, _ := f.r.Context.Deadline(); !l.Queues(&f.r) || !end.Equal(f.began.Add(time.Second)) {
			t.Errorf("it waits: %v; its context ends at %v", l.Queues(&f.r), end.Sub(f.began))
		}
		time.Sleep(time.Minute - 1)
		f.wasLate(t, "while it waits")
		if !l.Limit(&f.r, time.Hour) || l.Queues(&f.r) {
			t.Error("it can't begin in time, or waits for ever")
		}
		if end, ok := f.r.Context.Deadline(); !ok || !end.Equal(time.Now().Add(time.Hour)) {
			t.Errorf("its context ends in %v, %v", time.Until(end), ok)
		}
		time.Sleep(time.Hour - 1)
		f.wasLate(t, "while it runs")
		time.Sleep(time.Nanosecond)
		synctest.Wait()
		f.wasLate(t, "after all", time.Hour+time.Minute-1)
		l.End(&f.r)

		f = l.begin(t, 0)
		if _, ok := f.r.Context.Deadline(); ok {
			t.Error("a run without a deadline has one")
		}
		l.Queue(&f.r, time.Second)
		time.Sleep(time.Second)
		synctest.Wait()
		f.wasLate(t, "which waits", time.Second)
		if l.Limit(&f.r, time.Hour) || !l.Queues(&f.r) {
			t.Error("it begins once its time is over")
		}
		time.Sleep(2 * time.Hour)
		f.wasLate(t, "which has waited", time.Second)
		l.End(&f.r)
	})
}

// A runner that takes its time when its own deadline passes, or ends its goroutine, is
// in nobody's way: the others are told as well.
func TestNobodyWaitsForAnothersTimeout(t *testing.T) {
	for _, n := range []int{1, 2, 3, 5} {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				l := newRuns(nil)
				var all []*fake
				var told sync.WaitGroup
				told.Add(n)
				for range n {
					f := newFake(t.Context())
					f.timeout = func() {
						defer runtime.Goexit()
						told.Done()
						told.Wait() // for all the others
					}
					l.start(t, f, time.Second)
					all = append(all, f)
				}
				time.Sleep(time.Second)
				synctest.Wait()
				for i, f := range all {
					f.wasLate(t, fmt.Sprint("run ", i), time.Second)
					if l.End(&f.r); !f.isCleared() {
						t.Errorf("run %d is over and was not cleared", i)
					}
				}
			})
		})
	}
}

// A run that comes back while its runner is told of a deadline is cleared after that,
// and any other as it comes back: once, and then nothing leads to its runner.
func TestClearedOnce(t *testing.T) {
	for name, timeouts := range map[string]int{"of no deadline": 0, "of one": 1, "of two": 2} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				l := newRuns(nil)
				f := newFake(t.Context())
				f.timeout = func() { time.Sleep(time.Minute) }
				l.start(t, f, time.Second)
				for range timeouts {
					time.Sleep(time.Second)
					synctest.Wait()
					l.Queue(&f.r, time.Second)
				}
				if l.End(&f.r); f.isCleared() != (timeouts == 0) {
					t.Errorf("once it is back it is cleared: %v", f.isCleared())
				}
				for i := range timeouts {
					if f.isCleared() {
						t.Errorf("it is cleared while its runner is told of deadline %d", i)
					}
					if i == 0 {
						time.Sleep(time.Minute - time.Duration(timeouts)*time.Second)
					}
					time.Sleep(time.Second)
					synctest.Wait()
				}
				if !f.isCleared() || f.r.Runner != nil {
					t.Errorf("in the end it was cleared %d times, and its runner is %v", f.cleared, f.r.Runner)
				}
				time.Sleep(time.Hour)
				if len(f.late) != timeouts || f.cleared != 1 {
					t.Errorf("it was told of %d deadlines and cleared %d times", len(f.late), f.cleared)
				}
			})
		})
	}
}

// A run that was told of a deadline and goes on is not cleared when the runner has
// been told.
func TestNotClearedWhileItRuns(t *testing.T) {
	bubble(t, func(t *testing.T) {
		l := newRuns(nil)
		f := l.begin(t, time.Second)
		time.Sleep(time.Minute)
		synctest.Wait()
		if f.cleared != 0 || f.r.Runner == nil {
			t.Error("it is cleared while it runs")
		}
		l.End(&f.r)
	})
}

// What is late is what was given up and goes on. Each counts once, and not before, nor
// when it has come back.
func TestLate(t *testing.T) {
	bubble(t, func(t *testing.T) {
		l := newRuns(nil)
		a, b, c := l.begin(t, time.Second), l.begin(t, 0), l.begin(t, 0)
		b.refresh, c.refresh = true, true
		count := func(what string, late, inTime, refreshes int) {
			t.Helper()
			if n, r := l.Counts(); l.Late() != late || n != inTime || r != refreshes {
				t.Errorf("%s: %d are late, %d in time, %d refreshes; want %d, %d and %d", what, l.Late(), n, r, late, inTime, refreshes)
			}
		}
		count("three", 0, 3, 2)
		time.Sleep(time.Minute)
		count("one has passed its deadline", 0, 3, 2)
		l.Abandon(&a.r)
		l.Abandon(&a.r)
		count("one was given up", 1, 2, 2)
		l.Abandon(&b.r)
		count("two were", 2, 1, 1)
		l.End(&a.r)
		count("one is back", 1, 1, 1)
		l.Abandon(&a.r)
		count("one is back for good", 1, 1, 1)
		l.End(&c.r)
		count("one in time is back", 1, 0, 0)
		l.Abandon(&c.r)
		l.End(&b.r)
		count("all are back", 0, 0, 0)
	})
}

// Wait waits for the runs that it was given, until they are over, or given up if that is
// enough, or its context ends.
func TestWait(t *testing.T) {
	bubble(t, func(t *testing.T) {
		l := newRuns(nil)
		a, b, c := l.begin(t, 0), l.begin(t, 0), l.begin(t, 0)
		these := []*Run{&a.r, &b.r}
		type waiter struct {
			err  error
			done bool
		}
		wait := func(ctx context.Context, lateToo bool) func() waiter {
			var w waiter
			go func() {
				err := l.Wait(ctx, these, lateToo)
				w = waiter{err, true}
			}()
			return func() waiter {
				synctest.Wait()
				return w
			}
		}
		ctx, cancel := context.WithCancel(t.Context())
		inTime, all, leaves := wait(t.Context(), false), wait(t.Context(), true), wait(ctx, true)
		check := func(what string, wantInTime, wantAll, wantLeaves waiter) {
			t.Helper()
			if inTime() != wantInTime || all() != wantAll || leaves() != wantLeaves {
				t.Errorf("%s: %v, %v, %v; want %v, %v, %v", what, inTime(), all(), leaves(), wantInTime, wantAll, wantLeaves)
			}
		}
		waits, done, left := waiter{}, waiter{nil, true}, waiter{context.Canceled, true}
		check("two run", waits, waits, waits)
		l.End(&c.r)
		check("another has ended", waits, waits, waits)
		d := l.begin(t, 0)
		l.End(&b.r)
		check("one has ended", waits, waits, waits)
		l.Abandon(&a.r)
		check("the other was given up", done, waits, waits)
		cancel()
		check("one leaves", done, waits, left)
		l.End(&a.r)
		check("both have ended", done, done, left)
		if err := l.Wait(ctx, these, true); err != nil {
			t.Errorf("what is over is waited for: %v", err)
		}
		if err := l.Wait(ctx, nil, true); err != nil {
			t.Errorf("nothing is waited for: %v", err)
		}
		if err := l.Wait(ctx, []*Run{&d.r, &a.r}, false); err != context.Canceled {
			t.Errorf("of two only the last counts: %v", err)
		}
		l.End(&d.r)
	})
}

// Whoever waits for other runs from within one does not wait for that, nor for those
// that wait for it: they would wait for each other. What nobody waits for is another.
func TestOthers(t *testing.T) {
	bubble(t, func(t *testing.T) {
		l := newRuns(nil)
		nested := func(outer *fake) *fake {
			f := newFake(&outer.r.Context)
			l.start(t, f, 0)
			return f
		}
		alone := l.begin(t, 0)
		outer := l.begin(t, 0)
		inner := nested(outer)
		apart := newFake(&inner.r.Context)
		apart.r.Context.Apart = true
		l.start(t, apart, 0)
		want := func(what string, ctx context.Context, want ...*fake) {
			t.Helper()
			others := l.Others(ctx)
			same := len(others) == len(want)
			for _, f := range want {
				same = same && slices.Contains(others, &f.r)
			}
			if !same {
				t.Errorf("%s: %d others, want %d", what, len(others), len(want))
			}
		}
		want("outside", t.Context(), alone, outer, inner, apart)
		want("in the outer one", &outer.r.Context, alone, inner, apart)
		want("in the inner one", &inner.r.Context, alone, apart)
		want("in the one apart", &apart.r.Context, alone, outer, inner)
		inner.r.Context.End(context.Canceled)
		l.End(&inner.r)
		want("in an inner one that is over", &inner.r.Context, alone, apart)
		for _, f := range []*fake{alone, outer, apart} {
			l.End(&f.r)
		}
		want("of none", t.Context())
	})
}

// At most so many refreshes have a place, however many want one, but for those that take
// one over the limit. A place that is given back is free.
func TestReserve(t *testing.T) {
	bubble(t, func(t *testing.T) {
		const limit = 10
		l := newRuns(nil)
		if l.Reserve(0) {
			t.Error("of no places one is free")
		}
		var had atomic.Int64
		reserve := func() {
			var wg sync.WaitGroup
			for range 100 {
				wg.Go(func() {
					if l.Reserve(limit) {
						had.Add(1)
					}
				})
			}
			wg.Wait()
		}
		free := func(what string, want int) {
			t.Helper()
			had.Store(0)
			if reserve(); int(had.Load()) != want {
				t.Errorf("%s: %d places are free, want %d", what, had.Load(), want)
			}
		}
		free("in the beginning", limit)
		free("once all are taken", 0)
		l.ReserveOver()
		l.Unreserve()
		free("of one over the limit, given back", 0)
		l.ReserveOver()
		l.Unreserve()
		l.Unreserve()
		free("once one is given back", 1)
		for range limit {
			l.Unreserve()
		}
		free("once all are given back", limit)
		if !l.Reserve(limit + 1) {
			t.Error("with a higher limit none is free")
		}
	})
}

// Who takes the last place at the same time as another either has it or leaves no trace.
func TestReserveTheLast(t *testing.T) {
	t.Parallel()
	l := newRuns(nil)
	for range 2000 {
		var ready, had atomic.Int32
		var wg sync.WaitGroup
		for range 2 {
			wg.Go(func() {
				for ready.Add(1); ready.Load() < 2; { // so that both come at once
					runtime.Gosched()
				}
				if l.Reserve(1) {
					had.Add(1)
				}
			})
		}
		if wg.Wait(); had.Load() != 1 || l.background.Load() != 1 {
			t.Fatalf("%d have the only place, %d are taken", had.Load(), l.background.Load())
		}
		l.Unreserve()
	}
}

// Each run is run once, whichever goroutine takes it, and sees what it is made of.
func TestWorkRunsEach(t *testing.T) {
	bubble(t, func(t *testing.T) {
		l := newRuns(nil)
		ran := make([]int, 5)
		var works []func()
		for i := range ran {
			f := newFake(t.Context())
			f.run = func() { ran[i]++; l.End(&f.r) }
			works = append(works, l.Begin(&f.r, time.Second, true))
		}
		for _, work := range works {
			work()
		}
		if !slices.Equal(ran, []int{1, 1, 1, 1, 1}) {
			t.Errorf("they ran %v times", ran)
		}
	})
}

// Runs that begin, wait, are late, are given up and end, all at the same time, leave
// nothing behind.
func TestManyRuns(t *testing.T) {
	bubble(t, func(t *testing.T) {
		seed := rand.Uint64()
		t.Logf("seed %d", seed)
		l := newRuns(nil)
		var wg sync.WaitGroup
		var all []*fake
		for i := range 200 {
			random := rand.New(rand.NewPCG(seed, uint64(i)))
			upTo := func(d time.Duration) time.Duration { return 1 + time.Duration(random.Int64N(int64(d))) }
			f := newFake(t.Context())
			all = append(all, f)
			f.timeout = func() {
				l.Abandon(&f.r)
				f.r.Context.End(context.DeadlineExceeded)
			}
			begins, queues, most, takes := upTo(time.Second), upTo(time.Second), upTo(time.Second), upTo(2*time.Second)
			f.run = func() {
				defer wg.Done()
				l.Queue(&f.r, queues)
				time.Sleep(upTo(time.Second))
				if l.Limit(&f.r, most) {
					time.Sleep(takes)
				}
				f.r.Context.End(context.Canceled)
				l.End(&f.r)
			}
			wg.Add(1)
			go func() {
				time.Sleep(begins)
				f.began = time.Now()
				go l.Begin(&f.r, most, true)()
				_, _ = l.Counts()
			}()
		}
		time.Sleep(time.Second)
		if err := l.Wait(t.Context(), l.Others(t.Context()), true); err != nil {
			t.Error(err)
		}
		wg.Wait()
		synctest.Wait()
		if n, _ := l.Counts(); n != 0 || l.Late() != 0 || l.first != nil || l.fresh != nil {
			t.Errorf("%d run, %d are late", n, l.Late())
		}
		for i, f := range all {
			if !f.isCleared() || len(f.late) > 1 {
				t.Fatalf("run %d was cleared %d times and told of %d deadlines", i, f.cleared, len(f.late))
			}
		}
	})
}

// A run in a bubble that its function was not made in has a timer of its own, which is
// the bubble's, and takes it along when it ends.
func TestRunsElsewhere(t *testing.T) {
	t.Parallel()
	l := newRuns(nil) // in real time
	home := l.begin(t, time.Hour)
	armed, timer := l.armed, l.timer
	synctest.Test(t, func(t *testing.T) {
		a, b, c, none := l.begin(t, time.Second), l.begin(t, time.Minute), l.begin(t, time.Hour), l.begin(t, 0)
		if none.r.own != nil {
			t.Error("a run that may last for ever has a timer")
		}
		time.Sleep(time.Second)
		synctest.Wait()
		a.wasLate(t, "the first", time.Second)
		l.End(&c.r)
		l.Queue(&b.r, time.Second)
		l.Queue(&b.r, 2*time.Minute)
		time.Sleep(2*time.Minute - 1)
		b.wasLate(t, "the second, while it waits")
		time.Sleep(time.Hour)
		synctest.Wait()
		a.wasLate(t, "the first, in the end", time.Second)
		b.wasLate(t, "the second, in the end", 2*time.Minute+time.Second)
		c.wasLate(t, "the third, which has ended")
		none.wasLate(t, "the last")
		for _, f := range []*fake{a, b, none} {
			l.End(&f.r)
		}
		if !a.isCleared() || !b.isCleared() || !c.isCleared() {
			t.Error("not all are cleared")
		}
	})
	if home.wasLate(t, "that of the process"); l.armed != armed || l.timer != timer {
		t.Error("runs in a bubble have changed the timer outside of it")
	}
	l.End(&home.r)
	l.Close()
}

// A timer of a run that comes as it is stopped finds nothing to do.
func TestOwnTimerComesTooLate(t *testing.T) {
	t.Parallel()
	l := newRuns(nil)
	synctest.Test(t, func(t *testing.T) {
		f, over := l.begin(t, time.Minute), l.begin(t, time.Second)
		l.End(&over.r)
		time.Sleep(time.Second)
		l.expireOwn(&f.r)
		l.expireOwn(&over.r)
		f.wasLate(t, "which has more time")
		over.wasLate(t, "which is over")
		l.End(&f.r)
	})
}

// The deadlines of one bubble, or of real time, are nothing to the runs of another, whose
// time is another.
func TestRunsInTwoBubbles(t *testing.T) {
	t.Parallel()
	l := newRuns(nil)
	began, over := make(chan struct{}), make(chan struct{})
	t.Run("first", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			f := l.begin(t, time.Second)
			close(began)
			<-over // it is from outside: no time passes here meanwhile
			f.wasLate(t, "which has just begun")
			time.Sleep(time.Second)
			synctest.Wait()
			f.wasLate(t, "in its own time", time.Second)
			l.End(&f.r)
		})
	})
	t.Run("second", func(t *testing.T) {
		t.Parallel()
		<-began
		defer close(over)
		l.Expire() // as the timer in real time does
		synctest.Test(t, func(t *testing.T) {
			f := l.begin(t, time.Minute)
			time.Sleep(time.Hour)
			synctest.Wait()
			f.wasLate(t, "whose time has passed", time.Minute)
			l.End(&f.r)
		})
	})
}

// No goroutine of real time or of another bubble runs a run that begins in a bubble, nor
// the other way round, though both have begun before either goroutine takes one.
func TestRunsElsewhereAreRunThere(t *testing.T) {
	t.Parallel()
	l := newRuns(nil)
	var ran []string
	run := func(name string) *fake {
		f := newFake(t.Context())
		f.run = func() { ran = append(ran, name) }
		return f
	}
	home := run("home")
	work := l.Begin(&home.r, time.Hour, true)
	synctest.Test(t, func(t *testing.T) {
		away := run("away")
		there := l.Begin(&away.r, time.Hour, true)
		work()
		there()
		l.End(&away.r)
	})
	if !slices.Equal(ran, []string{"home", "away"}) {
		t.Errorf("%v were run", ran)
	}
	l.End(&home.r)
	l.Close()
}
