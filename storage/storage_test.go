package storage_test

import (
	"fmt"
	"runtime"
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

// Values are held as they are, and writes say what they have replaced.
func TestInMemoryKeepsValuesAsTheyAre(t *testing.T) {
	s := storage.NewInMemory[string, *int]()
	v := new(int)
	kept, replaced := s.Put("key", v, 1, 2, 3, nil)
	if replaced != nil {
		t.Fatalf("the first write replaces %v", replaced)
	}
	for key, got := range s.Range(t.Context()) {
		if key != "key" || got != kept || got.Value != v || got.Created() != 1 || got.UpdateAfter() != 2 || got.ExpiresAfter() != 3 {
			t.Fatalf("got %q, %v; want the entry that was put", key, got)
		}
	}
	if _, replaced = s.Put("key", v, 4, 5, 6, nil); replaced != kept {
		t.Fatalf("the second write replaces %v, not the entry of the first", replaced)
	}
	if taken := s.Take("key"); taken == nil || taken.Created() != 4 || s.Take("key") != nil {
		t.Fatalf("took %v", taken)
	}
	_, _ = s.Put("key", v, 1, 2, 3, nil)
	_ = s.Clear(t.Context())
	if s.Len() != 0 {
		t.Fatalf("Len is %d after Clear", s.Len())
	}
}

// A table shrinks when it is emptied, and no key is lost on the way.
func TestInMemoryShrinks(t *testing.T) {
	s := storage.NewInMemory[int, string]()
	const n = 50_000
	for key := range n {
		_ = s.Offer(t.Context(), key, value("value"))
	}
	for key := range n {
		if got, _ := s.Get(t.Context(), key); got == nil {
			t.Fatalf("key %d is gone", key)
		}
		_ = s.Release(t.Context(), key)
		if got, _ := s.Get(t.Context(), key); got != nil {
			t.Fatalf("key %d is still there", key)
		}
	}
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	_ = s.Clear(t.Context())
	runtime.GC()
	runtime.ReadMemStats(&after)
	if held := int64(before.HeapAlloc) - int64(after.HeapAlloc); held > 100_000 {
		t.Errorf("%d bytes are held for no entry", held)
	}
}

// A place that was given up is taken again: what comes and goes leaves nothing.
func TestInMemoryTakesPlacesAgain(t *testing.T) {
	s := storage.NewInMemory[int, string]()
	held := func() int64 {
		runtime.GC()
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return int64(m.HeapAlloc)
	}
	churn := func() {
		for key := range 20_000 {
			_ = s.Offer(t.Context(), key, value("value"))
			_ = s.Release(t.Context(), key)
		}
	}
	churn()
	before := held()
	churn()
	if more := held() - before; more > 100_000 {
		t.Errorf("%d bytes are held for no entry", more)
	}
	runtime.KeepAlive(s)
}

// A Range can be left at any entry.
func TestInMemoryRangeIsLeft(t *testing.T) {
	s := storage.NewInMemory[int, string]()
	const n = 1000
	for key := range n {
		_ = s.Offer(t.Context(), key, value("value"))
	}
	for most := 1; most <= n; most += 50 {
		got := 0
		for range s.Range(t.Context()) {
			if got++; got == most {
				break
			}
		}
		if got != most {
			t.Fatalf("left at entry %d it has yielded %d", most, got)
		}
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
