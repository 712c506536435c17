package adaptive

import (
	"container/heap"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/perennial-go/perennial/entry"
)

// sim is a source of so many servers, first come first served, behind a limit, in a time of its own.
type sim struct {
	l        *Limit
	rnd      *rand.Rand
	servers  int
	service  time.Duration
	fixed    bool    // service takes always as long
	offered  float64 // loads a second, 0: as many as the limit lets
	now      entry.Instant
	inFlight int
	queue    []*run
	busy     int
	ends     runs
	next     entry.Instant // arrival
	done     int
}

type run struct {
	began, end entry.Instant
	n          int
}
type runs []*run

func (r runs) Len() int           { return len(r) }
func (r runs) Less(i, j int) bool { return r[i].end < r[j].end }
func (r runs) Swap(i, j int)      { r[i], r[j] = r[j], r[i] }
func (r *runs) Push(x any)        { *r = append(*r, x.(*run)) }
func (r *runs) Pop() any          { old := *r; x := old[len(old)-1]; *r = old[:len(old)-1]; return x }

func (s *sim) start() {
	s.inFlight++
	s.queue = append(s.queue, &run{began: s.now, n: s.inFlight})
	s.work()
}

func (s *sim) work() {
	for s.busy < s.servers && len(s.queue) > 0 {
		r := s.queue[0]
		s.queue = s.queue[1:]
		d := s.service
		if !s.fixed {
			d = time.Duration(float64(d) * s.rnd.ExpFloat64())
		}
		r.end = s.now.Add(d)
		s.busy++
		heap.Push(&s.ends, r)
	}
}

// until runs the simulation, and returns loads done a second and the mean limit.
func (s *sim) until(end entry.Instant) (rate, limit float64) {
	began, done, sum, n := s.now, s.done, 0.0, 0
	for s.now < end {
		for s.offered == 0 && s.inFlight < s.l.Places() {
			s.l.Wanted()
			s.start()
		}
		at := end
		if len(s.ends) > 0 {
			at = min(at, s.ends[0].end)
		}
		if s.offered > 0 {
			at = min(at, s.next)
		}
		s.now = at
		switch {
		case at == end:
		case len(s.ends) > 0 && s.ends[0].end == at:
			r := heap.Pop(&s.ends).(*run)
			s.busy--
			s.inFlight--
			s.done++
			s.work()
			s.l.Sample(s.now, s.now.Sub(r.began), r.n, s.inFlight, Success)
			sum += float64(s.l.Places())
			n++
		default:
			if s.inFlight < s.l.Places() {
				s.start()
			} else {
				s.l.Wanted()
			}
			s.next = s.now.Add(time.Duration(s.rnd.ExpFloat64() / s.offered * float64(time.Second)))
		}
	}
	return float64(s.done-done) / s.now.Sub(began).Seconds(), sum / float64(max(n, 1))
}

// sources are such as there are: fast and slow, few and many servers.
var sources = []struct {
	servers int
	service time.Duration
	fixed   bool // it always takes as long
}{
	{5, 50 * time.Millisecond, false}, {5, 50 * time.Millisecond, true}, {20, 20 * time.Millisecond, false}, {50, 50 * time.Millisecond, false},
	{1, 500 * time.Millisecond, false}, {1, 500 * time.Millisecond, true}, {2, time.Second, false},
}

func (s *sim) capacity() float64 { return float64(s.servers) / s.service.Seconds() }

// after lets time pass, and returns which share of its capacity the source has done after
// that, and the limit by the number of servers.
func (s *sim) after(settle, run time.Duration) (share, limit float64) {
	s.until(s.now.Add(settle))
	rate, limit := s.until(s.now.Add(run))
	return rate / s.capacity(), limit / float64(s.servers)
}

// seeds runs a test with several seeds and returns the mean of what it returns.
func seeds(n int, f func(seed uint64) float64) (mean float64) {
	for seed := range uint64(n) {
		mean += f(seed) / float64(n)
	}
	return mean
}

// With more wanted than the source bears, it has as much as it bears five seconds after a
// step of its capacity, by a quarter of the servers or four times the service time.
func TestFollowsTheCapacity(t *testing.T) {
	const runs = 50
	for _, c := range sources {
		for _, slower := range []bool{false, true} {
			t.Run(fmt.Sprintf("%d servers, %v, fixed %v, slower %v", c.servers, c.service, c.fixed, slower), func(t *testing.T) {
				steps := map[string]float64{}
				for seed := range uint64(runs) {
					s := &sim{l: new(Limit), rnd: rand.New(rand.NewPCG(seed, 1)), servers: c.servers, service: c.service, fixed: c.fixed, now: 1}
					s.l.Bound(1, 1000)
					s.until(s.now.Add(30 * time.Second))
					if slower || c.servers < 4 {
						s.service *= 4
					} else {
						s.servers /= 4
					}
					share, _ := s.after(5*time.Second, 10*time.Second)
					steps["a quarter"] += share / runs
					s.servers, s.service = c.servers, c.service
					share, _ = s.after(5*time.Second, 10*time.Second)
					steps["whole again"] += share / runs
				}
				for step, share := range steps {
					if share < 0.9 {
						t.Errorf("%s: %.2f of what the source bears", step, share)
					}
				}
				t.Logf("of what the source bears: %.2f and %.2f", steps["a quarter"], steps["whole again"])
			})
		}
	}
}

// An hour of overload moves neither the rate nor the limit.
func TestDoesNotDrift(t *testing.T) {
	for _, c := range sources {
		t.Run(fmt.Sprintf("%d servers, %v, fixed %v", c.servers, c.service, c.fixed), func(t *testing.T) {
			var limits float64
			n := 5
			if c.servers > 5 {
				n = 1
			}
			share := seeds(n, func(seed uint64) float64 {
				s := &sim{l: new(Limit), rnd: rand.New(rand.NewPCG(seed, 1)), servers: c.servers, service: c.service, fixed: c.fixed, now: 1}
				s.l.Bound(1, 1000)
				share, limit := s.after(50*time.Minute, 10*time.Minute)
				limits += limit / float64(n)
				return share
			})
			if share < 0.9 || limits*float64(c.servers) > 3*float64(c.servers)+3 {
				t.Errorf("%.2f of what the source bears, with a limit of %.1f times what it works on at once", share, limits)
			}
			t.Logf("%.2f of what the source bears, limit %.1f times what it works on", share, limits)
		})
	}
}

// A source that hangs is not given more, whoever waits.
func TestHangs(t *testing.T) {
	l := new(Limit)
	l.Bound(1, 1000)
	now := entry.Instant(1)
	for range 200 {
		now = now.Add(50 * time.Millisecond)
		n := l.Places()
		l.Wanted()
		l.Sample(now, time.Duration(max(5, n))*10*time.Millisecond, n, n-1, Success) // of five servers
	}
	before := l.Places()
	for range 1000 {
		now = now.Add(10 * time.Millisecond)
		l.Stalled(now)
	}
	if n := l.Places(); n > before+before/4+1 {
		t.Errorf("the limit was %d and is %d", before, n)
	}
	for range 100 {
		l.Sample(now, 10*time.Second, before, before, TimedOut)
	}
	if n := l.Places(); n != 1 {
		t.Errorf("after a hundred that were given up the limit is %d", n)
	}
}

// Loads that hang and do not keep the source busy are made up for.
func TestSomeHang(t *testing.T) {
	l := new(Limit)
	l.Bound(1, 1000)
	now, hung := entry.Instant(1), 0
	for i := range 5000 { // one in ten hangs
		now = now.Add(10 * time.Millisecond)
		switch {
		case hung >= l.Places():
			now = now.Add(time.Second)
			l.Stalled(now)
		case i%10 == 9:
			hung++
		default:
			l.Wanted()
			l.Sample(now, 50*time.Millisecond, hung+1, hung, Success)
		}
	}
	if n := l.Places(); n < 100 {
		t.Errorf("%d hang, and the limit is %d", hung, n)
	}
}

func TestFailures(t *testing.T) {
	l := new(Limit)
	l.Bound(2, 10)
	if l.Places() != 4 || l.Typical() != 0 || l.Norm() != 0 {
		t.Errorf("at first %d, %v, %v", l.Places(), l.Typical(), l.Norm())
	}
	for i := range 500 {
		l.Wanted()
		l.Sample(entry.Instant(i*int(time.Millisecond)), time.Millisecond, 1, 0, Success)
	}
	if l.Places() != 10 || l.Typical() != time.Millisecond || l.Norm().Round(time.Microsecond) != time.Millisecond {
		t.Errorf("a source that is quick has %d, %v, %v", l.Places(), l.Typical(), l.Norm())
	}
	for i := range 500 {
		o := Success
		if i%3 == 0 {
			o = Failure
		}
		l.Wanted()
		l.Sample(entry.Instant(i*int(time.Millisecond)), time.Millisecond, 1, 0, o)
	}
	if l.Places() != 10 {
		t.Errorf("one of three fails, and the limit is %d", l.Places())
	}
	for i := range 500 {
		l.Wanted()
		l.Sample(entry.Instant(i), time.Microsecond, 1, 0, Failure)
	}
	if l.Places() != 2 || l.Typical() != time.Millisecond {
		t.Errorf("all fail, and the limit is %d, what a load takes %v", l.Places(), l.Typical())
	}
	l.Bound(5, 5)
	if l.Places() != 5 {
		t.Errorf("a fixed limit is %d", l.Places())
	}
}

// After a Restart the limit is doubled up to what it was.
func TestRestart(t *testing.T) {
	l := new(Limit)
	l.Bound(1, 32)
	now := entry.Instant(1)
	good := func(n int) {
		for range n {
			now = now.Add(time.Millisecond)
			l.Wanted()
			l.Sample(now, time.Millisecond, 1, 0, Success)
		}
	}
	good(1000)
	if l.Places() != 32 {
		t.Fatalf("the limit is %d", l.Places())
	}
	l.Restart()
	var seen []int
	for range 100 {
		if n := l.Places(); len(seen) == 0 || seen[len(seen)-1] != n {
			seen = append(seen, n)
		}
		good(1)
	}
	if !slices.Equal(seen, []int{1, 2, 4, 8, 16, 32}) {
		t.Errorf("the limit was %v", seen)
	}
}
