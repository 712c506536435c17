package config_test

import (
	"strings"
	"testing"

	"github.com/perennial-go/perennial/config"
	"github.com/perennial-go/perennial/eviction"
)

// The default capacity is a count of values, which no weight is meant to be held
// against: Weigh needs a capacity, or a strategy that has one.
func TestWeighNeedsACapacity(t *testing.T) {
	weigh := config.Weigh(func(_ string, v int) int { return v })
	bytes := config.Capacity(1 << 20)
	for name, c := range map[string]struct {
		made, applied []config.Option
		wrong         bool
	}{
		"alone":                  {made: []config.Option{weigh}, wrong: true},
		"with a capacity":        {made: []config.Option{weigh, bytes}},
		"with a strategy":        {made: []config.Option{weigh, config.Evict(eviction.LeastRecentlyUsed[string](1 << 20))}},
		"applied alone":          {applied: []config.Option{weigh}, wrong: true},
		"applied with one":       {applied: []config.Option{weigh, bytes}},
		"applied to one":         {made: []config.Option{bytes}, applied: []config.Option{weigh}},
		"applied to a strategy":  {made: []config.Option{config.Evict(eviction.LeastRecentlyUsed[string](9))}, applied: []config.Option{weigh}},
		"a capacity comes after": {made: []config.Option{weigh, bytes}, applied: []config.Option{config.Capacity(7)}},
	} {
		t.Run(name, func(t *testing.T) {
			fixed := config.InMemory[string, int](c.made...)
			err := fixed.Err()
			if err == nil && c.applied != nil {
				err = config.Mutable(fixed).Apply(c.applied...)
			}
			if (err != nil) != c.wrong || err != nil && !strings.Contains(err.Error(), "Capacity") {
				t.Errorf("got %v, want an error: %v", err, c.wrong)
			}
		})
	}
}
