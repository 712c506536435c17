package memoize

import (
	"runtime"
	"time"

	"github.com/perennial-go/perennial/entry"
	"github.com/perennial-go/perennial/internal/postponed"
	"github.com/perennial-go/perennial/observe"
	"github.com/perennial-go/perennial/storage"
)

const (
	// sweepSlice is how long a sweep works before it lets others run.
	sweepSlice = 100 * time.Microsecond
	// sweepSoon is how soon an entry goes that a sweep need not have left.
	sweepSoon = time.Second
)

// sweep drops what has expired from a storage in memory. Others see to that
// themselves. It runs on the timer's goroutine, which a panic must not reach.
func (v *evictor[A, K, V]) sweep() {
	v.stores.sweeper.Begin()
	p := v.core.plans.current.Load()
	for !v.core.plans.useCurrent(p) {
		p = v.core.plans.current.Load()
	}
	defer v.core.plans.unuse(p)
	if !p.sweeps || p.off == ErrClosed {
		v.stores.sweeper.End(0, 0, entry.Never)
		return
	}
	began, now := v.core.time.Steady(), v.core.time.Now()
	nearest, idle := now.Add(time.Second), 0.0 // look again, if user code panics or ends the goroutine
	defer func() {
		v.stores.sweeper.End(v.core.time.Steady().Sub(began), idle, nearest)
	}()
	expired := v.core.counters.expired.Load()
	err := safely(func() error {
		nearest, idle = v.sweepOnce(p, now)
		return nil
	})
	if dropped := v.core.counters.expired.Load() - expired; dropped > 0 {
		v.core.tidyAfter(p, int(dropped))
	}
	if err != nil {
		_ = v.core.panicked(v.core.life, err)
	}
}

// sweepOnce looks at every entry, and returns the nearest end of those that stay
// and what share of all stays for long. What expires while it works goes too.
func (v *evictor[A, K, V]) sweepOnce(p *plan[A, K, V], now entry.Instant) (nearest entry.Instant, idle float64) {
	held := p.settings.Storage.(storage.Ranger[K, V])
	slice, seen, kept := v.core.time.Steady(), 0, 0
	nearest = entry.Never
	h := &postponed.Context{Context: v.core.life}
	for key, stored := range held.Range(v.core.life) {
		if seen++; seen%64 == 0 {
			if v.core.time.Steady().Sub(slice) > sweepSlice {
				runtime.Gosched()
				slice = v.core.time.Steady()
			}
			now = v.core.time.Now()
		}
		if end := stored.KeepUntil(); end > now {
			nearest = min(nearest, end)
			if end.Sub(now) > sweepSoon {
				kept++
			}
		} else if v.expire(h, p, key, now) {
			v.core.backoff.Clear(key)
			v.core.counters.expired.Add(1)
			v.core.note(v.core.life, observe.Dropped, key)
		}
	}
	return nearest, float64(kept) / float64(max(1, seen))
}

// expire drops a key's entry if it is still the expired one.
func (v *evictor[A, K, V]) expire(h *postponed.Context, p *plan[A, K, V], key K, now entry.Instant) bool {
	if v.core.statuses.Hold(h, key, false) != nil {
		return false // closed
	}
	h.Hold(true)
	defer h.Tell()
	defer v.core.statuses.Free(key, false)
	stored, _ := v.stores.look(h, p, key)
	return stored != nil && stored.KeepUntil() <= now && v.stores.release(h, p, key, observe.ReleaseExpired) == nil
}
