// Package timeline has the time that a memoized function lives in.
package timeline

import (
	"math"
	"sync/atomic"
	"time"

	"github.com/benbjohnson/clock"

	"github.com/perennial-go/perennial/entry"
	"github.com/perennial-go/perennial/internal/coarse"
)

// Never is the deadline in monotonic time of what has none, or none that can be told.
const Never = math.MaxInt64

// Timeline is the time that a function lives in.
type Timeline struct {
	Clock     clock.Clock           // for timers, and for instants if handed in
	Handed    bool                  // the clock was handed in, by config.Clock
	coarse    bool                  // a coarse reading may be used
	latest    atomic.Int64          // of a clock that was handed in
	back      atomic.Bool           // it went back
	backwards func(d time.Duration) // told once each time it does
	bubble    bool                  // the function was made in a bubble of testing/synctest
}

// Elsewhere tells whether the function is used in a bubble that it was not made in, and
// so must keep no timer that is made there.
func (t *Timeline) Elsewhere() bool { return !t.Handed && coarse.Elsewhere(t.bubble) }

// ElsewhereAt is elsewhere for who has read steady just now.
func (t *Timeline) ElsewhereAt(now entry.Instant) bool {
	return !t.Handed && coarse.BubbleAt(int64(now)) != t.bubble
}

// Init is called before any other method. A nil clock is the real one, which is read
// exactly on every call if exact says so; backwards is told when a clock that was
// handed in goes back.
func (t *Timeline) Init(c clock.Clock, exact bool, backwards func(time.Duration)) {
	t.Clock, t.Handed, t.backwards = c, c != nil, backwards
	if t.Handed {
		t.latest.Store(int64(entry.At(c.Now())))
		return
	}
	t.Clock = clock.New()
	t.bubble = coarse.Bubble()
	t.coarse = !exact && !t.bubble
}

// Now is the exact time.
func (t *Timeline) Now() entry.Instant {
	if !t.Handed {
		return entry.Instant(coarse.Exact())
	}
	for {
		latest := t.latest.Load() // before the clock, or another's later reading looks like a step back
		read := int64(entry.At(t.Clock.Now()))
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

// Steady is the time that deadlines are in, and what is measured: a clock that was
// handed in, or the monotonic one. That of the wall may be set, and a load is not
// late because somebody has.
func (t *Timeline) Steady() entry.Instant {
	if t.Handed {
		return t.Now()
	}
	return entry.Instant(coarse.Monotonic())
}

// Until is how long it is until then, on the clock that the function lives on.
func (t *Timeline) Until(then time.Time) time.Duration {
	if t.Handed {
		return then.Sub(t.Clock.Now())
	}
	return time.Until(then)
}

// Monotonic is an instant of steady time in the process's monotonic time, and never
// where the clock was handed in: nobody else lives in its time.
func (t *Timeline) Monotonic(at entry.Instant) int64 {
	if t.Handed || at == entry.Never {
		return Never
	}
	return int64(at)
}

// Reader is now, for those who outlive the function.
func (t *Timeline) Reader() func() entry.Instant {
	if c := t.Clock; t.Handed {
		return func() entry.Instant { return entry.At(c.Now()) }
	}
	return func() entry.Instant { return entry.Instant(coarse.Exact()) }
}

// Rough is reader for those to whom a few milliseconds make no difference.
func (t *Timeline) Rough() func() entry.Instant {
	exact := t.Reader()
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

// Decide is the time, how old the entry, which is not nil, is then, and what it
// is worth. A coarse reading serves where it settles that.
func (t *Timeline) Decide(m *entry.Meta) (now entry.Instant, age time.Duration, state entry.State) {
	if t.coarse {
		if reading := coarse.Now(); reading != 0 {
			now = entry.Instant(reading)
			if state := settled(m, now); state != entry.Missing {
				return now, m.Age(now), state
			}
		}
	}
	now = t.Now()
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
