package storage_test

import (
	"context"
	"errors"
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

// closeFails is a store that can't be closed.
type closeFails struct{ storage.Null }

func (closeFails) Close() error { return errStub }

func init() {
	storage.Register(func(_ context.Context, u *storage.URL) (storage.Bytes, error) {
		if u.Host == "fails" {
			return nil, errStub
		}
		return closeFails{}, u.Check()
	}, "closefails")
}

// The errors of a driver and of its stores are returned as they are.
func TestOpenReturnsTheDriversErrors(t *testing.T) {
	if s, err := storage.Open(t.Context(), "closefails://fails"); !errors.Is(err, errStub) {
		t.Errorf("it opens %v, %v", s, err)
	}
	s, err := storage.Open(t.Context(), "closefails://file")
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); !errors.Is(err, errStub) {
		t.Errorf("Close returns %v", err)
	}
}

// An unknown scheme is an error that says what to import, or what there is.
func TestOpenUnknownSchemes(t *testing.T) {
	for url, want := range map[string][]string{
		"redis://host": {`unknown scheme "redis": import _ "github.com/perennial-go/perennial/storage/redisstore"`},
		"rediss://h":   {`import _ "github.com/perennial-go/perennial/storage/redisstore"`},
		"azAZ09+-.://": {"those known are ", "are closefails://, memory://, null://, seen://", `memcached:// (import _ "github.com/perennial-go/perennial/storage/memcachedstore")`},
		"z://":         {"those known are "},
		"a://":         {"those known are "},
		"Z://":         {"those known are "},
		"A://":         {"those known are "},
	} {
		_, err := storage.Open(t.Context(), url)
		if !errors.Is(err, storage.ErrScheme) {
			t.Errorf("%s: %v, want ErrScheme", url, err)
			continue
		}
		for _, part := range want {
			if !strings.Contains(err.Error(), part) {
				t.Errorf("%s: %v, want %q in it", url, err, part)
			}
		}
	}
}
