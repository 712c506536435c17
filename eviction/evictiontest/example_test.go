package evictiontest_test

import (
	"testing"

	"github.com/perennial-go/perennial/eviction"
	"github.com/perennial-go/perennial/eviction/evictiontest"
)

// A strategy of your own is tried by one test of your package, func TestMine(t *testing.T).
func Example() {
	_ = func(t *testing.T) {
		evictiontest.Run(t, func() eviction.Strategy[string] { return eviction.Sieve[string](3) },
			[]string{"a", "b", "c", "d", "e", "f"})
	}
}
