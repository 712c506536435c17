package memoize

import (
	"context"
	"testing"
	"time"

	"github.com/perennial-go/perennial/config"
	"github.com/perennial-go/perennial/entry"
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
