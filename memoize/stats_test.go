package memoize_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"testing"
	"testing/synctest"
	"time"

	"github.com/perennial-go/perennial/config"
	"github.com/perennial-go/perennial/entry"
	"github.com/perennial-go/perennial/eviction"
	"github.com/perennial-go/perennial/memoize"
	"github.com/perennial-go/perennial/observe"
	"github.com/perennial-go/perennial/storage"
)

// Loads are counted in the bucket that their duration is in, to the nanosecond.
func TestStatsLoadTimes(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var takes time.Duration
		f := memoize.Must(memoize.New(func(context.Context, int) (int, error) { time.Sleep(takes); return 1, nil },
			config.MethodTimeout(100*365*24*time.Hour)))
		var want memoize.Durations
		n := 0
		add := func(d time.Duration, bucket int) {
			n++
			takes = d
			wants(t, 1)(f.Call(t.Context(), n))
			want.Count++
			want.Sum += d
			want.Buckets[bucket]++
			if got := f.Stats().LoadTimes; got != want {
				t.Fatalf("after one of %v: %+v, want %+v", d, got, want)
			}
		}
		add(0, 0)
		for i := range memoize.DurationBuckets - 1 {
			bound := memoize.DurationBound(i) * float64(time.Second)
			within := time.Duration(math.Floor(bound))
			add(within, i)
			add(within+1, i+1)
		}
		add(10*365*24*time.Hour, memoize.DurationBuckets-1)
	})
}

func TestDurationBound(t *testing.T) {
	for i := range memoize.DurationBuckets {
		if got, want := memoize.DurationBound(i), math.Pow(2, float64(i-20)); got != want {
			t.Errorf("bound %d is %v, want %v", i, got, want)
		}
	}
}

// Loads, their failures and timeouts are apart by why they ran, and add up to those of all.
func TestStatsByCause(t *testing.T) {
	for name, c := range map[string]struct {
		end         func(ctx context.Context) (int, error)
		failed, lat uint64
	}{
		"succeed": {func(context.Context) (int, error) { return 1, nil }, 0, 0},
		"fail":    {func(context.Context) (int, error) { return 0, errOutage }, 1, 0},
		"panic":   {func(context.Context) (int, error) { panic("boom") }, 1, 0},
		"hang":    {func(ctx context.Context) (int, error) { <-ctx.Done(); return 0, ctx.Err() }, 0, 1},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				f := memoize.Must(memoize.New(func(ctx context.Context, _ string) (int, error) { return c.end(ctx) },
					config.UpdateAfter(0), config.ExpireAfter(time.Hour), config.MethodTimeout(time.Second), config.Logger(discardLog)))
				ctx := t.Context()
				_, _ = f.Call(ctx, "missing")
				noError(t, f.Set(ctx, "stale", 1))
				wants(t, 1)(f.Call(ctx, "stale"))
				_, _ = f.Refresh(ctx, "forced")
				_, _ = f.Direct(ctx, "direct")
				settled(t, f)
				synctest.Wait()
				s := f.Stats()
				one := memoize.CauseStats{Loads: 1, Failed: c.failed, Late: c.lat}
				want := [observe.Causes]memoize.CauseStats{observe.Miss: one, observe.Refresh: one, observe.Forced: one, observe.Direct: one}
				if s.ByCause != want {
					t.Errorf("by cause there are %+v, want %+v", s.ByCause, want)
				}
				if s.Loads != 4 || s.Refreshes != 1 || s.LoadsFailed != 4*c.failed || s.Late != 4*c.lat || s.LoadTimes.Count != 4 {
					t.Errorf("together %d, %d refreshes, %d failed, %d late, %d times", s.Loads, s.Refreshes, s.LoadsFailed, s.Late, s.LoadTimes.Count)
				}
			})
		})
	}
}

// Loads that do not begin are counted by why.
func TestStatsOfRefusedLoads(t *testing.T) {
	bubble(t, func(t *testing.T) {
		release := make(chan struct{})
		source := func(_ context.Context, arg string) (int, error) {
			<-release
			return 1, nil
		}
		f := memoize.Must(memoize.New(source, config.MethodTimeout(time.Minute), config.MaxLoads(1), config.QueueTimeout(time.Second), config.MaxRunaway(1), config.Logger(discardLog)))
		calls := begin(2, func() (int, error) { return f.Call(t.Context(), "a") })
		synctest.Wait()
		var late *memoize.LoadError
		if _, err := f.Call(t.Context(), "b"); !errors.As(err, &late) || late.Reason != memoize.TimedOut {
			t.Errorf("a call that waits for a slot: %v", err)
		}
		if s := f.Stats(); s.QueueTimeouts != 1 || s.Runaways != 0 {
			t.Errorf("%d waited too long and %d were refused, want one and none", s.QueueTimeouts, s.Runaways)
		}
		calls()
		for name, call := range map[string]func(context.Context, string) (int, error){"a call": f.Call, "a direct one": f.Direct} {
			if _, err := call(t.Context(), "c"); !errors.Is(err, memoize.ErrRunaway) {
				t.Errorf("%s: %v, want ErrRunaway", name, err)
			}
		}
		if s := f.Stats(); s.QueueTimeouts != 1 || s.Runaways != 2 || s.SupersededRunning != 1 {
			t.Errorf("%d waited too long, %d were refused, %d late ones run; want 1, 2, 1", s.QueueTimeouts, s.Runaways, s.SupersededRunning)
		}
		close(release)
		noError(t, f.Close(t.Context()))
	})
}

// Keys that are invalidated are counted, one by one and by all.
func TestStatsInvalidations(t *testing.T) {
	bubble(t, func(t *testing.T) {
		f := memoize.Must(memoize.New(returning[string](1).load))
		for i := range 3 {
			wants(t, 1)(f.Call(t.Context(), fmt.Sprint(i)))
		}
		for _, c := range []struct {
			invalidate func() error
			want       uint64
		}{
			{func() error { return f.Invalidate(t.Context(), "0") }, 1},
			{func() error { return f.Invalidate(t.Context(), "none") }, 2},
			{func() error { return f.InvalidateAll(t.Context()) }, 4},
		} {
			noError(t, c.invalidate())
			if n := f.Stats().Invalidations; n != c.want {
				t.Errorf("%d invalidations are counted, want %d", n, c.want)
			}
		}
		store, err := storage.Share(storage.NewMemory())
		noError(t, err)
		shared := memoize.Must(memoize.New(returning[string](1).load, config.Store(store), config.Name("f")))
		wants(t, 1)(shared.Call(t.Context(), "a"))
		noError(t, shared.InvalidateAll(t.Context()))
		if n := shared.Stats().Invalidations; n != 1 {
			t.Errorf("%d invalidations are counted of a store that is cleared, want 1", n)
		}
	})
}

// What a function holds and may hold, by count and by weight, and the limits in force.
func TestStatsWeightAndCapacity(t *testing.T) {
	five := func(context.Context, string) (string, error) { return "12345", nil }
	type sizes struct{ entries, weight, capacity int }
	for name, c := range map[string]struct {
		opts []config.Option
		want sizes
	}{
		"by default": {nil, sizes{3, 3, config.DefaultCapacity}},
		"count":      {[]config.Option{config.Capacity(2)}, sizes{2, 2, 2}},
		"weight":     {[]config.Option{config.Capacity(100), config.Weigh(func(_ string, v string) int { return len(v) })}, sizes{3, 15, 100}},
		"no bound":   {[]config.Option{config.Evict(eviction.None[string]())}, sizes{3, -1, -1}},
		"costs":      {[]config.Option{config.Evict(eviction.CostAware[string](100)), config.Weigh(func(_ string, v string) int { return len(v) })}, sizes{3, 15, 100}},
		"elsewhere": {[]config.Option{config.Storage[string, string](uncountable{storage.NewInMemory[string, string]()})},
			sizes{-1, 3, config.DefaultCapacity}},
		"a panic": {[]config.Option{config.Evict[string](explosiveCapacity{eviction.None[string]()}), config.Logger(discardLog)}, sizes{3, -1, -1}},
	} {
		f, err := memoize.New(five, c.opts...)
		noError(t, err)
		for i := range 3 {
			_, err := f.Call(t.Context(), fmt.Sprint(i))
			noError(t, err)
		}
		noError(t, f.Wait(t.Context())) // what is evicted is released after its load's callers have their answer
		s := f.Stats()
		if got := (sizes{s.Entries, s.Weight, s.Capacity}); got != c.want {
			t.Errorf("%s: it holds %+v, want %+v", name, got, c.want)
		}
	}
	f := memoize.Must(memoize.New(five, config.MethodTimeout(time.Second), config.MaxLoads(2), config.MaxBackground(3), config.MaxRunaway(4)))
	if s := f.Stats(); s.MethodTimeout != time.Second || s.MaxLoads != 2 || s.MaxBackground != 3 || s.MaxRunaway != 4 {
		t.Errorf("the limits are %v, %d, %d, %d", s.MethodTimeout, s.MaxLoads, s.MaxBackground, s.MaxRunaway)
	}
}

// uncountable is a storage without a length.
type uncountable struct {
	storage.Storage[string, string]
}

func (uncountable) AnswersAtOnce() {}

// explosiveCapacity is a strategy that panics when it is asked for its capacity.
type explosiveCapacity struct{ eviction.Strategy[string] }

func (explosiveCapacity) Capacity() int { panic("boom") }

// takingTime is a storage that takes its time for each operation.
type takingTime struct {
	held        *storage.InMemory[string, int]
	read, write time.Duration
}

func (s takingTime) Get(ctx context.Context, key string) (*entry.Entry[int], error) {
	time.Sleep(s.read)
	return s.held.Get(ctx, key)
}

func (s takingTime) Offer(ctx context.Context, key string, e *entry.Entry[int]) error {
	time.Sleep(s.write)
	return s.held.Offer(ctx, key, e)
}

func (s takingTime) Release(ctx context.Context, key string) error {
	time.Sleep(s.write)
	return s.held.Release(ctx, key)
}

// Operations of a storage that is not in memory are counted with what they took those
// who waited, which is no more than the budget.
func TestStatsOfStore(t *testing.T) {
	bubble(t, func(t *testing.T) {
		const read, write = 3 * time.Millisecond, 5 * time.Millisecond
		held := storage.NewInMemory[string, int]()
		f := memoize.Must(memoize.New(returning[string](1).load, config.Storage[string, int](takingTime{held, read, write}), config.Logger(discardLog)))
		wants(t, 1)(f.Call(t.Context(), "a")) // looks, loads, offers
		wants(t, 1)(f.Call(t.Context(), "a"))
		noError(t, f.Invalidate(t.Context(), "a"))
		s := f.Stats()
		if r, w := s.StoreReads, s.StoreWrites; r.Count != 2 || r.Sum != 2*read || w.Count != 2 || w.Sum != 2*write || s.StoreFaults != 0 {
			t.Errorf("%d reads in %v, %d writes in %v, %d faults", r.Count, r.Sum, w.Count, w.Sum, s.StoreFaults)
		}

		const budget = time.Second
		g := memoize.Must(memoize.New(returning[string](1).load, config.Storage[string, int](takingTime{storage.NewInMemory[string, int](), time.Hour, time.Hour}),
			config.StoreBudget(budget, budget), config.Logger(discardLog)))
		wants(t, 1)(g.Call(t.Context(), "a"))
		s = g.Stats()
		if r, w := s.StoreReads, s.StoreWrites; r.Count != 1 || r.Sum != budget || w.Count != 1 || w.Sum != budget || s.StoreFaults != 2 {
			t.Errorf("of one that hangs: %d reads in %v, %d writes in %v, %d faults", r.Count, r.Sum, w.Count, w.Sum, s.StoreFaults)
		}
		time.Sleep(2 * time.Hour)
		h := memoize.Must(memoize.New(returning[string](1).load))
		wants(t, 1)(h.Call(t.Context(), "a"))
		if s := h.Stats(); s.StoreReads.Count+s.StoreWrites.Count != 0 {
			t.Errorf("in memory %d reads and %d writes are counted", s.StoreReads.Count, s.StoreWrites.Count)
		}
	})
}

// Stats is plain data, which comes back from JSON as it was.
func TestStatsAreData(t *testing.T) {
	f := memoize.Must(memoize.New(returning[string](1).load))
	wants(t, 1)(f.Call(t.Context(), "a"))
	want := f.Stats()
	text, err := json.Marshal(want)
	noError(t, err)
	var got memoize.Stats
	noError(t, json.Unmarshal(text, &got))
	if got != want {
		t.Errorf("from JSON comes %+v, want %+v", got, want)
	}
}
