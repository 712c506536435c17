package guard

import (
	"context"
	"errors"
	"math"
	"time"

	"github.com/perennial-go/perennial/entry"
	"github.com/perennial-go/perennial/internal/adaptive"
	"github.com/perennial-go/perennial/internal/admission"
	"github.com/perennial-go/perennial/internal/breaker"
	"github.com/perennial-go/perennial/internal/slots"
	"github.com/perennial-go/perennial/observe"
)

// Place is that of a load which has not begun. It belongs to a run, so that calls of
// other functions within the source give it to others meanwhile.
func (g *gate) Place() slots.Slot { return g.places.Slot() }

// Limit is how many loads the guard lets in at once, at least one. Switched off it lets
// in as many as its ceiling says of those that come together.
func (g *gate) Limit() int {
	if s := g.settings.Load(); s.off {
		return s.ceiling
	}
	return max(1, int(g.size.Load()))
}

// Share is which share of the limit a class may use.
func (g *gate) Share(c Class) float64 { return g.settings.Load().shares[c] }

// Sheds tells whether a load of a class that does not queue would be refused now. It is
// asked before such a load begins.
func (g *gate) Sheds(c Class) bool {
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
func (g *gate) Enter(p *admission.Pass, place *slots.Slot, c Class, who admission.Caller) (queue bool, err error) {
	s := g.settings.Load()
	ticket, ok := g.breaker.IfClosed()
	if !ok {
		if ticket, ok = g.breaker.Enter(g.time.Steady()); !ok {
			return false, g.refuse(c, true)
		}
	}
	p.Ticket = ticket
	switch {
	case ticket.Probe():
		g.counters.probes.Add(1)
		g.admit(p, c, place.TakeOver())
	case g.try(p, place, c, s.shares[c]):
	case !c.queues() || g.late(who.Left()):
		return false, g.refuse(c, false)
	default:
		return true, nil
	}
	return false, nil
}

// try lets a load in if there is a place.
func (g *gate) try(p *admission.Pass, place *slots.Slot, c Class, share float64) bool {
	held, ok := place.TryTakeOf(share)
	if !ok && g.stalled() {
		held, ok = place.TryTakeOf(share)
	}
	if ok {
		g.admit(p, c, held)
	}
	if (!ok || int64(held) >= g.size.Load()) && !g.wanted.Load() {
		g.wanted.Store(true)
	}
	return ok
}

// stalled gives more places where those that hold them seem to hang. It looks at most
// once in a while.
func (g *gate) stalled() bool {
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

func (g *gate) admit(p *admission.Pass, c Class, held int) {
	p.InFlight = int32(min(held, math.MaxInt32))
	g.counters.admitted[c].Add(1)
	p.Enter()
}

// late tells whether a load that comes last into the queue gets its place too late for
// callers who wait so long.
func (g *gate) late(left time.Duration) bool {
	typical := time.Duration(g.typical.Load())
	switch {
	case left == admission.Unknown:
		left = math.MaxInt64
	case typical == 0:
		return left <= 0
	}
	return g.expected(1) > min(left-typical, g.longest())
}

// expected is how long it takes until the queue, and so many more, have places.
func (g *gate) expected(more int) time.Duration {
	_, _, waiting := g.places.Counts()
	return time.Duration(float64(waiting+more) * float64(g.typical.Load()) / float64(max(1, g.size.Load())))
}

// longest is how long a load queues at most.
func (g *gate) longest() time.Duration {
	if d := g.settings.Load().queueTimeout; d > 0 {
		return d
	}
	return max(time.Second, 2*time.Duration(g.typical.Load()))
}

// Queue waits for a place until none of the load's callers could wait for its end any
// more. The error is that of a load that is refused, or the context's.
func (g *gate) Queue(ctx context.Context, p *admission.Pass, place *slots.Slot, c Class, who admission.Caller) error {
	end := g.time.Steady().Add(g.longest())
	hope := func() time.Duration {
		most, left := end.Sub(g.time.Steady()), who.Left()
		if left == admission.Unknown { // for a moment
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
		return g.refuse(c, true)
	case errors.Is(err, slots.ErrTooLong):
		return g.refuse(c, false)
	case err != nil:
		return err
	case !g.breaker.Current(p.Ticket):
		place.Return()
		return g.refuse(c, true)
	}
	held, _, _ := g.places.Counts()
	g.admit(p, c, held)
	return nil
}

// Longest is how long a load queues at most.
func (g *gate) Longest() time.Duration { return g.longest() }

// refuse counts and makes a refusal.
func (g *gate) refuse(c Class, down bool) error {
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
func (g *gate) Leave(p *admission.Pass, place *slots.Slot, now entry.Instant, took time.Duration, o admission.Outcome, who admission.Caller) {
	if o == admission.TimedOut && g.settings.Load().blind {
		o = admission.None
	}
	late := o == admission.TimedOut
	if !p.Leave(late) {
		return
	}
	var held int
	var parked time.Duration
	if late {
		held, parked = place.Late()
	} else {
		held, parked = place.Return()
	}
	verdict, hash := breaker.None, uint64(0)
	switch o {
	case admission.None:
	case admission.Success:
		g.counters.succeeded.Add(1)
		verdict = breaker.Success
	case admission.Failure:
		g.counters.failed.Add(1)
		verdict, hash = breaker.Failure, who.Hash()
	case admission.TimedOut:
		g.counters.timedOut.Add(1)
		verdict, hash = breaker.Failure, who.Hash()
	}
	state, changed := g.breaker.Leave(p.Ticket, now, verdict, hash)
	if o != admission.None {
		g.learn(p, now, max(0, took-parked), held, o, changed && state == breaker.Closed)
	}
	if changed {
		g.changed(state)
	}
}

var sampled = [...]adaptive.Outcome{
	admission.Success: adaptive.Success, admission.Failure: adaptive.Failure, admission.TimedOut: adaptive.TimedOut,
}

// learn lets the limit learn of a load.
func (g *gate) learn(p *admission.Pass, now entry.Instant, took time.Duration, held int, o admission.Outcome, back bool) {
	s := g.settings.Load()
	if s.off || o == admission.Success && !back && now < entry.Instant(g.enough.Load()) {
		return
	}
	wanted := g.wanted.Load() && g.wanted.Swap(false)
	g.mu.Lock()
	defer g.mu.Unlock()
	if wanted {
		g.limit.Wanted()
	}
	g.limit.Sample(now, took, int(p.InFlight), held, sampled[o])
	if back && s.slowStart {
		g.limit.Restart()
	}
	g.resize()
}

// changed is called when the breaker has opened or closed.
func (g *gate) changed(state breaker.State) {
	if state == breaker.Closed {
		g.tell(observe.SourceBack)
		return
	}
	g.places.Refuse()
	g.counters.opened.Add(1)
	g.tell(observe.SourceDown)
}

// Fails tells whether an error of the source says that it does not work.
func (g *gate) Fails(err error) (yes bool) {
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
func (g *gate) OnClock() any {
	if g.time.Handed {
		return g.time.Clock
	}
	return nil
}

// Control leaves rules out, so that tests see what these are for: loads that are given up
// count, and one probe runs at a time.
func (g *gate) Control(blind bool, probes int) {
	_ = g.change(func(s *settings) error {
		s.blind, s.breaker.Probes = blind, probes
		return nil
	})
}
