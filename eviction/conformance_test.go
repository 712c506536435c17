package eviction_test

import (
	"fmt"
	"testing"

	"github.com/perennial-go/perennial/eviction"
	"github.com/perennial-go/perennial/eviction/evictiontest"
)

func TestPoliciesConform(t *testing.T) {
	for name, make := range map[string]func(int) eviction.Strategy[string]{
		"LeastRecentlyUpdated": eviction.LeastRecentlyUpdated[string],
		"FirstInFirstOut":      eviction.FirstInFirstOut[string],
		"LeastRecentlyUsed":    eviction.LeastRecentlyUsed[string],
		"LeastFrequentlyUsed":  eviction.LeastFrequentlyUsed[string],
		"Sieve":                eviction.Sieve[string],
		"TwoQueue":             eviction.TwoQueue[string],
		"S3FIFO":               eviction.S3FIFO[string],
		"LIRS":                 eviction.LIRS[string],
		"TinyLFU":              eviction.TinyLFU[string],
		"Adaptive":             eviction.Adaptive[string],
	} {
		for _, capacity := range []int{-1, 0, 1, 3, 7} {
			t.Run(fmt.Sprintf("%s, capacity %d", name, capacity), func(t *testing.T) {
				evictiontest.Run(t, func() eviction.Strategy[string] { return make(capacity) }, keys)
			})
		}
	}
}

func TestNoneConforms(t *testing.T) { evictiontest.Run(t, eviction.None[string], keys) }
