package resilient_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/perennial-go/perennial/storage"
	"github.com/perennial-go/perennial/storage/resilient"
)

// An underlying store that panics, as a client may on a malformed answer, counts as away,
// whatever the call.
func TestPanicOfTheStore(t *testing.T) {
	for _, verb := range []string{"look", "swap", "state", "keys", "watch"} {
		t.Run(verb, func(t *testing.T) {
			bubble(t, func(t *testing.T, at *server, s *resilient.Store, seen *events) {
				put(t, s, "a", "1", committed)
				at.set(func(s *server) {
					s.fault = func(asked, _ string) error {
						if asked == verb {
							panic("makeslice: len out of range")
						}
						return nil
					}
				})
				stop := watch(t, s, "")
				defer stop()
				for _, key := range []string{"a", "b"} {
					if _, err := outcomeOf(s.Set(t.Context(), key, []byte("2"), storage.Forever)); err != nil {
						t.Errorf("Set: %v", err)
					}
				}
				for _, err := range s.Keys(t.Context(), "") {
					if err != nil {
						t.Errorf("Keys: %v", err)
					}
				}
				later(5 * time.Second) // a probe or two
				if opened := seen.of(resilient.Opened); verb != "watch" && (len(opened) == 0 || !strings.Contains(opened[0].Err.Error(), "makeslice")) {
					t.Errorf("the store is not away: %v", seen.all)
				}
				at.set(func(s *server) { s.fault = nil })
				later(time.Minute)
				holds(t, at.memory, "a", "2")
				holds(t, at.memory, "b", "2")
			}, resilient.WriteAgain(true))
		})
	}
}

func TestPanicOfTheUnderlyingCache(t *testing.T) {
	bubble(t, func(t *testing.T, at *server, _ *resilient.Store, _ *events) {
		c, err := resilient.NewBulkCache(at, resilient.Observe(nil))
		if err != nil {
			t.Fatal(err)
		}
		at.set(func(s *server) { s.fault = func(string, string) error { panic("makeslice") } })
		for name, call := range map[string]func() error{
			"Get":        func() error { _, err := c.Get(t.Context(), "a"); return err },
			"GetMany":    func() error { _, err := c.GetMany(t.Context(), []string{"a"}); return err },
			"Set":        func() error { return c.Set(t.Context(), "a", nil, storage.Forever) },
			"SetMany":    func() error { return c.SetMany(t.Context(), []storage.Item{{Key: "a", Keep: storage.Forever}}) },
			"DeleteMany": func() error { _, err := c.DeleteMany(t.Context(), []string{"a"}); return err },
			"Claim":      func() error { _, err := c.Claim(t.Context(), time.Minute, "a"); return err },
			"Clear":      func() error { return c.Clear(t.Context(), "") },
		} {
			if err := call(); err != nil && !errors.Is(err, storage.ErrQueued) && name != "Clear" {
				t.Errorf("%s: %v", name, err)
			}
		}
		at.set(func(s *server) { s.fault = nil })
		later(time.Minute)
		if err := c.Close(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

// A panic of the caller's own callback reaches the caller.
func TestPanicOfACallback(t *testing.T) {
	bubble(t, func(t *testing.T, _ *server, s *resilient.Store, seen *events) {
		put(t, s, "a", "1", committed)
		panics := func(what string, do func()) {
			defer func() {
				if p := recover(); p != "mine" {
					t.Errorf("%s: %v is recovered", what, p)
				}
			}()
			do()
		}
		panics("Keys", func() {
			for range s.Keys(t.Context(), "") {
				panic("mine")
			}
		})
		panics("Watch", func() { _ = s.Watch(t.Context(), "", func(storage.Changed) { panic("mine") }) })
		for key := range s.Keys(t.Context(), "") {
			if key == "a" {
				break
			}
		}
		if n := len(seen.all); n > 0 {
			t.Errorf("the store counts as away: %v", seen.all)
		}
	})
}
