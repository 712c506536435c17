package backoff

import (
	"strconv"
	"testing"
	"time"

	"github.com/perennial-go/perennial/entry"
)

// staleFor is an entry that is stale for so long, from an instant on.
func staleFor(at entry.Instant, d time.Duration) *entry.Meta {
	return &entry.Restore(0, at, at, at.Add(d)).Meta
}

// The first delay is a tenth of the time for which an entry is stale, and a second at
// most. Each further one is twice as long, up to a quarter of that time. Chance takes
// off up to a half, and no more.
func TestDelaysGrowUpToAQuarter(t *testing.T) {
	const now = entry.Instant(time.Hour)
	for window, most := range map[time.Duration][]time.Duration{
		time.Hour:              {time.Second, 2 * time.Second, 4 * time.Second, 8 * time.Second, 16 * time.Second},
		10 * time.Second:       {time.Second, 2 * time.Second, 2500 * time.Millisecond, 2500 * time.Millisecond},
		40 * time.Second:       {time.Second, 2 * time.Second, 4 * time.Second, 8 * time.Second, 10 * time.Second, 10 * time.Second},
		time.Second:            {100 * time.Millisecond, 200 * time.Millisecond, 250 * time.Millisecond},
		100 * time.Millisecond: {10 * time.Millisecond, 20 * time.Millisecond, 25 * time.Millisecond},
		0:                      {0, 0},
		-time.Second:           {0, 0},
	} {
		least, longest := make([]time.Duration, len(most)), make([]time.Duration, len(most))
		for range 200 {
			var b Keys[string]
			for i, most := range most {
				until, d := b.Delay("a", staleFor(now, window), now)
				if got, ok := b.Until("a"); !ok || got != until || until != now.Add(d) {
					t.Fatalf("of %v: until %v, %v, after a delay of %v until %v", window, got, ok, d, until)
				}
				if d < most/2 || d > most {
					t.Fatalf("of %v: the delay %d is %v, want %v to %v", window, i+1, d, most/2, most)
				}
				if longest[i] = max(longest[i], d); least[i] == 0 || d < least[i] {
					least[i] = d
				}
			}
		}
		for i, most := range most { // by chance, which 200 times leaves out neither end
			if most > 0 && (least[i] > most*6/10 || longest[i] < most*9/10) {
				t.Errorf("of %v: the delay %d is between %v and %v, want %v to %v", window, i+1, least[i], longest[i], most/2, most)
			}
		}
	}
}

// A key whose refresh has succeeded has no delay, and begins anew; others keep theirs.
func TestDelaysAreForgotten(t *testing.T) {
	const now = entry.Instant(time.Hour)
	var b Keys[string]
	b.Clear("a")
	if _, ok := b.Until("a"); ok {
		t.Error("there is a delay before anything has failed")
	}
	for range 5 {
		b.Delay("a", staleFor(now, time.Hour), now)
		b.Delay("b", staleFor(now, time.Hour), now)
	}
	b.Clear("a")
	if _, ok := b.Until("a"); ok {
		t.Error("what is forgotten is delayed")
	}
	if until, ok := b.Until("b"); !ok || until < now.Add(8*time.Second) {
		t.Errorf("the other key is delayed until %v, %v", until-now, ok)
	}
	if _, d := b.Delay("a", staleFor(now, time.Hour), now); d > time.Second {
		t.Errorf("a delay that begins anew is %v", d)
	}
	b.Clear("a")
	if b.Clear("b"); b.count.Load() != 0 || len(b.failed) != 0 {
		t.Errorf("%d records, %d are counted", len(b.failed), b.count.Load())
	}
}

// Records that are of no use any more go when there are 64, and then whenever those that
// were of use have doubled.
func TestDelaysAreTidied(t *testing.T) {
	const now = entry.Instant(time.Hour)
	var b Keys[string]
	fail := func(key string, at entry.Instant, want int) {
		t.Helper()
		if b.Delay(key, staleFor(now, time.Minute), at); len(b.failed) != want || int(b.count.Load()) != want {
			t.Fatalf("%d records after %s, %d are counted, want %d", len(b.failed), key, b.count.Load(), want)
		}
	}
	for i := range 64 {
		fail(strconv.Itoa(i), now, i+1)
	}
	over := now.Add(time.Minute)
	fail("0", over, 64) // which is known
	fail("x", over-1, 65)
	for i := range 63 {
		fail("y"+strconv.Itoa(i), over, 66+i)
	}
	fail("z", over, 1) // 128 are over
}
