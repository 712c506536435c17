package backoff

import (
	"testing"
	"time"

	"github.com/perennial-go/perennial/entry"
)

func TestG11BackOffIsBounded(t *testing.T) {
	var b Keys[int]
	m := &entry.Restore(0, 0, 0, entry.Instant(time.Hour)).Meta
	for key := range 3 * Max {
		b.Delay(key, m, entry.Instant(key))
		if len(b.failed) > Max {
			t.Fatalf("%d records after %d failures", len(b.failed), key+1)
		}
	}
	for key := range 3 * Max { // all but the last few are of no use by now
		b.Delay(-key-1, m, entry.Instant(2*time.Hour))
	}
	if len(b.failed) > Max {
		t.Errorf("%d records", len(b.failed))
	}
}
