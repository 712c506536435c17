package resilient_test

import (
	"testing"
	"time"

	"github.com/perennial-go/perennial/internal/coarse"
	"github.com/perennial-go/perennial/storage/resilient"
)

// A copy expires while the machine sleeps.
func TestCopyExpiresWhileTheMachineSleeps(t *testing.T) {
	at := newServer()
	defer func() { _ = at.memory.Close() }()
	s, err := resilient.New(at)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { at.start(); _ = s.Close(t.Context()) }()
	if err := s.Set(t.Context(), "key", []byte("value"), time.Hour); err != nil {
		t.Fatal(err)
	}
	at.stop()
	found := func(want bool) {
		t.Helper()
		if r, err := s.Get(t.Context(), "key"); r.Found != want {
			t.Errorf("%+v, %v; want found: %v", r, err, want)
		}
	}
	found(true)
	defer coarse.Step(-2 * time.Hour)()
	found(true)
	defer coarse.Step(2*time.Hour + 30*time.Minute)()
	found(true)
	defer coarse.Step(time.Hour)()
	found(false)
}
