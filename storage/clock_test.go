package storage_test

import (
	"testing"
	"time"

	"github.com/perennial-go/perennial/internal/coarse"
	"github.com/perennial-go/perennial/storage"
)

// A Memory's time goes on while the machine sleeps, and never back.
func TestMemoryWhileTheMachineSleeps(t *testing.T) {
	m := storage.NewMemory()
	defer func() { _ = m.Close() }()
	ctx := t.Context()
	set := func(key string) {
		t.Helper()
		if err := m.Set(ctx, key, []byte("value"), 2*time.Hour); err != nil {
			t.Fatal(err)
		}
	}
	left := func(what, key string, want time.Duration) {
		t.Helper()
		r, err := m.Get(ctx, key)
		if err != nil || r.Found != (want > 0) || r.Found && (want-r.Left).Abs() > time.Minute {
			t.Errorf("%s: %+v, %v; want %v left", what, r, err, want)
		}
	}
	set("key")
	claims, err := m.Claim(ctx, time.Hour, "claimed")
	if err != nil {
		t.Fatal(err)
	}
	undo := coarse.Step(-time.Hour)
	defer undo()
	left("set back", "key", 2*time.Hour)
	defer coarse.Step(time.Hour)()
	left("set right", "key", 2*time.Hour)
	defer coarse.Step(90 * time.Minute)() // it sleeps
	left("after a sleep", "key", 30*time.Minute)
	stored, err := m.Fill(ctx, storage.Filling{Item: storage.Item{Key: "claimed", Value: []byte("late"), Keep: time.Hour}, Token: claims[0].Token})
	if err != nil || stored[0] {
		t.Errorf("Fill after the claim's hold: %v, %v", stored, err)
	}
	set("other")
	defer coarse.Step(time.Hour)()
	left("after another", "key", 0)
	left("after another", "other", time.Hour)
	if n := m.Len(); n != 1 {
		t.Errorf("%d records, want 1", n)
	}
}
