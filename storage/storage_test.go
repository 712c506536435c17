package storage_test

import (
	"fmt"
	"sync"
	"testing"

	"github.com/perennial-go/perennial/storage"
	"github.com/perennial-go/perennial/storage/storagetest"
)

func TestInMemoryConforms(t *testing.T) {
	for _, n := range []int{3, 100} {
		keys := make([]int, n)
		for i := range keys {
			keys[i] = i
		}
		t.Run(fmt.Sprint(n, " keys"), func(t *testing.T) {
			storagetest.Run(t, func(*testing.T) storage.Storage[int, []string] { return storage.NewInMemory[int, []string]() },
				keys, [][]string{{"a"}, {"b", "c"}, {}})
		})
	}
}

// The table grows under readers: what is there is found at all times.
func TestInMemoryGrowsUnderReaders(t *testing.T) {
	s := storage.NewInMemory[int, string]()
	const kept = 500
	for key := range kept {
		_ = s.Offer(t.Context(), key, value("kept"))
	}
	var wg sync.WaitGroup
	for w := range 4 {
		wg.Go(func() {
			for i := range 5000 {
				_ = s.Offer(t.Context(), kept+w*5000+i, value("more"))
			}
		})
		wg.Go(func() {
			for range 20 {
				for key := range kept {
					if got, _ := s.Get(t.Context(), key); got == nil || got.Value != "kept" {
						t.Errorf("key %d: got %v", key, got)
						return
					}
				}
			}
		})
	}
	wg.Wait()
	if want := kept + 4*5000; s.Len() != want {
		t.Fatalf("Len is %d, want %d", s.Len(), want)
	}
	if got, want := s.String(), fmt.Sprintf("InMemory[%d entries]", s.Len()); got != want {
		t.Fatalf("got %q, want %q", got, want)
	}
}

// What is held is the entry itself.
func TestInMemoryKeepsByReference(t *testing.T) {
	s := storage.NewInMemory[string, string]()
	e := value("value")
	_ = s.Offer(t.Context(), "key", e)
	for key, got := range s.Range(t.Context()) {
		if key != "key" || got != e {
			t.Fatalf("got %q, %v; want the entry that was offered", key, got)
		}
	}
	_ = s.Clear(t.Context())
	if s.Len() != 0 {
		t.Fatalf("Len is %d after Clear", s.Len())
	}
}

// A hit in memory takes no lock and does not allocate (G13).
func TestInMemoryGetDoesNotAllocate(t *testing.T) {
	s := storage.NewInMemory[string, string]()
	_ = s.Offer(t.Context(), "key", value("value"))
	ctx := t.Context()
	if n := testing.AllocsPerRun(100, func() { _, _ = s.Get(ctx, "key") }); n != 0 {
		t.Fatalf("Get allocates %v times", n)
	}
}
