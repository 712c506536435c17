package memoize_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/perennial-go/perennial/config"
	"github.com/perennial-go/perennial/memoize"
	"github.com/perennial-go/perennial/observe"
)

// Loads that reach their method timeout at one instant are given up at that instant,
// whatever the observer does that is told of one of them.
func TestTimeoutsOfOneInstantWaitForNobody(t *testing.T) {
	bubble(t, func(t *testing.T) {
		source, stuck := returning[string](1), make(chan struct{})
		f := memoize.Must(memoize.New(source.load, with(config.MethodTimeout(time.Second), config.Observe(observe.Func(func(_ context.Context, e observe.Event) {
			if e.Kind == observe.Late {
				<-stuck
			}
		})))...))
		open := source.holds()
		var all []func() []returned[int]
		for i := range 5 {
			all = append(all, begin(1, func() (int, error) { return f.Call(t.Context(), fmt.Sprint(i)) }))
		}
		began := time.Now()
		for _, call := range all {
			loadError(t, call()[0].err, memoize.TimedOut, memoize.ErrLoadTimeout)
		}
		if took := time.Since(began); took != time.Second {
			t.Errorf("the last is given up after %v", took)
		}
		close(stuck)
		open()
		settled(t, f)
		noError(t, f.Close(t.Context()))
	})
}

// Each load has the method timeout that was in force when it began, however others
// end before it or after it.
func TestLoadsKeepTheirOwnTimeouts(t *testing.T) {
	bubble(t, func(t *testing.T) {
		source := returning[string](1)
		live := mutable(with(config.MethodTimeout(time.Hour))...)
		f := memoize.Must(memoize.Memoize(source.load, live, config.Logger(discardLog)))
		open := source.holds()
		began := time.Now()
		var ends [4]atomic.Int64
		timeouts := []time.Duration{time.Hour, time.Second, time.Minute, 2 * time.Hour}
		var calls []func() []returned[int]
		for i, timeout := range timeouts {
			noError(t, live.Apply(config.MethodTimeout(timeout)))
			calls = append(calls, begin(1, func() (int, error) {
				v, err := f.Call(t.Context(), fmt.Sprint(i))
				ends[i].Store(int64(time.Since(began)))
				return v, err
			}))
		}
		for i, call := range calls {
			if err := call()[0].err; !errors.Is(err, memoize.ErrLoadTimeout) || !strings.Contains(err.Error(), timeouts[i].String()) {
				t.Errorf("call %d: %v", i, err)
			}
			if took := time.Duration(ends[i].Load()); took != timeouts[i] {
				t.Errorf("call %d ends after %v, want %v", i, took, timeouts[i])
			}
		}
		synctest.Wait()
		if st := f.Stats(); st.Late != 4 || st.LoadsRunning != 0 || st.SupersededRunning != 4 {
			t.Errorf("%+v", st)
		}
		open()
		synctest.Wait()
		if st := f.Stats(); st.SupersededRunning != 0 {
			t.Errorf("%+v", st)
		}
		noError(t, f.Close(t.Context()))
	})
}

// Wait waits for loads that are in their time, and Close for late ones as well. Both
// leave when their context ends.
func TestWhatWaitAndCloseWaitFor(t *testing.T) {
	bubble(t, func(t *testing.T) {
		source := returning[string](1)
		f := memoize.Must(memoize.New(source.load, with(config.MethodTimeout(time.Minute), config.Logger(discardLog))...))
		open := source.holds()
		call := begin(1, func() (int, error) { return f.Call(t.Context(), "a") })
		began := time.Now()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := f.Wait(ctx); !errors.Is(err, context.DeadlineExceeded) || time.Since(began) != time.Second {
			t.Errorf("after %v: %v", time.Since(began), err)
		}
		noError(t, f.Wait(t.Context()))
		if took := time.Since(began); took != time.Minute {
			t.Errorf("Wait took %v", took)
		}
		noError(t, f.Wait(t.Context())) // with a late load
		call()
		time.AfterFunc(time.Hour, open)
		noError(t, f.Close(t.Context()))
		if took := time.Since(began); took != time.Hour+time.Minute {
			t.Errorf("Close took %v", took)
		}
	})
}

// A load that begins while Wait waits is not waited for.
func TestWaitWaitsForWhatRuns(t *testing.T) {
	bubble(t, func(t *testing.T) {
		source := returning[string](1)
		f := memoize.Must(memoize.New(source.load, with(config.MethodTimeout(time.Hour), config.Logger(discardLog))...))
		first := source.holds()
		begin(1, func() (int, error) { return f.Call(t.Context(), "a") })
		waits := begin(1, func() (int, error) { return 0, f.Wait(t.Context()) })
		second := source.holds()
		begin(1, func() (int, error) { return f.Call(t.Context(), "b") })
		began := time.Now()
		first()
		waits()
		if took := time.Since(began); took != 0 {
			t.Errorf("Wait took %v", took)
		}
		if st := f.Stats(); st.LoadsRunning != 1 {
			t.Errorf("%d loads run", st.LoadsRunning)
		}
		second()
		settled(t, f)
		noError(t, f.Close(t.Context()))
	})
}

// No more refreshes run in the background than MaxBackground says, and a place is free
// again as soon as one has ended, failed or was given up.
func TestPlacesOfRefreshesAreGivenBack(t *testing.T) {
	bubble(t, func(t *testing.T) {
		source := returning[string](1)
		f := memoize.Must(memoize.New(source.load, with(config.MaxBackground(2), config.MethodTimeout(time.Minute), config.Logger(discardLog))...))
		keys := []string{"a", "b", "c", "d", "e", "f"}
		calls(t, f, keys...)
		time.Sleep(time.Minute)
		shed, refreshes := uint64(0), 0
		stale := func(key string, begins bool) {
			t.Helper()
			wants(t, 1)(f.Call(t.Context(), key))
			synctest.Wait()
			if begins {
				refreshes++
			} else {
				shed++
			}
			if st := f.Stats(); st.Shed != shed || int(st.Refreshes) != refreshes {
				t.Fatalf("%s: %d refreshes have begun, %d were not; want %d and %d", key, st.Refreshes, st.Shed, refreshes, shed)
			}
		}
		open := source.holds()
		stale("a", true)
		stale("b", true)
		stale("c", false)
		stale("c", false)
		if st := f.Stats(); st.RefreshesRunning != 2 {
			t.Errorf("%d refreshes run", st.RefreshesRunning)
		}
		open()
		synctest.Wait()
		source.fails(errOutage)
		stale("c", true)
		source.returns(1)
		open = source.holds()
		stale("d", true)
		stale("e", true)
		stale("f", false)
		time.Sleep(time.Minute + 1) // both are late
		stale("f", true)
		open()
		settled(t, f)
		noError(t, f.Close(t.Context()))
	})
}

// While Close waits loads are given up at their method timeout as ever.
func TestTimeoutsWhileCloseWaits(t *testing.T) {
	bubble(t, func(t *testing.T) {
		source := returning[string](1)
		f := memoize.Must(memoize.New(source.load, with(config.MethodTimeout(time.Second), config.Logger(discardLog))...))
		open := source.holds()
		call := begin(1, func() (int, error) { return f.Call(t.Context(), "a") })
		closed := begin(1, func() (int, error) { return 0, f.Close(t.Context()) })
		time.AfterFunc(time.Minute, open)
		began := time.Now()
		loadError(t, call()[0].err, memoize.TimedOut, memoize.ErrLoadTimeout)
		if took := time.Since(began); took != time.Second {
			t.Errorf("it is given up after %v", took)
		}
		allWant(t, 0, closed())
		if took := time.Since(began); took != time.Minute {
			t.Errorf("Close took %v", took)
		}
	})
}

// turbulent is a configuration of one's own that panics when it is told to.
type turbulent struct {
	whole
	panics atomic.Bool
}

func (c *turbulent) Snapshot() *config.Settings[string, string, int] {
	if c.panics.Load() {
		panic("oops")
	}
	return c.settings
}

// A configuration that panics leaves the settings in force that it had, and is told of.
func TestConfigurationThatPanics(t *testing.T) {
	c := &turbulent{whole: whole{config.InMemory[string, int](with()...).Snapshot()}}
	told := new(journal)
	f := memoize.Must(memoize.Memoize[string, string, int](returning[string](1).load, c, config.Observe(observe.Func(func(_ context.Context, e observe.Event) {
		if e.Kind == observe.ConfigRejected {
			told.add("%v", e.Err)
		}
	}))))
	c.panics.Store(true)
	wants(t, 1)(f.Call(t.Context(), "a"))
	if got := told.all(); len(got) == 0 || !strings.Contains(got[0], "oops") {
		t.Errorf("told is %q", got)
	}
	c.panics.Store(false)
	wants(t, 1)(f.Call(t.Context(), "b"))
	noError(t, f.Wait(t.Context()))
	if f.Len() != 2 {
		t.Errorf("%d entries", f.Len())
	}
	noError(t, f.Close(t.Context()))
}

// seeing is a strategy that counts the reads that it is told of, and unseeing one that
// has no use for them.
type seeing struct {
	row
	reads atomic.Int64
}

func (s *seeing) MarkRead(string) { s.reads.Add(1) }

type unseeing struct{ seeing }

func (*unseeing) IgnoresReads() {}

// A strategy is told of each read, unless it has no use for them.
func TestStrategiesThatIgnoreReads(t *testing.T) {
	bubble(t, func(t *testing.T) {
		sees, ignores := new(seeing), new(unseeing)
		for s, reads := range map[interface{ Load() int64 }]int64{&sees.reads: 2, &ignores.reads: 0} {
			strategy := config.Evict[string](sees)
			if reads == 0 {
				strategy = config.Evict[string](ignores)
			}
			f, _, _ := changing(t, strategy)
			each(t, f, "a", "a", "a")
			if got := s.Load(); got != reads {
				t.Errorf("it was told of %d reads, want %d", got, reads)
			}
		}
	})
}

// A strategy that could go by weights is not asked for more than one key at once where
// nobody weighs: each write brings one and one goes.
func TestOneGoesForOneWhereNobodyWeighs(t *testing.T) {
	bubble(t, func(t *testing.T) {
		strategy := new(naming)
		strategy.room = 1
		asked := 0
		strategy.names = func() { asked++ }
		f, _, told := changing(t, config.Evict[string](strategy))
		each(t, f, "a", "b", "c")
		told.hears(t, `evicted "a"`, `evicted "b"`)
		strategy.hears(t, "weighed a 1", "weighed b 1", "released a", "weighed c 1", "released b")
		if asked != 0 {
			t.Errorf("it was asked %d times for more", asked)
		}
	})
}

// afterFuncer is what the context package looks for in contexts that are not its own.
type afterFuncer interface {
	context.Context
	AfterFunc(f func()) (stop func() bool)
}

// What hangs on a load's context without the context package runs once it has ended,
// at once if it has, unless it was taken off: then it never runs.
func TestWhatHangsOnALoadsContext(t *testing.T) {
	bubble(t, func(t *testing.T) {
		ran := new(journal)
		var kept afterFuncer
		f := memoize.Must(memoize.New(func(ctx context.Context, _ string) (int, error) {
			kept = ctx.(afterFuncer)
			kept.AfterFunc(func() { ran.add("stays") })
			stop := kept.AfterFunc(func() { ran.add("was taken off") })
			if !stop() || stop() {
				t.Error("what hangs on it can't be taken off, or can twice")
			}
			return 1, nil
		}, with()...))
		wants(t, 1)(f.Call(t.Context(), "a"))
		settled(t, f)
		ran.hears(t, "stays")
		stop := kept.AfterFunc(func() { ran.add("late") })
		if stop() {
			t.Error("what runs already can be taken off")
		}
		synctest.Wait()
		ran.hears(t, "late")
		for range 2 {
			select {
			case <-kept.Done(): // which nobody has asked for before
			default:
				t.Error("it has ended, and Done is not closed")
			}
		}
		noError(t, f.Close(t.Context()))
	})
}
