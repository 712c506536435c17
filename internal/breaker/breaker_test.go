package breaker

import (
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/perennial-go/perennial/entry"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const second = entry.Instant(time.Second)

var policy = Policy{Failures: 5, Keys: 2, AnyKey: 10 * time.Second, Silence: time.Second, Every: time.Second}

func opened(t *testing.T) *Breaker {
	t.Helper()
	b := new(Breaker)
	b.Set(policy)
	fails(t, b, 0, 2*second, 5)
	if how, at, next := b.State(); how != Open || at != 2*second || next < 2*second+second*9/10 || next > 2*second+second*11/10 {
		t.Fatalf("%v since %v, next %v", how, at, next)
	}
	return b
}

// fails lets so many calls of different keys fail from one instant to another.
func fails(t *testing.T, b *Breaker, from, to entry.Instant, n int) {
	t.Helper()
	for i := range n {
		now := from + (to-from)*entry.Instant(i)/entry.Instant(n-1)
		ticket, ok := b.Enter(now)
		if !ok || ticket.Probe() {
			t.Fatalf("call %d is not let in", i)
		}
		s, changed := b.Leave(ticket, now, Failure, uint64(i))
		if changed != (i == n-1) || changed && s != Open {
			t.Fatalf("failure %d: %v, %v", i, s, changed)
		}
	}
}

func TestOpens(t *testing.T) {
	for name, c := range map[string]struct {
		n     int
		takes entry.Instant
		keys  uint64
		good  int // this one is a success
		off   bool
		want  bool
	}{
		"after failures":                {n: 5, takes: second, keys: 9, good: -1, want: true},
		"not after fewer":               {n: 4, takes: second, keys: 9, good: -1},
		"not so soon":                   {n: 50, takes: second / 2, keys: 9, good: -1},
		"not of one key":                {n: 50, takes: 9 * second, keys: 1, good: -1},
		"of one key after long":         {n: 50, takes: 10 * second, keys: 1, good: -1, want: true},
		"not with a success among them": {n: 8, takes: second, keys: 9, good: 4},
		"not if it is off":              {n: 50, takes: 9 * second, keys: 9, good: -1, off: true},
	} {
		t.Run(name, func(t *testing.T) {
			b, p := new(Breaker), policy
			p.Off = c.off
			b.Set(p)
			open := false
			for i := range c.n {
				now := c.takes * entry.Instant(i) / entry.Instant(c.n-1)
				ticket, _ := b.Enter(now)
				o := Failure
				if i == c.good {
					o = Success
				}
				_, changed := b.Leave(ticket, now, o, uint64(i)%c.keys)
				open = open || changed
			}
			if open != c.want || b.Closed() == c.want {
				t.Errorf("open: %v", open)
			}
		})
	}
}

func TestOneProbe(t *testing.T) {
	b := opened(t)
	if _, ok := b.Enter(2*second + second/2); ok {
		t.Error("a probe before its time")
	}
	if _, ok := b.IfClosed(); ok {
		t.Error("it is closed")
	}
	probe, ok := b.Enter(4 * second)
	if !ok || !probe.Probe() {
		t.Fatal("no probe")
	}
	if _, ok := b.Enter(5 * second); ok {
		t.Error("a second probe at once")
	}
	if s, changed := b.Leave(probe, 5*second, Failure, 0); changed {
		t.Errorf("a probe that fails opens what is open: %v", s)
	}
	if _, ok := b.Enter(5*second + second/2); ok {
		t.Error("another at once after it has failed")
	}
	probe, _ = b.Enter(7 * second)
	if _, changed := b.Leave(probe, 7*second, None, 0); changed {
		t.Error("one that was not made changes something")
	}
	probe, ok = b.Enter(7 * second)
	if !ok || !probe.Probe() {
		t.Fatal("one that was not made has kept its permit")
	}
	if s, changed := b.Leave(probe, 7*second, Success, 0); !changed || s != Closed || !b.Closed() {
		t.Errorf("%v, %v", s, changed)
	}
	if s, changed := b.Leave(probe, 7*second, Failure, 0); changed || !b.Closed() {
		t.Errorf("its end counts twice: %v", s)
	}
}

// What began in an older state says nothing any more.
func TestGenerations(t *testing.T) {
	b := new(Breaker)
	b.Set(policy)
	old, _ := b.Enter(0)
	late, _ := b.IfClosed()
	fails(t, b, 0, 2*second, 5)
	if _, changed := b.Leave(old, 3*second, Success, 0); changed || b.Closed() || b.Current(old) {
		t.Error("a success of before has closed it")
	}
	probe, _ := b.Enter(4 * second)
	if s, changed := b.Leave(probe, 4*second, Success, 0); !changed || s != Closed {
		t.Fatal(s, changed)
	}
	for range 20 {
		if _, changed := b.Leave(late, 9*second, Failure, 1); changed {
			t.Error("a failure of before has opened it")
		}
	}
	fails(t, b, 10*second, 12*second, 5) // they have not even been counted
}

// A call that is made in any case closes it, and opens nothing that is open.
func TestThrough(t *testing.T) {
	b := opened(t)
	ticket := b.Through()
	if _, changed := b.Leave(ticket, 3*second, Failure, 0); changed {
		t.Error("it opens twice")
	}
	if s, changed := b.Leave(b.Through(), 3*second, Success, 0); !changed || s != Closed {
		t.Error(s, changed)
	}
	b = opened(t)
	probe, _ := b.Enter(4 * second)
	if s, changed := b.Leave(b.Through(), 4*second, Success, 0); !changed || s != Closed {
		t.Error("while a probe is under way:", s, changed)
	}
	if _, changed := b.Leave(probe, 5*second, Failure, 0); changed || !b.Closed() {
		t.Error("that probe has opened it")
	}
	for i := range 5 { // it counts while it is closed
		_, changed := b.Leave(b.Through(), 10*second+second/2*entry.Instant(i), Failure, uint64(i))
		if changed != (i == 4) {
			t.Errorf("failure %d: %v", i, changed)
		}
	}
}

func TestSet(t *testing.T) {
	b := opened(t)
	off := policy
	off.Off = true
	b.Set(off)
	if !b.Closed() {
		t.Error("one that is switched off is open")
	}
	ticket, _ := b.IfClosed()
	b.Set(off)
	if !b.Current(ticket) {
		t.Error("the same settings make calls old")
	}
	b.Start(policy)
	if _, ok := b.Enter(0); !ok {
		t.Error("Start has changed it")
	}
	b = new(Breaker)
	b.Start(policy)
	fails(t, b, 0, 2*second, 5)
	many := policy
	many.Probes = 3
	b.Set(many)
	for range 3 {
		if _, ok := b.Enter(9 * second); !ok {
			t.Error("three probes may run")
		}
	}
	if _, ok := b.Enter(9 * second); ok {
		t.Error("four run")
	}
}

func TestAtOnce(t *testing.T) {
	b := new(Breaker)
	p := policy
	p.Silence, p.Every = 0, 1
	b.Set(p)
	var all sync.WaitGroup
	for i := range 8 {
		all.Go(func() {
			rnd := rand.New(rand.NewPCG(uint64(i), 1))
			for j := range 2000 {
				if ticket, ok := b.Enter(entry.Instant(j)); ok {
					b.Leave(ticket, entry.Instant(j), Outcome(rnd.IntN(3)), uint64(i))
				}
				_, _, _ = b.State()
			}
		})
	}
	all.Wait()
	for range 3 {
		ticket, ok := b.Enter(1 << 40)
		if !ok {
			t.Fatal("a permit was lost")
		}
		b.Leave(ticket, 1<<40, Success, 0)
	}
	if !b.Closed() {
		t.Error("nothing closes it")
	}
}
