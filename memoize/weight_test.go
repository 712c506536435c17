package memoize_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/perennial-go/perennial/config"
	"github.com/perennial-go/perennial/entry"
	"github.com/perennial-go/perennial/eviction"
	"github.com/perennial-go/perennial/memoize"
	"github.com/perennial-go/perennial/observe"
)

// ofLength is a function whose values are as long as the argument says, "5b" five,
// and weigh their length.
func ofLength(t *testing.T, opts ...config.Option) *memoize.Func[string, string] {
	t.Helper()
	return boundedBy(t, config.Capacity(10), opts...)
}

func boundedBy(t *testing.T, bound config.Option, opts ...config.Option) *memoize.Func[string, string] {
	t.Helper()
	load := func(_ context.Context, arg string) (string, error) {
		var n int
		_, err := fmt.Sscanf(arg, "%d", &n)
		return strings.Repeat("x", n), err
	}
	opts = append([]config.Option{bound, config.Logger(quiet), config.Name("lengths"), config.Weigh(lengthOf)}, opts...)
	f, err := memoize.New(load, opts...)
	return must(t, f, err)
}

func err2[V any](_ V, err error) error { return err }

func lengthOf(_ string, value string) int { return len(value) }

func holds(t *testing.T, f *memoize.Func[string, string], args ...string) {
	t.Helper()
	noError(t, f.Wait(t.Context())) // a load releases what has to go after it has answered
	for _, arg := range args {
		if !f.Has(t.Context(), arg) {
			t.Errorf("%s is gone", arg)
		}
	}
	if f.Len() != len(args) {
		t.Errorf("%d entries are held, want those of %v", f.Len(), args)
	}
}

func TestG11CapacityIsAWeight(t *testing.T) {
	ctx := t.Context()
	f := boundedBy(t, config.Evict(eviction.LeastRecentlyUpdated[string](10)))
	for _, arg := range []string{"3a", "3b", "3c"} {
		must(t, f, err2(f.Call(ctx, arg)))
	}
	holds(t, f, "3a", "3b", "3c")
	must(t, f, err2(f.Call(ctx, "7d"))) // three go for one
	holds(t, f, "3c", "7d")
	noError(t, f.Set(ctx, "3c", "xxxxxxxxxx")) // one grows
	holds(t, f, "3c")
	if _, err := f.CallMany(ctx, []string{"2e", "2f", "2g"}); err != nil {
		t.Error(err)
	}
	holds(t, f, "2e", "2f", "2g")
	for _, arg := range []string{"2f", "2e"} {
		if ok, err := f.Touch(ctx, arg); !ok || err != nil {
			t.Errorf("Touch: %v, %v", ok, err)
		}
	}
	must(t, f, err2(f.Call(ctx, "6h")))
	holds(t, f, "2f", "2e", "6h")
}

func TestG11WhatIsTooHeavyIsReturnedAndNotKept(t *testing.T) {
	ctx := t.Context()
	var j journal
	f := ofLength(t, config.Observe(observe.Func(func(_ context.Context, e observe.Event) {
		if e.Kind == observe.TooHeavy {
			j.add("%s: %v", e.Key, e.Err)
		}
	})))
	must(t, f, err2(f.Call(ctx, "4a")))
	if v, err := f.Call(ctx, "11b"); err != nil || len(v) != 11 {
		t.Errorf("%q, %v", v, err)
	}
	holds(t, f, "4a")
	j.exactly(t, `"11b": memoize: the value of key "11b" weighs 11 and the whole capacity is 10, so it is not kept: raise the capacity, or store less`, 1)
}

func TestWeightsThatCantBe(t *testing.T) {
	ctx := t.Context()
	for name, c := range map[string]struct {
		weight int
		panics bool
	}{"nothing": {0, false}, "less": {-5, false}, "least": {math.MinInt, false}, "a panic": {1, true}} {
		t.Run(name, func(t *testing.T) {
			f := ofLength(t, config.Weigh(func(key, value string) int {
				if key != "1bad" {
					return len(value)
				}
				if c.panics {
					panic("oops")
				}
				return c.weight
			}))
			must(t, f, err2(f.Call(ctx, "4a")))
			_, err := f.Call(ctx, "1bad")
			_, refresh := f.Refresh(ctx, "1bad")
			for verb, err := range map[string]error{"Call": err, "Refresh": refresh, "Set": f.Set(ctx, "1bad", "x")} {
				var p *memoize.PanicError
				if errors.As(err, &p) != c.panics || errors.Is(err, memoize.ErrWeight) == c.panics || !strings.Contains(err.Error(), `"1bad"`) {
					t.Errorf("%s: error %v", verb, err)
				}
			}
			holds(t, f, "4a")
		})
	}
	t.Run("more than all weights together may be", func(t *testing.T) {
		f := ofLength(t, config.Capacity(math.MaxInt), config.Weigh(func(string, string) int { return math.MaxInt - 1 }))
		for i := range 3 {
			must(t, f, err2(f.Call(ctx, fmt.Sprintf("1-%d", i))))
		}
		noError(t, f.Wait(ctx))
		if f.Len() > 1 {
			t.Errorf("%d entries are held, and one alone fills the capacity", f.Len())
		}
	})
	if _, err := memoize.New(double, config.Evict[int](deaf{}), config.Weigh(func(int, int) int { return 1 })); err == nil || !strings.Contains(err.Error(), "Weigh") {
		t.Errorf("a strategy that does not go by weights: error %v", err)
	}
	if _, err := memoize.New(double, config.Weigh(lengthOf)); err == nil || !strings.Contains(err.Error(), "func(int, int) int") {
		t.Errorf("weights of other types: error %v", err)
	}
}

// deaf is a strategy that does no more than it must.
type deaf struct{ eviction.Strategy[int] }

// A shrink takes effect without waiting for writes, and what the strategy knows
// is kept.
func TestG11CapacityChangesWhileItRuns(t *testing.T) {
	ctx := t.Context()
	live := config.Mutable(config.InMemory[string, string](config.Evict(eviction.LeastRecentlyUsed[string](4))))
	f, err := memoize.Memoize(returning[string, string]("v").load, live, config.Logger(quiet), config.Name("live"))
	must(t, f, err)
	call := func(args ...string) {
		for _, arg := range args {
			must(t, f, err2(f.Call(ctx, arg)))
		}
		noError(t, f.Wait(ctx))
	}
	call("a", "b", "c", "d", "a")
	noError(t, live.Apply(config.Capacity(2)))
	holds(t, f, "a", "d")
	call("a", "e")
	holds(t, f, "a", "e") // it is the least recently used that goes, still
	noError(t, live.Apply(config.Capacity(3)))
	call("f")
	holds(t, f, "a", "e", "f")
	noError(t, live.Apply(config.Capacity(0)))
	holds(t, f)
	noError(t, live.Apply(config.Capacity(10), config.Weigh(func(_, value string) int { return 5 * len(value) })))
	call("a", "b", "c")
	holds(t, f, "b", "c")
	noError(t, live.Apply(config.Weigh(func(_, value string) int { return len(value) })))
	call("d", "e")
	holds(t, f, "b", "c", "d", "e")
	noError(t, live.Apply(config.Weigh(func(_, value string) int { return 6 })))
	holds(t, f, "e")
	if live.Apply(config.Capacity(-1)) == nil {
		t.Error("a capacity below zero is accepted")
	}
}

// What a strategy is told of the time that loads take.
func TestCosterIsToldWhatLoadsTake(t *testing.T) {
	bubble(t, func(t *testing.T) {
		ctx := t.Context()
		var told journal
		c := &costs{Strategy: eviction.LeastRecentlyUpdated[string](5), told: &told}
		load := func(_ context.Context, arg string) (string, error) {
			if arg == "slow" {
				time.Sleep(3 * time.Second)
			}
			return arg, nil
		}
		f, err := memoize.New(load, config.Evict[string](c), config.Logger(quiet), config.Name("costs"), config.Weigh(lengthOf))
		must(t, f, err)
		must(t, f, err2(f.Call(ctx, "quick")))
		must(t, f, err2(f.Call(ctx, "slow")))
		noError(t, f.Set(ctx, "set", "abc"))
		noError(t, f.Wait(ctx))
		for line, want := range map[string]int{"quick 5 1ns": 1, "slow 4 3s": 1, "set 3": 1} {
			told.exactly(t, line, want)
		}
	})
}

// costs is a strategy that writes down what it is told of costs.
type costs struct {
	eviction.Strategy[string]
	told *journal
}

func (c *costs) MarkLoaded(key string, e, old *entry.Meta, weight int, took time.Duration) {
	c.told.add("%s %d %v", key, weight, took)
	c.Strategy.(eviction.Weigher[string]).MarkWeighed(key, e, old, weight)
}

func (c *costs) MarkWeighed(key string, e, old *entry.Meta, weight int) {
	c.told.add("%s %d", key, weight)
	c.Strategy.(eviction.Weigher[string]).MarkWeighed(key, e, old, weight)
}
