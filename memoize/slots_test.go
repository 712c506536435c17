package memoize_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/perennial-go/perennial/config"
	"github.com/perennial-go/perennial/memoize"
)

// nestedSource is a source that calls its own function for other keys, and counts how
// many run that do not wait in such a call.
type nestedSource struct {
	f       *memoize.Func[string, int]
	calls   map[string][]string // by key: what its source calls at once
	takes   time.Duration
	drops   bool // the source drops its context
	running atomic.Int64
	most    atomic.Int64
}

func (s *nestedSource) load(ctx context.Context, key string) (int, error) {
	s.enter()
	defer s.running.Add(-1)
	time.Sleep(s.takes)
	if s.drops {
		ctx = context.Background()
	}
	if len(s.calls[key]) == 0 {
		return 1, nil
	}
	var sum atomic.Int64
	var failed atomic.Pointer[error]
	var all sync.WaitGroup
	s.running.Add(-1) // it waits
	for _, other := range s.calls[key] {
		all.Go(func() {
			value, err := s.f.Call(ctx, other)
			if sum.Add(int64(value)); err != nil {
				failed.Store(&err)
			}
		})
	}
	all.Wait()
	s.enter()
	time.Sleep(s.takes)
	if err := failed.Load(); err != nil {
		return 0, *err
	}
	return int(sum.Load()) + 1, nil
}

func (s *nestedSource) enter() {
	n := s.running.Add(1)
	for most := s.most.Load(); n > most && !s.most.CompareAndSwap(most, n); most = s.most.Load() {
	}
}

func nested(s *nestedSource, opts ...config.Option) {
	s.takes = time.Second
	s.f = memoize.Must(memoize.New(s.load, append([]config.Option{config.Logger(discardLog), config.MethodTimeout(time.Minute)}, opts...)...))
}

// A load that waits for another, which waits for its slot: whoever waits in a nested
// call parks its own.
func TestLoadJoinsOneThatQueues(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := &nestedSource{calls: map[string][]string{"outer": {"inner"}}}
		nested(s, config.MaxLoads(1))
		began := time.Now()
		outer := begin(1, func() (int, error) { return s.f.Call(t.Context(), "outer") })
		inner := begin(1, func() (int, error) { return s.f.Call(t.Context(), "inner") })
		allWant(t, 2, outer())
		allWant(t, 1, inner())
		if took := time.Since(began); took != 3*time.Second {
			t.Errorf("it took %v, want 3s", took)
		}
		if s.most.Load() != 1 {
			t.Errorf("%d loads ran at once, MaxLoads is 1", s.most.Load())
		}
	})
}

// Chains and fans of nested loads come to an end at every limit, and never more run.
func TestNestedLoadsKeepToTheirLimit(t *testing.T) {
	calls := map[string][]string{
		"a": {"b", "c", "d"}, "b": {"c", "e"}, "c": {"d", "e"}, "d": {"f"}, "e": {"f", "g"}, "x": {"e", "b"},
	}
	for limit := 1; limit <= 3; limit++ {
		bubble(t, func(t *testing.T) {
			s := &nestedSource{calls: calls}
			nested(s, config.MaxLoads(limit))
			var all sync.WaitGroup
			for _, key := range []string{"a", "x", "c", "g", "f", "b"} {
				all.Go(func() {
					if _, err := s.f.Call(t.Context(), key); err != nil {
						t.Errorf("limit %d, key %s: %v", limit, key, err)
					}
				})
			}
			all.Wait()
			if got := s.most.Load(); got > int64(limit) {
				t.Errorf("limit %d: %d loads ran at once", limit, got)
			}
			if n := s.f.Stats().Loads; n != 8 {
				t.Errorf("limit %d: %d loads, want 8", limit, n)
			}
		})
	}
}

// Two functions whose sources call one another, each at its limit.
func TestTwoFunctionsAtTheirLimits(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var f, g *memoize.Func[int, int]
		opts := []config.Option{config.Logger(discardLog), config.MaxLoads(1), config.MethodTimeout(time.Minute)}
		f = memoize.Must(memoize.New(func(ctx context.Context, n int) (int, error) {
			time.Sleep(time.Second)
			if n == 0 {
				return 0, nil
			}
			return g.Call(ctx, n-1)
		}, opts...))
		g = memoize.Must(memoize.New(func(ctx context.Context, n int) (int, error) {
			time.Sleep(time.Second)
			if n%2 == 0 {
				return f.Direct(ctx, n) // which calls g
			}
			values, err := f.CallMany(ctx, []int{n - 1, 0})
			return values[0] + 1, err
		}, opts...))
		first := begin(1, func() (int, error) { return f.Call(t.Context(), 4) })
		second := begin(1, func() (int, error) { return g.Call(t.Context(), 5) })
		for _, r := range append(first(), second()...) {
			if r.err != nil {
				t.Error(r.err)
			}
		}
	})
}

// Where the source drops its context nobody sees that it waits: the queue's longest
// wait ends that, and is told apart from the method timeout.
func TestQueueTimeout(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := &nestedSource{calls: map[string][]string{"outer": {"inner"}}, drops: true}
		nested(s, config.MaxLoads(1), config.QueueTimeout(5*time.Second))
		began := time.Now()
		_, err := s.f.Call(t.Context(), "outer")
		if !errors.Is(err, memoize.ErrLoadTimeout) || !strings.Contains(err.Error(), "config.QueueTimeout") || time.Since(began) != 7*time.Second {
			t.Errorf("after %v: %v", time.Since(began), err)
		}
		wants(t, 1)(s.f.Call(t.Context(), "inner"))
		synctest.Wait()
		if s := s.f.Stats(); s.LoadsRunning != 0 || s.Late != 0 {
			t.Errorf("%d loads run, %d were late", s.LoadsRunning, s.Late)
		}
	})
}

// The method timeout counts from the slot: a load that had to wait has all of it.
func TestMethodTimeoutCountsFromTheSlot(t *testing.T) {
	bubble(t, func(t *testing.T) {
		source := returning[string](1)
		source.takes = 8 * time.Second
		f := memoize.Must(memoize.New(source.load, config.MaxLoads(1), config.MethodTimeout(10*time.Second), config.Logger(discardLog)))
		first := begin(1, func() (int, error) { return f.Call(t.Context(), "first") })
		second := begin(1, func() (int, error) { return f.Call(t.Context(), "second") })
		third := begin(1, func() (int, error) { return f.Call(t.Context(), "third") })
		allWant(t, 1, first())
		allWant(t, 1, second())
		if r := third()[0]; !errors.Is(r.err, memoize.ErrLoadTimeout) {
			t.Errorf("the third, which would begin after 16 s: %v, %v", r.value, r.err)
		}
		source.takes = 11 * time.Second
		if _, err := f.Call(t.Context(), "fourth"); !errors.Is(err, memoize.ErrLoadTimeout) || strings.Contains(err.Error(), "QueueTimeout") {
			t.Errorf("got %v", err)
		}
		time.Sleep(time.Second) // until the late one has ended
	})
}

// A caller that can't wait leaves a nested call at its own deadline, also where no slot
// is free.
func TestNestedCallKeepsItsDeadline(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var f *memoize.Func[string, int]
		source := returning[string](1)
		open := source.holds()
		defer open()
		var took time.Duration
		f = memoize.Must(memoize.New(func(ctx context.Context, key string) (int, error) {
			if key != "outer" {
				return source.load(ctx, key)
			}
			began := time.Now()
			ctx, cancel := context.WithTimeout(ctx, time.Second)
			defer cancel()
			_, err := f.Call(ctx, "inner")
			took = time.Since(began)
			if !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("got %v", err)
			}
			return 2, nil
		}, config.MaxLoads(1), config.Logger(discardLog)))
		wants(t, 2)(f.Call(t.Context(), "outer"))
		if took != time.Second {
			t.Errorf("the nested call took %v, its deadline is 1s", took)
		}
		open()
		settled(t, f)
		wants(t, 1)(f.Call(t.Context(), "inner"))
	})
}

// Changes of MaxLoads hold for what waits already, and for what runs.
func TestMaxLoadsIsLive(t *testing.T) {
	bubble(t, func(t *testing.T) {
		live := mutable(with(config.MaxLoads(1))...)
		source := returning[string](1)
		open := source.holds()
		defer open()
		f := memoize.Must(memoize.Memoize(source.load, live))
		for _, key := range []string{"a", "b", "c", "d"} {
			begin(1, func() (int, error) { return f.Call(t.Context(), key) })
		}
		wantCalls(t, source, 1)
		noError(t, live.Apply(config.MaxLoads(3)))
		synctest.Wait()
		wantCalls(t, source, 3)
		noError(t, live.Apply(config.MaxLoads(2)))
		begin(1, func() (int, error) { return f.Call(t.Context(), "e") })
		wantCalls(t, source, 3)
		open()
		settled(t, f)
		wantCalls(t, source, 5)
	})
}
