package memoize_test

import (
	"context"
	"sync"
	"testing"

	"github.com/benbjohnson/clock"

	"github.com/perennial-go/perennial/config"
	"github.com/perennial-go/perennial/memoize"
)

// G4: a Set that was acknowledged is not lost to one that it has superseded, also
// where all are made at one instant. What is there in the end is one of them.
func TestG4SetsOfOneInstant(t *testing.T) {
	f := memoize.Must(memoize.New(func(context.Context, string) (int, error) { return -1, nil },
		config.Clock(clock.NewMock())))
	for round := range 20_000 {
		noError(t, f.Set(t.Context(), "key", 0))
		var all sync.WaitGroup
		for value := 1; value <= 3; value++ {
			all.Go(func() {
				if err := f.Set(t.Context(), "key", value); err != nil {
					t.Error(err)
				}
			})
		}
		all.Wait()
		if value, ok := f.Peek(t.Context(), "key"); !ok || value == 0 {
			t.Fatalf("round %d: %d, %v is stored after three Sets", round, value, ok)
		}
	}
}
