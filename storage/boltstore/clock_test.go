package boltstore

import (
	"path/filepath"
	"testing"
	"time"

	"github.com/perennial-go/perennial/internal/coarse"
)

// Records end while the machine sleeps, and get no longer lives where the wall clock
// is set back.
func TestRecordsWhileTheClockIsSet(t *testing.T) {
	s, err := Open(t.Context(), filepath.Join(t.TempDir(), "file"), Options{NoSync: true})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = s.Close() }()
	if err := s.Set(t.Context(), "key", []byte("value"), 2*time.Hour); err != nil {
		t.Fatal(err)
	}
	left := func(what string, want time.Duration) {
		t.Helper()
		r, err := s.Get(t.Context(), "key")
		if err != nil || r.Found != (want > 0) || r.Found && (want-r.Left).Abs() > time.Minute {
			t.Errorf("%s: %+v, %v; want %v left", what, r, err, want)
		}
	}
	left("at first", 2*time.Hour)
	defer coarse.Step(-time.Hour)()
	left("set back", 2*time.Hour)
	defer coarse.Step(2 * time.Hour)()
	left("set forth", time.Hour)
	defer coarse.Step(-time.Hour)()
	left("set back again", time.Hour)
	defer coarse.Step(3 * time.Hour)()
	left("after a sleep", 0)
}
