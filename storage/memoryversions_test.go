package storage_test

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/perennial-go/perennial/storage"
)

// swaps changes a key's record, or deletes it with a keep of zero.
func swaps(t *testing.T, m *storage.Memory, was, becomes string, keep time.Duration) (made bool) {
	t.Helper()
	all, err := m.Swap(t.Context(), storage.Change{Item: storage.Item{Key: "a", Value: []byte("v"), Keep: keep}, Was: was, Becomes: becomes})
	if err != nil {
		t.Fatal(err)
	}
	return all[0]
}

func looks(t *testing.T, m *storage.Memory) (version string) {
	t.Helper()
	found, err := m.Look(t.Context(), "a")
	if err != nil {
		t.Fatal(err)
	}
	return found[0].Version
}

// The last 256 changes of a record are known again, and no others.
func TestMemoryKnowsTheLastChanges(t *testing.T) {
	const known = 256
	m := newMemory(t)
	was := ""
	version := func(i int) string { return fmt.Sprint("version ", i) }
	for i := range known + 10 {
		if !swaps(t, m, was, version(i), time.Hour) {
			t.Fatalf("change %d is not made", i)
		}
		was = version(i)
	}
	if err := m.Sound(); err != nil {
		t.Error(err)
	}
	for i := range known + 10 {
		if got, want := swaps(t, m, "another", version(i), time.Hour), i >= 10; got != want {
			t.Fatalf("change %d of %d is known: %v, want %v", i, known+10, got, want)
		}
	}
}

// What a look says that a record is counts among its changes.
func TestMemoryKnowsWhatALookSaid(t *testing.T) {
	m := newMemory(t)
	setKeys(t, m, "a")
	was := looks(t, m)
	if was == "" || !swaps(t, m, "another", was, time.Hour) {
		t.Errorf("what the record was said to be, %q, is not known", was)
	}
	if again := looks(t, m); again != was {
		t.Errorf("it is %q, and was %q", again, was)
	}
}

// The changes of a record that was deleted are known for VersionsKept after that,
// however long it would have lived, and then nothing is held.
func TestMemoryForgetsVersions(t *testing.T) {
	for name, keep := range map[string]time.Duration{"that would have stayed": storage.Forever, "of a second": time.Second, "of an hour": time.Hour} {
		t.Run("a record "+name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				m := newMemory(t)
				if !swaps(t, m, "", "first", keep) || !swaps(t, m, "first", "gone", 0) {
					t.Fatal("the changes are not made")
				}
				time.Sleep(storage.VersionsKept - 1)
				if !swaps(t, m, "first", "gone", 0) {
					t.Error("the change is not known")
				}
				time.Sleep(2 * time.Second) // a sweep comes in about a second
				synctest.Wait()
				if n, size := m.Held(); n != 0 || size != 0 {
					t.Errorf("it holds %d records of %d bytes", n, size)
				}
			})
		})
	}
}

// A change that deletes what is gone already is known as long as any other.
func TestMemoryKnowsADeletionOfNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMemory(t)
		if !swaps(t, m, "", "first", time.Hour) || !swaps(t, m, "first", "gone", 0) {
			t.Fatal("the changes are not made")
		}
		time.Sleep(storage.VersionsKept - time.Second)
		if !swaps(t, m, "", "gone again", 0) {
			t.Fatal("the change is not made")
		}
		time.Sleep(storage.VersionsKept - time.Second)
		if !swaps(t, m, "another", "gone again", 0) {
			t.Error("the change is not known")
		}
		if looks(t, m) != "" {
			t.Error("what was deleted has a version")
		}
	})
}

// Versions count for the capacity: a record that only fits without them is
// returned and put out; one that is written with them stays.
func TestMemoryCountsVersions(t *testing.T) {
	m := newMemory(t, storage.MemoryCapacity(storage.RecordCost+2+storage.VersionsCost))
	setKeys(t, m, "a")
	if looks(t, m) == "" {
		t.Error("a look finds nothing")
	}
	wantHolds(t, m, "")
	if !swaps(t, m, "", "first", time.Hour) {
		t.Error("a swap is not made")
	}
	wantHolds(t, m, "")
}
