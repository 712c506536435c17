package doubts

import (
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/perennial-go/perennial/entry"
	"github.com/perennial-go/perennial/internal/backoff"
	"github.com/perennial-go/perennial/internal/checks"
)

func TestG11DoubtIsBounded(t *testing.T) {
	var d Keys[int]
	for key := range 3 * Max {
		w := d.Begin(key, false, entry.Instant(key))
		d.Suspect(w, entry.Instant(key))
		d.End(w, false, entry.Instant(key), 0)
		if len(d.keys) > Max {
			t.Fatalf("%d keys after %d failed writes", len(d.keys), key+1)
		}
	}
	for key := range 3 * Max { // each is in doubt, one by one or by when it was created
		if !d.Has(key) && !d.Reject(entry.Instant(key)) {
			t.Fatalf("key %d is not in doubt, though its write failed", key)
		}
	}
	if d.Reject(entry.Instant(3 * Max)) {
		t.Error("what was created after the last failure is in doubt")
	}
}

// Keys of any length cost as much there as short ones.
func TestG11LongKeysOfFailures(t *testing.T) {
	if checks.Race {
		t.Skip("the race detector makes every allocation larger")
	}
	heap := func() int64 {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return int64(m.HeapAlloc)
	}
	var d Keys[[2]string]
	var b backoff.Keys[[2]string]
	before := heap()
	m := &entry.Restore(0, 0, 0, entry.Instant(time.Hour)).Meta
	for i := range Max {
		key := [2]string{strconv.Itoa(i), strings.Repeat("x", 1<<10)}
		w := d.Begin(key, false, 0)
		d.Suspect(w, 0)
		d.End(w, false, 0, 0)
		b.Delay(key, m, 0)
	}
	if grown := heap() - before; grown > 24<<20 {
		t.Errorf("%d doubts and delays of keys of 1 KiB take %d MiB", Max, grown>>20)
	}
	runtime.KeepAlive(&d)
	runtime.KeepAlive(&b)
}
