package statusestest_test

import (
	"testing"

	"github.com/perennial-go/perennial/statuses"
	"github.com/perennial-go/perennial/statuses/statusestest"
)

// A registry of your own is tried by one test of your package, func TestMine(t *testing.T).
func Example() {
	_ = func(t *testing.T) {
		statusestest.Run(t, func() statuses.UpdateStatuses[string, int] {
			return statuses.NewInMemory[string, int](0, nil)
		})
	}
}
