package guard

import (
	"context"
	"errors"
	"math"
	"sync/atomic"
	"time"

	"github.com/perennial-go/perennial/entry"
	"github.com/perennial-go/perennial/internal/breaker"
	"github.com/perennial-go/perennial/internal/module"
	"github.com/perennial-go/perennial/internal/slots"
	"github.com/perennial-go/perennial/observe"
)

// Unknown is how long callers wait if nobody knows it yet.
const Unknown time.Duration = -1

// Caller is who asks for a load.
type Caller interface {
	// Left is how long those who wait for the load do so from now on, at most; Unknown if
	// that is not known, and far below zero if nobody does any more.
	Left() time.Duration
	// Hash is that of a key of the load.
	Hash() uint64
}

// Pass is what one load has of its guard, from Enter to Leave. The zero value has none.
type Pass struct {
	ticket   breaker.Ticket
	inFlight int32 // when it was let in
	class    Class
	state    atomic.Int32 // which of the following
}

// The states of a Pass.
const (
	isOut  int32 = iota
	isIn         // it was let in, and has not left
	isLate       // it was given up, and keeps its place until that is returned
)

// Holds tells whether the load was let in and has a place which it has not given back.
func (p *Pass) Holds(module.Only) bool { return p.state.Load() != isOut }

// Place is that of a load which has not begun. It belongs to a run, so that calls of
// other functions within the source give it to others meanwhile.
func (g *Guard) Place(module.Only) slots.Slot { return g.places.Slot() }

// Limit is how many loads the guard lets in at once, at least one. Switched off it lets
// in as many as its ceiling says of those that come together.
func (g *Guard) Limit(module.Only) int {
	if s := g.settings.Load(); s.off {
		return s.ceiling
	}
	return max(1, int(g.size.Load()))
}

// Share is which share of the limit a class may use.
func (g *Guard) Share(_ module.Only, c Class) float64 { return g.settings.Load().shares[c] }

// Sheds tells whether a load of a class that does not queue would be refused now. It is
// asked before such a load begins.
func (g *Guard) Sheds(_ module.Only, c Class) bool {
	s := g.settings.Load()
	sheds := false
	switch {
	case s.off:
	case g.breaker.Closed():
		if sheds = !g.places.Room(s.shares[c]); sheds {
			g.wanted.Store(true)
		}
	default:
		how, _, next := g.breaker.State()
		sheds = how == breaker.HalfOpen || how == breaker.Open && g.time.Steady() < next
	}
	if sheds {
		g.counters.refused[c].Add(1)
	}
	return sheds
}

// Enter lets a load in, or says that it is to queue, or refuses it.
func (g *Guard) Enter(_ module.Only, p *Pass, place *slots.Slot, c Class, who Caller) (queue bool, err error) {
	s := g.settings.Load()
	ticket, ok := g.breaker.IfClosed()
	if !ok {
		if ticket, ok = g.breaker.Enter(g.time.Steady()); !ok {
			return false, g.refuse(c, true)
		}
	}
	p.ticket, p.class = ticket, c
	switch {
	case ticket.Probe():
		g.counters.probes.Add(1)
		g.admit(p, place.TakeOver())
	case g.try(p, place, s.shares[c]):
	case !c.queues() || g.late(who.Left()):
		return false, g.refuse(c, false)
	default:
		return true, nil
	}
	return false, nil
}

// try lets a load in if there is a place.
func (g *Guard) try(p *Pass, place *slots.Slot, share float64) bool {
	held, ok := place.TryTakeOf(share)
	if !ok && g.stalled() {
		held, ok = place.TryTakeOf(share)
	}
	if ok {
		g.admit(p, held)
	}
	if (!ok || int64(held) >= g.size.Load()) && !g.wanted.Load() {
		g.wanted.Store(true)
	}
	return ok
}

// stalled gives more places where those that hold them seem to hang. It looks at most
// once in a while.
func (g *Guard) stalled() bool {
	now := g.time.Steady()
	last := g.looked.Load()
	if now.Sub(entry.Instant(last)) < time.Millisecond || !g.looked.CompareAndSwap(last, int64(now)) {
		return false
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	before := g.limit.Places()
	g.limit.Stalled(now)
	g.resize()
	return g.limit.Places() > before
}

func (g *Guard) admit(p *Pass, held int) {
	p.inFlight = int32(min(held, math.MaxInt32))
	g.counters.admitted[p.class].Add(1)
	p.state.Store(isIn)
}

// late tells whether a load that comes last into the queue gets its place too late for
// callers who wait so long.
func (g *Guard) late(left time.Duration) bool {
	typical := time.Duration(g.typical.Load())
	switch {
	case left == Unknown:
		left = math.MaxInt64
	case typical == 0:
		return left <= 0
	}
	return g.expected(1) > min(left-typical, g.longest())
}

// expected is how long it takes until the queue, and so many more, have places.
func (g *Guard) expected(more int) time.Duration {
	_, _, waiting := g.places.Counts()
	return time.Duration(float64(waiting+more) * float64(g.typical.Load()) / float64(max(1, g.size.Load())))
}

// longest is how long a load queues at most.
func (g *Guard) longest() time.Duration {
	if d := g.settings.Load().queueTimeout; d > 0 {
		return d
	}
	return max(time.Second, 2*time.Duration(g.typical.Load()))
}

// Queue waits for a place until none of the load's callers could wait for its end any
// more. The error is that of a load that is refused, or the context's.
func (g *Guard) Queue(_ module.Only, ctx context.Context, p *Pass, place *slots.Slot, who Caller) error {
	end := g.time.Steady().Add(g.longest())
	hope := func() time.Duration {
		most, left := end.Sub(g.time.Steady()), who.Left()
		if left == Unknown { // for a moment
			return min(most, 10*time.Millisecond)
		}
		return min(most, left-time.Duration(g.typical.Load()))
	}
	err := place.TakeWithin(ctx, g.time.Clock, hope)
	switch left := who.Left(); {
	case left < -time.Hour: // everybody has been answered otherwise
		place.Return()
		return context.Canceled
	case errors.Is(err, slots.ErrRefused):
		return g.refuse(p.class, true)
	case errors.Is(err, slots.ErrTooLong):
		return g.refuse(p.class, false)
	case err != nil:
		return err
	case !g.breaker.Current(p.ticket):
		place.Return()
		return g.refuse(p.class, true)
	}
	held, _, _ := g.places.Counts()
	g.admit(p, held)
	return nil
}

// Longest is how long a load queues at most.
func (g *Guard) Longest(module.Only) time.Duration { return g.longest() }

// refuse counts and makes a refusal.
func (g *Guard) refuse(c Class, down bool) error {
	g.counters.refused[c].Add(1)
	e := &OverloadedError{Guard: g.name, Class: c, Down: down}
	if how, _, next := g.breaker.State(); down && how != breaker.Closed {
		e.RetryAfter = max(0, next.Sub(g.time.Steady()))
	} else {
		e.RetryAfter = max(time.Duration(g.typical.Load()), g.expected(1)-g.longest(), time.Millisecond)
	}
	return e
}

// Leave says what became of a load that was let in, when it ended, and how long it took.
// Only the first call counts. A load that was given up keeps its place until that is
// returned.
func (g *Guard) Leave(_ module.Only, p *Pass, place *slots.Slot, now entry.Instant, took time.Duration, o Outcome, who Caller) {
	if o == TimedOut && g.settings.Load().blind {
		o = None
	}
	next := isOut
	if o == TimedOut {
		next = isLate
	}
	if !p.state.CompareAndSwap(isIn, next) {
		return
	}
	var held int
	var parked time.Duration
	if next == isLate {
		held, parked = place.Late()
	} else {
		held, parked = place.Return()
	}
	verdict, hash := breaker.None, uint64(0)
	switch o {
	case None:
	case Success:
		g.counters.succeeded.Add(1)
		verdict = breaker.Success
	case Failure:
		g.counters.failed.Add(1)
		verdict, hash = breaker.Failure, who.Hash()
	case TimedOut:
		g.counters.timedOut.Add(1)
		verdict, hash = breaker.Failure, who.Hash()
	}
	state, changed := g.breaker.Leave(p.ticket, now, verdict, hash)
	if o != None {
		g.learn(p, now, max(0, took-parked), held, o, changed && state == breaker.Closed)
	}
	if changed {
		g.changed(state)
	}
}

// learn lets the limit learn of a load.
func (g *Guard) learn(p *Pass, now entry.Instant, took time.Duration, held int, o Outcome, back bool) {
	s := g.settings.Load()
	if s.off || o == Success && !back && now < entry.Instant(g.enough.Load()) {
		return
	}
	wanted := g.wanted.Load() && g.wanted.Swap(false)
	g.mu.Lock()
	defer g.mu.Unlock()
	if wanted {
		g.limit.Wanted()
	}
	g.limit.Sample(now, took, int(p.inFlight), held, sampled[o])
	if back && s.slowStart {
		g.limit.Restart()
	}
	g.resize()
}

// changed is called when the breaker has opened or closed.
func (g *Guard) changed(state breaker.State) {
	if state == breaker.Closed {
		g.tell(observe.SourceBack)
		return
	}
	g.places.Refuse()
	g.counters.opened.Add(1)
	g.tell(observe.SourceDown)
}

// Fails tells whether an error of the source says that it does not work.
func (g *Guard) Fails(_ module.Only, err error) (yes bool) {
	is := g.settings.Load().failure
	if is == nil {
		return true
	}
	yes = true
	defer func() {
		if recover() != nil {
			g.counters.panics.Add(1)
		}
	}()
	return is(err)
}

// OnClock tells whether the guard lives on a clock that was handed in, and on which.
func (g *Guard) OnClock(module.Only) any {
	if g.time.Handed {
		return g.time.Clock
	}
	return nil
}
