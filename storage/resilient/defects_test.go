package resilient_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/perennial-go/perennial/storage"
	"github.com/perennial-go/perennial/storage/resilient"
)

// A record that others delete is gone for those who have a copy, and does not come back.
func TestDefectSynced03DeletionReachesOthers(t *testing.T) {
	bubble(t, func(t *testing.T, at *server, s *resilient.Store, _ *events) {
		other, _ := client(t, at)
		put(t, s, "a", "1", committed)
		holds(t, other, "a", "1")
		remove(t, s, "a", committed)
		lacks(t, other, "a")
		at.stop()
		lacks(t, other, "a")
		put(t, s, "b", "1", queued)
		at.start()
		later(time.Minute)
		lacks(t, other, "a")
		lacks(t, at.memory, "a")
		if err := other.Close(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

// An empty value that is stored while the store is away is no deletion.
func TestDefectSynced04EmptyIsNoDeletion(t *testing.T) {
	bubble(t, func(t *testing.T, at *server, s *resilient.Store, _ *events) {
		put(t, s, "a", "1", committed)
		at.stop()
		if _, err := outcomeOf(s.Set(t.Context(), "a", nil, storage.Forever)); err != nil {
			t.Fatal(err)
		}
		holds(t, s, "a", "")
		at.start()
		later(time.Minute)
		holds(t, at.memory, "a", "")
	})
}

// A change is not lost if the store goes away while it is sent.
func TestDefectSynced05ItemOutlivesAFailedDelivery(t *testing.T) {
	bubble(t, func(t *testing.T, at *server, s *resilient.Store, _ *events) {
		at.stop()
		put(t, s, "a", "1", queued)
		failures := 3
		at.set(func(s *server) {
			s.fault = func(verb, _ string) error {
				if verb == "swap" && failures > 0 {
					failures--
					return errReset
				}
				return nil
			}
		})
		at.start()
		later(5 * time.Minute)
		holds(t, at.memory, "a", "1")
		if failures != 0 {
			t.Errorf("%d failures were not met", failures)
		}
	})
}

// No clock decides who wins: a later change in the store stays, though the clock of its
// process is behind.
func TestDefectSynced12NoClockDecides(t *testing.T) {
	bubble(t, func(t *testing.T, at *server, s *resilient.Store, seen *events) {
		put(t, s, "a", "old", committed)
		at.stop()
		if err := at.memory.Set(t.Context(), "a", []byte("theirs"), storage.Forever); err != nil {
			t.Fatal(err)
		}
		later(time.Second)
		put(t, s, "a", "mine, later by the clock", queued)
		at.start()
		later(time.Minute)
		holds(t, at.memory, "a", "theirs")
		if n := len(seen.of(resilient.Conflict)); n != 1 {
			t.Errorf("%d conflicts", n)
		}
	})
}

// When the store is back, a copy is read again rather than trusted.
func TestCopyIsReadAgainWhenTheStoreIsBack(t *testing.T) {
	bubble(t, func(t *testing.T, at *server, s *resilient.Store, _ *events) {
		stop := watch(t, s, "")
		defer stop()
		put(t, s, "a", "1", committed)
		at.stop()
		synctest.Wait()
		holds(t, s, "a", "1")
		at.empty()
		at.start()
		holds(t, s, "a", "1") // it is not known to be back
		later(time.Minute)
		lacks(t, s, "a")
	})
}
