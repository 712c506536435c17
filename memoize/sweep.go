package memoize

import (
	"math"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/benbjohnson/clock"

	"github.com/perennial-go/perennial/entry"
	"github.com/perennial-go/perennial/observe"
	"github.com/perennial-go/perennial/storage"
)

const (
	// sweepSlice is how long a sweep works before it lets others run.
	sweepSlice = 100 * time.Microsecond
	// sweepShare is how many times as long as a sweep spent on entries that stay
	// the next one waits at least: that costs no more than one part in a hundred
	// of a core. What it spent on those that went is work done once, and what it
	// spent on those that go soon was near enough.
	sweepShare = 100
	sweepSoon  = time.Second
)

// sweeper is the one timer by which expired entries go without anyone reading
// them. It is armed for the nearest end, and not at all while nothing is held.
// A sweep looks at every entry, and where that takes long it comes less often.
type sweeper struct {
	time *timeline
	fire func()

	at       atomic.Int64 // what it is armed for, Never while it is not
	mu       sync.Mutex
	timer    *clock.Timer
	earliest entry.Instant // no sweep before this
	stopped  bool
}

func (s *sweeper) init(t *timeline, fire func()) {
	s.time, s.fire = t, fire
	s.at.Store(int64(entry.Never))
}

// arm makes sure that a sweep comes at the end given, or as soon after it as
// sweeping is cheap.
func (s *sweeper) arm(end entry.Instant) {
	if int64(end) >= s.at.Load() {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	end = max(end, s.earliest)
	if s.stopped || int64(end) >= s.at.Load() {
		return
	}
	if s.time.elsewhere() {
		return // what is stored there is over as soon as it is looked at outside
	}
	s.at.Store(int64(end))
	if s.timer != nil {
		s.timer.Stop()
	}
	s.timer = s.time.clock.AfterFunc(max(0, end.Sub(s.time.now())), s.fire)
}

// begin is called by a sweep: writes arm for the next one from now on.
func (s *sweeper) begin() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.at.Store(int64(entry.Never))
}

// rest is called at a sweep's end: no other comes before d has passed.
func (s *sweeper) rest(d time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.earliest = s.time.now().Add(d)
}

func (s *sweeper) stop() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stopped = true
	if s.timer != nil {
		s.timer.Stop()
	}
}

// sweep drops what has expired from a storage in memory. Others see to that
// themselves. It runs on the timer's goroutine, which a panic must not reach.
func (e *engine[A, K, V]) sweep() {
	e.sweeper.begin()
	p := e.plan.Load()
	for !e.use(p) {
		p = e.plan.Load()
	}
	defer e.unuse(p)
	if !p.sweeps || p.off == ErrClosed {
		return
	}
	began, now := e.time.steady(), e.time.now()
	nearest, idle := now.Add(time.Second), 0.0 // look again, if user code panics or ends the goroutine
	defer func() {
		took := e.time.steady().Sub(began)
		e.sweeper.rest(max(took, time.Duration(min(sweepShare*idle*float64(took), math.MaxInt64/2))))
		e.sweeper.arm(nearest)
	}()
	err := safely(func() error {
		nearest, idle = e.sweepOnce(p, now)
		return nil
	})
	if err != nil {
		_ = e.panicked(e.life, err)
	}
}

// sweepOnce looks at every entry, and returns the nearest end of those that stay
// and what share of all stays for long. What expires while it works goes too.
func (e *engine[A, K, V]) sweepOnce(p *plan[A, K, V], now entry.Instant) (nearest entry.Instant, idle float64) {
	held := p.settings.Storage.(storage.Ranger[K, V])
	slice, seen, kept := e.time.steady(), 0, 0
	nearest = entry.Never
	h := &holding{Context: e.life}
	for key, stored := range held.Range(e.life) {
		if seen++; seen%64 == 0 {
			if e.time.steady().Sub(slice) > sweepSlice {
				runtime.Gosched()
				slice = e.time.steady()
			}
			now = e.time.now()
		}
		if end := stored.KeepUntil(); end > now {
			nearest = min(nearest, end)
			if end.Sub(now) > sweepSoon {
				kept++
			}
		} else if e.expire(h, p, key, now) {
			e.backoff.clear(key)
			e.counters.expired.Add(1)
			e.note(e.life, observe.Dropped, key)
		}
	}
	return nearest, float64(kept) / float64(max(1, seen))
}

// expire drops a key's entry if it is still the expired one.
func (e *engine[A, K, V]) expire(h *holding, p *plan[A, K, V], key K, now entry.Instant) bool {
	if e.statuses.Hold(h, key, false) != nil {
		return false // closed
	}
	h.holds.Store(true)
	defer h.tell()
	defer e.statuses.Free(key, false)
	stored, _ := e.look(h, p, key)
	return stored != nil && stored.KeepUntil() <= now && e.release(h, p, key) == nil
}
