package storage_test

import (
	"context"
	"strings"
	"testing"

	"github.com/perennial-go/perennial/storage"
)

// A driver that does not call Check has its store closed if something is wrong.
func TestOpenClosesWhatItRefuses(t *testing.T) {
	before := closedSeen
	if s, err := storage.Open(t.Context(), "seen://careless?number=1"); err == nil || !strings.Contains(err.Error(), "number") {
		t.Fatalf("it opens %v, %v", s, err)
	}
	if closedSeen != before+1 {
		t.Errorf("the driver's store is closed %d times, want once", closedSeen-before)
	}
}

func TestCloseClosesTheBytes(t *testing.T) {
	s, err := storage.Open(t.Context(), "seen://")
	if err != nil {
		t.Fatal(err)
	}
	before := closedSeen
	if err := s.Close(); err != nil || closedSeen != before+1 {
		t.Errorf("Close: %v; it closes %d times, want once", err, closedSeen-before)
	}
	if s, err = storage.Open(t.Context(), "null://"); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil { // of what can't be closed
		t.Error(err)
	}
}

func TestRegisterRefuses(t *testing.T) {
	panics := func(want string, register func()) {
		t.Helper()
		defer func() {
			t.Helper()
			if p, _ := recover().(string); !strings.Contains(p, want) {
				t.Errorf("it panics with %q, want %q in it", p, want)
			}
		}()
		register()
	}
	driver := func(context.Context, *storage.URL) (storage.Bytes, error) { return storage.Null{}, nil }
	panics("nil Driver", func() { storage.Register(nil, "x") })
	panics(`"memory"`, func() { storage.Register(driver, "memory") })
	panics(`"twice"`, func() { storage.Register(driver, "twice", "twice") })
}
