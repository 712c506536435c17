package memoize

import (
	"context"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/perennial-go/perennial/config"
	"github.com/perennial-go/perennial/entry"
	"github.com/perennial-go/perennial/internal/checks"
	"github.com/perennial-go/perennial/statuses"
)

// What grows with use is bounded.

func TestG11BackOffIsBounded(t *testing.T) {
	var b backoff[int]
	m := &entry.Restore(0, 0, 0, entry.Instant(time.Hour)).Meta
	for key := range 3 * maxDelayed {
		b.delay(key, m, entry.Instant(key))
		if len(b.failed) > maxDelayed {
			t.Fatalf("%d records after %d failures", len(b.failed), key+1)
		}
	}
	for key := range 3 * maxDelayed { // all but the last few are of no use by now
		b.delay(-key-1, m, entry.Instant(2*time.Hour))
	}
	if len(b.failed) > maxDelayed {
		t.Errorf("%d records", len(b.failed))
	}
}

func TestG11DoubtIsBounded(t *testing.T) {
	var d doubts[int]
	for key := range 3 * maxDoubt {
		w := d.begin(key, false, entry.Instant(key))
		d.suspect(w, entry.Instant(key))
		d.end(w, false, entry.Instant(key), 0)
		if len(d.keys) > maxDoubt {
			t.Fatalf("%d keys after %d failed writes", len(d.keys), key+1)
		}
	}
	for key := range 3 * maxDoubt { // each is in doubt, one by one or by when it was created
		if !d.has(key) && !d.reject(entry.Instant(key)) {
			t.Fatalf("key %d is not in doubt, though its write failed", key)
		}
	}
	if d.reject(entry.Instant(3 * maxDoubt)) {
		t.Error("what was created after the last failure is in doubt")
	}
}

// Keys of any length cost as much there as short ones.
func TestG11LongKeysInTrouble(t *testing.T) {
	if checks.Race {
		t.Skip("the race detector makes every allocation larger")
	}
	heap := func() int64 {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return int64(m.HeapAlloc)
	}
	var d doubts[[2]string]
	var b backoff[[2]string]
	before := heap()
	m := &entry.Restore(0, 0, 0, entry.Instant(time.Hour)).Meta
	for i := range maxDoubt {
		key := [2]string{strconv.Itoa(i), strings.Repeat("x", 1<<10)}
		w := d.begin(key, false, 0)
		d.suspect(w, 0)
		d.end(w, false, 0, 0)
		b.delay(key, m, 0)
	}
	if grown := heap() - before; grown > 24<<20 {
		t.Errorf("%d doubts and delays of keys of 1 KiB take %d MiB", maxDoubt, grown>>20)
	}
	runtime.KeepAlive(&d)
	runtime.KeepAlive(&b)
}

func TestG11RegistryHoldsWhatRunsAlone(t *testing.T) {
	f := Must(New(func(_ context.Context, key int) (int, error) { return key, nil }, config.Capacity(100)))
	for key := range 10_000 {
		if _, err := f.Call(t.Context(), key); err != nil {
			t.Fatal(err)
		}
	}
	if err := f.Wait(t.Context()); err != nil {
		t.Fatal(err)
	}
	e := f.verbs.(*engine[int, int, int])
	if c := e.statuses.(*statuses.InMemory[int, int]).Counts(); c.Keys != 0 {
		t.Errorf("%d keys have a record, and nothing runs", c.Keys)
	}
	if e.loads.first != nil || e.loads.fresh != nil || e.loads.background.Load() != 0 || e.loads.late.Load() != 0 {
		t.Errorf("loads are listed, and none runs: %+v", &e.loads)
	}
	if f.Len() != 100 {
		t.Errorf("%d entries are held, want 100", f.Len())
	}
	if err := f.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
}
