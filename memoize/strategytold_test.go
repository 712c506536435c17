package memoize_test

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/perennial-go/perennial/config"
	"github.com/perennial-go/perennial/entry"
	"github.com/perennial-go/perennial/eviction"
	"github.com/perennial-go/perennial/memoize"
	"github.com/perennial-go/perennial/storage"
)

// costing is a strategy that wants to know what loads take, and costingWeighed one that
// goes by weights as well.
type costing struct{ row }

func (s *costing) MarkLoaded(key string, e, old *entry.Meta, weight int, took time.Duration) {
	s.among(fmt.Sprintf("loaded %s %d in %v", key, weight, took), key, e, old)
}

type costingWeighed struct{ costing }

func (s *costingWeighed) MarkWeighed(key string, e, old *entry.Meta, weight int) {
	s.among(fmt.Sprintf("weighed %s %d", key, weight), key, e, old)
}

// A strategy is told of each write in the way that it can best use: with what the load
// took if there was one, with a weight, or as it is.
func TestStrategiesAreToldWhatEntriesCost(t *testing.T) {
	type told interface {
		eviction.Strategy[string]
		all() []string
	}
	for name, c := range map[string]struct {
		strategy func() told
		weigh    bool
		want     []string
	}{
		"costs":                    {func() told { return new(costing) }, false, []string{"loaded a 1 in 2s", "written b", "written a again", "loaded a 1 in 2s again", "loaded c 1 in 1ns"}},
		"costs and weights":        {func() told { return new(costingWeighed) }, false, []string{"loaded a 1 in 2s", "weighed b 1", "weighed a 1 again", "loaded a 1 in 2s again", "loaded c 1 in 1ns"}},
		"both, of what is weighed": {func() told { return new(costingWeighed) }, true, []string{"loaded a 5 in 2s", "weighed b 5", "weighed a 5 again", "loaded a 5 in 2s again", "loaded c 5 in 1ns"}},
		"weights":                  {func() told { return new(weighing) }, false, []string{"weighed a", "weighed b", "weighed a again", "weighed a again", "weighed c"}},
		"neither":                  {func() told { return new(row) }, false, []string{"written a", "written b", "written a again", "written a again", "written c"}},
	} {
		for where, s := range map[string]storage.Storage[string, int]{"here": storage.NewInMemory[string, int](), "elsewhere": new(mockStorage[string, int])} {
			t.Run(name+" "+where, func(t *testing.T) {
				bubble(t, func(t *testing.T) {
					source, strategy := returning[string](1), c.strategy()
					source.takes = 2 * time.Second
					opts := with(config.Storage(s), config.Evict[string](strategy), config.Logger(discardLog))
					if c.weigh {
						opts = append(opts, config.Weigh(func(string, int) int { return 5 }))
					}
					f := memoize.Must(memoize.New(source.load, opts...))
					wants(t, 1)(f.Call(t.Context(), "a"))
					settled(t, f)
					noError(t, f.Set(t.Context(), "b", 1))
					wants(t, true)(f.Touch(t.Context(), "a"))
					wants(t, 1)(f.Refresh(t.Context(), "a"))
					settled(t, f)
					source.takes = 0
					wants(t, 1)(f.Call(t.Context(), "c"))
					settled(t, f)
					if got := strategy.all(); !slices.Equal(got, c.want) {
						t.Errorf("told is %q,\nwant    %q", got, c.want)
					}
					noError(t, f.Close(t.Context()))
				})
			})
		}
	}
}

// marking learns of reads by entries.
type marking struct {
	row
	marked []*entry.Meta
}

func (s *marking) Mark(e *entry.Meta) { s.marked = append(s.marked, e) }

// copying is a storage elsewhere that gives each reader an entry of its own.
type copying struct{ mockStorage[string, int] }

func (s *copying) Get(ctx context.Context, key string) (*entry.Entry[int], error) {
	e, err := s.mockStorage.Get(ctx, key)
	if e == nil {
		return nil, err
	}
	return entry.Restore(e.Value, e.Created(), e.UpdateAfter(), e.ExpiresAfter()), err
}

// A read marks the entry that the strategy was told of, whatever copy of it was found,
// and none where it was told of none.
func TestReadsMarkWhatTheStrategyKnows(t *testing.T) {
	bubble(t, func(t *testing.T) {
		for _, s := range []storage.Storage[string, int]{storage.NewInMemory[string, int](), new(copying)} {
			strategy := new(marking)
			f, _, _ := changing(t, config.Storage(s), config.Evict[string](strategy))
			each(t, f, "a", "b")
			wants(t, 1)(f.Call(t.Context(), "a"))
			if len(strategy.marked) != 1 || strategy.marked[0] != strategy.known["a"] {
				t.Errorf("%d are marked, the one of the key: %v", len(strategy.marked), slices.Contains(strategy.marked, strategy.known["a"]))
			}
			if elsewhere, ok := s.(*copying); ok { // another process has stored it
				now := entry.At(time.Now())
				elsewhere.stored.Store("c", entry.New(1, now, entry.Life{UpdateAfter: time.Hour, ExpireAfter: time.Hour}))
				wants(t, 1)(f.Call(t.Context(), "c"))
				if len(strategy.marked) != 1 {
					t.Error("one is marked that the strategy knows nothing of")
				}
				noError(t, f.Invalidate(t.Context(), "a"))
				elsewhere.stored.Store("a", entry.New(1, now, entry.Life{UpdateAfter: time.Hour, ExpireAfter: time.Hour}))
				wants(t, 1)(f.Call(t.Context(), "a"))
				if len(strategy.marked) != 1 {
					t.Error("one is marked that is gone")
				}
			}
		}
	})
}
