package memoize

import (
	"context"
	"testing"

	"github.com/perennial-go/perennial/config"
	"github.com/perennial-go/perennial/statuses"
)

// What grows with use is bounded.

func TestG11RegistryHoldsWhatRunsAlone(t *testing.T) {
	f := Must(New(func(_ context.Context, key int) (int, error) { return key, nil }, config.Capacity(100)))
	for key := range 10_000 {
		if _, err := f.Call(t.Context(), key); err != nil {
			t.Fatal(err)
		}
	}
	if err := f.Wait(t.Context()); err != nil {
		t.Fatal(err)
	}
	e := f.verbs.(*engine[int, int, int])
	if c := e.statuses.(*statuses.InMemory[int, int]).Counts(); c.Keys != 0 {
		t.Errorf("%d keys have a record, and nothing runs", c.Keys)
	}
	if others := e.runs.Others(t.Context()); len(others) > 0 || e.runs.Late() > 0 || !e.runs.Reserve(1) {
		t.Errorf("%d runs are listed and %d are late, or a refresh has a place, and none runs", len(others), e.runs.Late())
	}
	if f.Len() != 100 {
		t.Errorf("%d entries are held, want 100", f.Len())
	}
	if err := f.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
}
