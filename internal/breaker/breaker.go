// Package breaker stops asking what does not work, and finds out when it does again.
//
// It opens when nothing succeeds: after so many failures in succession, of several keys,
// over so long. Then one call in an interval is let through, the probe, and its success
// closes it. Each opening and each probe is a new generation, and what began in an older
// one says nothing any more:
//
//	a call    begins ............................... fails
//	breaker           opens ... a probe succeeds, it closes ... and stays closed
package breaker

import (
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/perennial-go/perennial/entry"
)

// Policy says when a breaker opens and how often it is probed.
type Policy struct {
	Failures int           // in succession, without a success between them
	Keys     int           // that they must be of; a single one that fails says nothing of others
	AnyKey   time.Duration // after which one key is enough
	Silence  time.Duration // how long nothing has succeeded
	Every    time.Duration // from one probe to the next, a tenth more or less
	Probes   int           // that may run at once; zero is one
	Off      bool          // it never opens
}

// State is how a breaker is.
type State uint8

// The states.
const (
	Closed   State = iota // everything goes through
	Open                  // nothing does until the next probe
	HalfOpen              // a probe is under way
)

// Outcome is what became of a call.
type Outcome uint8

// The outcomes.
const (
	None    Outcome = iota // nothing that says anything: it was not made, or was cancelled
	Success                // an answer, whatever it says
	Failure
)

// Breaker is a breaker, closed at first. Its methods may be called concurrently. The
// instants that it is given are of one steady clock.
type Breaker struct {
	state atomic.Uint64 // generation<<2 | State

	mu       sync.Mutex
	policy   Policy
	failures atomic.Int64 // in succession
	since    entry.Instant
	keys     []uint64      // that these were of, up to those that are needed
	next     entry.Instant // when the next probe may begin
	probes   int           // that are under way
	opened   entry.Instant
}

// Ticket is a call's, from Enter to Leave: the generation, and two flags.
type Ticket uint64

const (
	isProbe   Ticket = 1 << iota // it is a probe
	isThrough                    // it is made in any case
	flags     = iota
)

func ticket(state uint64, of Ticket) Ticket { return Ticket(state>>2)<<flags | of }

// Probe tells whether the call is a probe.
func (t Ticket) Probe() bool { return t&isProbe != 0 }

func (t Ticket) generation() uint64 { return uint64(t >> flags) }

// Start is Set for one that has no policy yet.
func (b *Breaker) Start(p Policy) {
	b.mu.Lock()
	has := b.policy.Failures > 0
	b.mu.Unlock()
	if !has {
		b.Set(p)
	}
}

// Set changes the policy. One that is off closes the breaker.
func (b *Breaker) Set(p Policy) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if p.Probes == 0 {
		p.Probes = 1
	}
	b.policy = p
	if p.Off && b.now() != Closed {
		b.enter(Closed)
	}
}

// State is how the breaker is, when it has opened, and when the next probe may begin.
func (b *Breaker) State() (s State, opened, next entry.Instant) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.now(), b.opened, b.next
}

// Closed tells whether everything goes through.
func (b *Breaker) Closed() bool { return b.now() == Closed }

func (b *Breaker) now() State { return State(b.state.Load() & 3) }

// enter begins a state, with a generation of its own. The lock is held.
func (b *Breaker) enter(s State) {
	b.state.Store((b.state.Load()>>2+1)<<2 | uint64(s))
	if s == Closed {
		b.probes, b.keys = 0, b.keys[:0]
		b.failures.Store(0)
	}
}

// Enter asks whether a call may be made. If so, Leave must follow.
func (b *Breaker) Enter(now entry.Instant) (t Ticket, ok bool) {
	if s := b.state.Load(); State(s&3) == Closed {
		return ticket(s, 0), true
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	switch {
	case b.now() == Closed:
		return ticket(b.state.Load(), 0), true
	case now < b.next || b.probes >= b.policy.Probes:
		return t, false
	case b.probes == 0:
		b.enter(HalfOpen)
	}
	b.probes++
	return ticket(b.state.Load(), isProbe), true
}

// IfClosed is Enter without the time: ok is false if the breaker is not closed.
func (b *Breaker) IfClosed() (t Ticket, ok bool) {
	s := b.state.Load()
	return ticket(s, 0), State(s&3) == Closed
}

// Through is Enter for a call that is made in any case. Its success closes the breaker.
func (b *Breaker) Through() Ticket { return ticket(b.state.Load(), isThrough) }

// Current tells whether the breaker is still in the state in which the call was let in.
func (b *Breaker) Current(t Ticket) bool { return b.state.Load()>>2 == t.generation() }

// Leave says what became of a call, of the key with this hash. If that opens or closes
// the breaker, changed is true.
func (b *Breaker) Leave(t Ticket, now entry.Instant, o Outcome, key uint64) (s State, changed bool) {
	if o == Success && !t.Probe() && b.failures.Load() == 0 && b.now() == Closed {
		return Closed, false
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.state.Load()>>2 != t.generation() {
		return 0, false
	}
	switch {
	case b.now() == Closed:
		switch o {
		case Success:
			b.failures.Store(0)
			b.keys = b.keys[:0]
		case Failure:
			return b.failed(now, key)
		}
	case o == Success && t&(isProbe|isThrough) != 0:
		b.enter(Closed)
		return Closed, true
	case t.Probe():
		b.probes--
		if b.probes > 0 {
			return 0, false
		}
		b.enter(Open)
		if o == None {
			b.next = now // the next call may be the probe
			return 0, false
		}
		b.wait(now)
	}
	return 0, false
}

// failed counts a failure, which may open the breaker. The lock is held.
func (b *Breaker) failed(now entry.Instant, key uint64) (State, bool) {
	p := &b.policy
	n := b.failures.Add(1)
	if n == 1 {
		b.since = now
	}
	known := len(b.keys) >= p.Keys
	for _, k := range b.keys {
		known = known || k == key
	}
	if !known {
		b.keys = append(b.keys, key)
	}
	silent := now.Sub(b.since)
	if p.Off || int(n) < p.Failures || len(b.keys) < p.Keys && silent < p.AnyKey || silent < p.Silence {
		return 0, false
	}
	b.enter(Open)
	b.probes, b.opened = 0, now
	b.wait(now)
	return Open, true
}

// wait puts the next probe off. Breakers that open together do not probe together. The
// lock is held.
func (b *Breaker) wait(now entry.Instant) {
	every := b.policy.Every
	b.next = now.Add(every - every/10 + rand.N(every/5+1))
}
