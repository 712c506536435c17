package timeline

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/perennial-go/perennial/entry"
	"github.com/perennial-go/perennial/internal/coarse"
)

// misjudges looks for an entry, a coarse reading and a time within the slack
// after it at which the reading has settled on a state that the entry is not in.
func misjudges(random *rand.Rand, settled func(*entry.Meta, entry.Instant) entry.State) (m *entry.Meta, reading, now entry.Instant, found bool) {
	const slack = coarse.Slack
	near := func() time.Duration { // lives around what matters, and any
		around := []time.Duration{0, 1, slack / 2, slack - 1, slack, slack + 1, 2 * slack, time.Second, time.Hour}[random.IntN(9)]
		return max(0, around+time.Duration(random.IntN(5)-2))
	}
	for range 200_000 {
		born := entry.Instant(random.Int64N(int64(time.Hour)))
		m := &entry.Restore(0, born, born.Add(near()), born.Add(near())).Meta // update-after may lie beyond expires-after
		reading := born + entry.Instant(near()) - entry.Instant(near())
		now := reading + entry.Instant(random.Int64N(int64(slack)+1))
		if random.IntN(4) == 0 {
			now = reading + entry.Instant(slack)
		}
		if state := settled(m, reading); state != entry.Missing && state != m.StateAt(now) {
			return m, reading, now, true
		}
	}
	return nil, 0, 0, false
}

// G2: while its ticker runs in time the coarse reading never decides otherwise
// than the clock would.
func TestG2CoarseReadingNeverMisjudges(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	if m, reading, now, found := misjudges(rand.New(rand.NewPCG(seed, 0)), settled); found {
		t.Fatalf("update-after %d, expires-after %d: reading %d settles on %v, and at %d it is %v",
			m.UpdateAfter(), m.ExpiresAfter(), reading, settled(m, reading), now, m.StateAt(now))
	}
	for name, broken := range map[string]func(*entry.Meta, entry.Instant) entry.State{
		"no slack": func(m *entry.Meta, reading entry.Instant) entry.State { return m.StateAt(reading) },
		"slack before updates": func(m *entry.Meta, reading entry.Instant) entry.State {
			if m.UpdateAfter() <= reading+entry.Instant(coarse.Slack) && m.UpdateAfter() > reading {
				return entry.Missing
			}
			return m.StateAt(reading)
		},
		"half the slack": func(m *entry.Meta, reading entry.Instant) entry.State {
			if state := m.StateAt(reading); state == m.StateAt(reading+entry.Instant(coarse.Slack/2)) {
				return state
			}
			return entry.Missing
		},
	} {
		if _, _, _, found := misjudges(rand.New(rand.NewPCG(seed, 1)), broken); !found {
			t.Errorf("%s: the check does not find it", name)
		}
	}
}

// A coarse reading settles wherever no boundary is near, or it would be of no
// use.
func TestCoarseReadingSettlesFarFromBoundaries(t *testing.T) {
	m := &entry.Restore(0, 0, entry.Instant(time.Minute), entry.Instant(time.Hour)).Meta
	for at, want := range map[time.Duration]entry.State{
		0:                              entry.Fresh,
		time.Minute - coarse.Slack - 1: entry.Fresh,
		time.Minute - coarse.Slack:     entry.Missing,
		time.Minute - 1:                entry.Missing,
		time.Minute:                    entry.Stale,
		time.Hour - coarse.Slack - 1:   entry.Stale,
		time.Hour - 1:                  entry.Missing,
		time.Hour:                      entry.Expired,
	} {
		if got := settled(m, entry.Instant(at)); got != want {
			t.Errorf("at %v: %v, want %v", at, got, want)
		}
	}
}
