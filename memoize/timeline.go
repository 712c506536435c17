package memoize

import (
	"sync/atomic"
	"time"

	"github.com/benbjohnson/clock"

	"github.com/perennial-go/perennial/entry"
	"github.com/perennial-go/perennial/internal/coarse"
)

// timeline is the time that a function lives in.
type timeline struct {
	clock     clock.Clock           // for timers, and for instants if handed in
	handed    bool                  // the clock was handed in, by config.Clock
	coarse    bool                  // a coarse reading may be used
	latest    atomic.Int64          // of a clock that was handed in
	back      atomic.Bool           // it went back
	backwards func(d time.Duration) // told once each time it does
	bubble    bool                  // the function was made in a bubble of testing/synctest
}

// elsewhere tells whether the function is used in a bubble that it was not made in, and
// so must keep no timer that is made there.
func (t *timeline) elsewhere() bool { return !t.handed && coarse.Elsewhere(t.bubble) }

// elsewhereAt is elsewhere for who has read steady just now.
func (t *timeline) elsewhereAt(now entry.Instant) bool {
	return !t.handed && coarse.BubbleAt(int64(now)) != t.bubble
}

func (t *timeline) init(c clock.Clock, exact bool, backwards func(time.Duration)) {
	t.clock, t.handed, t.backwards = c, c != nil, backwards
	if t.handed {
		t.latest.Store(int64(entry.At(c.Now())))
		return
	}
	t.clock = clock.New()
	t.bubble = coarse.Bubble()
	t.coarse = !exact && !t.bubble
}

// now is the exact time.
func (t *timeline) now() entry.Instant {
	if !t.handed {
		return entry.Instant(coarse.Exact())
	}
	for {
		latest := t.latest.Load() // before the clock, or another's later reading looks like a step back
		read := int64(entry.At(t.clock.Now()))
		if read < latest {
			if t.back.CompareAndSwap(false, true) {
				t.backwards(entry.Instant(latest).Sub(entry.Instant(read)))
			}
			return entry.Instant(latest)
		}
		if read == latest || t.latest.CompareAndSwap(latest, read) {
			t.back.Store(false)
			return entry.Instant(read)
		}
	}
}

// steady is the time that deadlines are in, and what is measured: a clock that was
// handed in, or the monotonic one. That of the wall may be set, and a load is not
// late because somebody has.
func (t *timeline) steady() entry.Instant {
	if t.handed {
		return t.now()
	}
	return entry.Instant(coarse.Monotonic())
}

// monotonic is an instant of steady time in the process's monotonic time, and never
// where the clock was handed in: nobody else lives in its time.
func (t *timeline) monotonic(at entry.Instant) int64 {
	if t.handed || at == entry.Never {
		return never
	}
	return int64(at)
}

// reader is now, for those who outlive the function.
func (t *timeline) reader() func() entry.Instant {
	if c := t.clock; t.handed {
		return func() entry.Instant { return entry.At(c.Now()) }
	}
	return func() entry.Instant { return entry.Instant(coarse.Exact()) }
}

// rough is reader for those to whom a few milliseconds make no difference.
func (t *timeline) rough() func() entry.Instant {
	exact := t.reader()
	if !t.coarse {
		return exact
	}
	return func() entry.Instant {
		if reading := coarse.Now(); reading != 0 {
			return entry.Instant(reading)
		}
		return exact()
	}
}

// decide is the time, how old the entry, which is not nil, is then, and what it
// is worth. A coarse reading serves where it settles that.
func (t *timeline) decide(m *entry.Meta) (now entry.Instant, age time.Duration, state entry.State) {
	if t.coarse {
		if reading := coarse.Now(); reading != 0 {
			now = entry.Instant(reading)
			if state := settled(m, now); state != entry.Missing {
				return now, m.Age(now), state
			}
		}
	}
	now = t.now()
	return now, m.Age(now), m.StateAt(now)
}

// settled is the state that an entry has from a coarse reading until the slack
// after it, or Missing where a boundary lies between. The time is never before
// the reading, nor after the slack while the ticker runs.
func settled(m *entry.Meta, reading entry.Instant) entry.State {
	latest := reading + entry.Instant(coarse.Slack)
	update, expire := m.UpdateAfter(), m.ExpiresAfter()
	switch {
	case latest < update && latest < expire:
		return entry.Fresh
	case update <= reading && latest < expire:
		return entry.Stale
	case expire <= reading:
		return entry.Expired
	}
	return entry.Missing
}
