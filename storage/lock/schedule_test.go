package lock

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

var (
	schedules = flag.Int("schedules", 30, "how many random schedules of each kind to run")
	firstSeed = flag.Uint64("seed", 1, "the seed of the first schedule; with -schedules 1 it is run again")
)

// schedule is what a few processes do with a few locks on a stand-in that is
// away, slow, restarted and set to another time by chance.
type schedule struct {
	seed     uint64
	restarts bool // which lose everything: two may then hold a lock, with other tokens
	exclude  bool // whether that is a fault
	broken   func(*standIn)
}

var schedulePaths = []string{"a", "a/b", "a/b/c", "a/b/d", "a/e", "f"}

// history is what was seen of locks.
type history struct {
	mu     sync.Mutex
	held   map[*Lock]bool // whose holder believes in it
	had    []*Lock
	faults []string
}

func (h *history) fault(format string, args ...any) {
	h.faults = append(h.faults, fmt.Sprintf(format, args...))
}

// acquired checks a lock against all that were there before.
func (h *history) acquired(l *Lock, exclude bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for other := range h.held {
		if exclude && other.place.excludes(l.place) && other.Context().Err() == nil && l.Context().Err() == nil {
			h.fault("%q with token %d and %q with token %d are held at once", other.place, other.token, l.place, l.token)
		}
	}
	h.held[l] = true
	h.had = append(h.had, l)
}

func (h *history) ends(l *Lock) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.held, l)
}

func (s schedule) run(t *testing.T) (faults []string) {
	synctest.Test(t, func(t *testing.T) {
		r := rand.New(rand.NewPCG(s.seed, 1))
		server := newStandIn()
		if s.broken != nil {
			s.broken(server)
		}
		hold := []time.Duration{100 * time.Millisecond, time.Second, 5 * time.Second}[r.IntN(3)]
		rate := []float64{0, 0.02, 0.2}[r.IntN(3)]
		h := &history{held: map[*Lock]bool{}}
		var clients []*standInClient
		var workers sync.WaitGroup
		over := time.Now().Add(20 * hold)
		for p := range 3 {
			c := &standInClient{server: server, rand: rand.New(rand.NewPCG(s.seed, uint64(10+p))), faults: rate}
			clients = append(clients, c)
			locks := newLocks(c, hold, c.float)
			for w := range 2 {
				r := rand.New(rand.NewPCG(s.seed, uint64(100+10*p+w)))
				workers.Go(func() {
					for time.Now().Before(over) {
						s.step(t.Context(), locks, r, h, hold)
					}
				})
			}
		}
		for time.Now().Before(over) {
			time.Sleep(time.Duration(r.Float64() * 5 * float64(hold)))
			s.disturb(server, r, hold)
		}
		workers.Wait()
		for _, c := range clients {
			c.mu.Lock()
			c.faults = 0
			c.mu.Unlock()
		}
		time.Sleep(2*time.Minute + 2*hold) // what was late has come, and what came of it is over
		s.settled(t, newLocks(clients[0], hold, clients[0].float), h)
		time.Sleep(time.Minute) // until what runs in the background has ended
		h.check(server, s.exclude)
		faults = h.faults
	})
	return faults
}

// step is one of the things that a process does.
func (s schedule) step(ctx context.Context, locks *Locks, r *rand.Rand, h *history, hold time.Duration) {
	path := schedulePaths[r.IntN(len(schedulePaths))]
	some := func(d time.Duration) time.Duration { return time.Duration(r.Float64() * float64(d)) }
	var l *Lock
	var err error
	if r.IntN(4) == 0 {
		l, err = locks.TryAcquire(ctx, path)
	} else {
		ctx, cancel := context.WithTimeout(ctx, some(3*hold))
		l, err = locks.Acquire(ctx, path)
		cancel()
	}
	if err != nil {
		time.Sleep(some(hold / 10))
		return
	}
	h.acquired(l, s.exclude)
	over := time.NewTimer(some(2 * hold)) // it is renewed, or not
	select {
	case <-over.C:
	case <-l.Context().Done():
		over.Stop()
	}
	h.ends(l)
	if r.IntN(5) == 0 {
		l.die()
		return
	}
	if err := l.Release(ctx); err != nil && !errors.Is(err, ErrNotHeld) && !errors.Is(err, errLost) {
		h.mu.Lock()
		h.fault("release of %q: %v", path, err)
		h.mu.Unlock()
	}
}

// disturb is one of the things that befall a server.
func (s schedule) disturb(server *standIn, r *rand.Rand, hold time.Duration) {
	server.mu.Lock()
	defer server.mu.Unlock()
	jump := time.Duration(r.Float64() * float64(time.Hour))
	switch r.IntN(3) {
	case 0:
		server.down = !server.down
	case 1:
		server.down = false
		if s.restarts {
			server.restart()
		}
	case 2:
		if s.restarts {
			server.skew += jump // its clock is set forward, and it takes locks for over
		} else {
			server.skew -= jump // and back
		}
	}
}

// settled checks that the server is none the worse for what has happened, and
// every lock to be had.
func (s schedule) settled(t *testing.T, locks *Locks, h *history) {
	server := locks.server.(*standInClient).server
	server.mu.Lock()
	server.down = false
	clear(server.holds) // of those who died, after a clock was set back
	server.mu.Unlock()
	for _, path := range schedulePaths {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		l, err := locks.Acquire(ctx, path)
		cancel()
		if err != nil {
			h.fault("in the end: %v", err)
			continue
		}
		h.acquired(l, true)
		h.ends(l)
		if err := l.Release(t.Context()); err != nil {
			h.fault("in the end: %v", err)
		}
	}
}

// check is for the tokens: who had a lock later has a greater one. Where two may
// hold it at once, the server tells who came later.
func (h *history) check(server *standIn, exclude bool) {
	for i, l := range h.had {
		if !exclude {
			break
		}
		for _, before := range h.had[:i] {
			if before.place.tree() == l.place.tree() && before.place.excludes(l.place) && before.token >= l.token {
				h.fault("%q has token %d, after %q had %d", l.place, l.token, before.place, before.token)
			}
		}
	}
	if len(server.low) > 0 {
		h.fault("tokens that are not greater than the last: %v", server.low)
	}
}

// Whatever happens but a loss of data or a clock set forward, no two that exclude
// each other are held at once by what their holders know; and whatever happens,
// tokens grow.
func TestSchedules(t *testing.T) {
	for _, restarts := range []bool{false, true} {
		t.Run(fmt.Sprintf("restarts=%v", restarts), func(t *testing.T) {
			for seed := *firstSeed; seed < *firstSeed+uint64(*schedules) && !t.Failed(); seed++ {
				s := schedule{seed: seed, restarts: restarts, exclude: !restarts}
				for _, f := range s.run(t) {
					t.Errorf("-seed %d: %s", seed, f)
				}
			}
		})
	}
}

// The schedules notice what is wrong with a server, and with a loss that they
// are told to take for a fault.
func TestSchedulesNoticeWhatIsBroken(t *testing.T) {
	for name, s := range map[string]schedule{
		"looks only upwards":        {exclude: true, broken: func(s *standIn) { s.looksOnlyUp = true }},
		"releases whoever holds":    {exclude: true, broken: func(s *standIn) { s.forgetsOwners = true }},
		"holds end early":           {exclude: true, broken: func(s *standIn) { s.hurries = true }},
		"loses everything":          {exclude: true, restarts: true},
		"a count is no token":       {restarts: true, broken: func(s *standIn) { s.countsOnly = true }},
		"nor is the time, set back": {broken: func(s *standIn) { s.tellsTimeOnly = true }},
	} {
		t.Run(name, func(t *testing.T) {
			var faults []string
			for s.seed = 1; len(faults) == 0; s.seed++ {
				if s.seed > 300 {
					t.Fatal("nothing is noticed in 300 schedules")
				}
				faults = s.run(t)
			}
			slices.Sort(faults)
			t.Logf("-seed %d: %s", s.seed-1, faults[0])
		})
	}
}
