// Package adaptive finds out how many loads a source bears at once.
//
// It goes by Little's law: what is in flight is the rate of the source times the time
// that a load takes, so where loads take longer than they do when the source has little
// to do, some of them wait there. The limit is to be what the source works on at once
// and a quarter more, so that it never runs dry:
//
//	next = limit · norm / typical + limit / 4
//
// The norm, what a load takes when little is in flight, is measured only while at most
// half of what the source works on at once is, and if that never comes by itself, the
// limit is lowered to that for a moment (a dip). Measured under load it would grow with
// the load, and the limit with it.
//
// Both times are means of the quickest three quarters of the successes of a window, which
// is a number of loads and not a time, so that a source of two loads a second is known as
// well as one of a thousand. Loads that fail or are given up at their time limit count
// apart, for a source that hangs would have no samples else: where half of the last fifty
// or so did, a window takes a third off.
package adaptive

import (
	"math"
	"slices"
	"time"

	"github.com/perennial-go/perennial/entry"
)

// Outcome is what became of a load.
type Outcome uint8

// The outcomes.
const (
	Success Outcome = iota
	Failure
	TimedOut
)

const (
	initial  = 4  // what a source that nothing is known of is given
	leastWin = 8  // loads that make a window, at least
	mostWin  = 32 // and at most, unless they take no time
	memory   = 48 // loads in which half must be bad for the limit to fall
	norms    = 24 // samples that the norm is made of
	fewest   = 4  // without which it is not known

	dipEvery   = 10 * time.Second
	stallAfter = 50 * time.Millisecond
	shortest   = time.Millisecond // that a window lasts, for what it costs to look at one
)

// Limit is how many loads may run at once. It is not safe for concurrent use. Instants
// are of one steady clock.
type Limit struct {
	floor, ceiling int

	limit   float64
	ramp    float64 // the limit is doubled up to this, 0 if it is not
	high    float64 // the greatest limit of late
	works   float64 // loads that the source works on at once, the others wait there
	typical time.Duration
	bad     float64 // share of loads that have failed or were given up, of late

	norm struct {
		took [norms]time.Duration
		n    int // how many there were
	}
	window struct {
		until  entry.Instant // it does not end before
		skip   int           // loads that began before it, and say nothing of the limit as it is
		took   [mostWin]time.Duration
		n      int
		bad    int  // that failed or were given up
		most   int  // in flight at the begin of one
		beside int  // the sum of those in flight at the begins of all
		wanted bool // more than the limit were wanted
	}
	stall struct {
		last entry.Instant // success
		may  bool          // there was one since the limit grew for want of one
	}
	last struct { // window
		limit   float64
		typical time.Duration
	}
	dip struct {
		on    bool
		until entry.Instant // no other one before
		was   time.Duration // the norm before
	}
}

// Bound sets the least and the greatest limit. If both are one, it is fixed.
func (l *Limit) Bound(floor, ceiling int) {
	l.floor, l.ceiling = floor, ceiling
	if l.limit == 0 {
		l.limit, l.ramp, l.works = initial, float64(ceiling), initial
		l.dip.until, l.window.until = math.MinInt64, math.MinInt64
	}
	l.limit = l.clamp(l.limit)
}

func (l *Limit) clamp(n float64) float64 {
	return min(max(n, float64(l.floor)), float64(l.ceiling))
}

// Places is the limit in force.
func (l *Limit) Places() int {
	if l.dip.on {
		return max(l.floor, l.little())
	}
	return int(math.Round(l.limit))
}

// little is how many in flight are little to the source.
func (l *Limit) little() int { return max(1, int(l.works/2)) }

// Typical is what a load takes of late, 0 if that is not known.
func (l *Limit) Typical() time.Duration { return l.typical }

// Norm is what a load takes when little is in flight, 0 if that is not known.
func (l *Limit) Norm() time.Duration {
	n := min(l.norm.n, norms)
	if n < fewest {
		return 0
	}
	return quick(l.norm.took[:n])
}

// Wanted says that all places are taken, or more are wanted.
func (l *Limit) Wanted() { l.window.wanted = true }

// Enough is until when successes say nothing more, for there are enough.
func (l *Limit) Enough() entry.Instant {
	if l.window.n < mostWin || l.window.bad > 0 {
		return math.MinInt64
	}
	return l.window.until
}

// Stalled says that a load has found no place. If nothing has ended for much longer than a
// load takes, those in flight may hang, and not keep the source busy: then there is a
// quarter more, if there was a success since there last was.
func (l *Limit) Stalled(now entry.Instant) {
	l.window.wanted = true
	if l.typical == 0 || !l.stall.may || now.Sub(l.stall.last) < max(stallAfter, 5*l.typical) {
		return
	}
	l.stall.may, l.stall.last = false, now
	l.dip.on = false
	l.limit = l.clamp(l.limit + max(1, l.limit/4))
}

// Restart lets the limit begin with one, and be doubled with each window that goes well
// until it is what it was.
func (l *Limit) Restart() {
	l.ramp = max(l.limit, l.ramp, l.high)
	l.limit = l.clamp(1)
	l.dip.on = false
	l.begin(0)
}

// Sample is a load that has ended or was given up: what it took, how many were in flight
// when it began, itself among them, and how many are, without it.
func (l *Limit) Sample(now entry.Instant, took time.Duration, inFlight, left int, o Outcome) {
	w := &l.window
	w.most = max(w.most, inFlight)
	switch o {
	case Success:
		l.stall.last, l.stall.may = now, true
		if inFlight <= l.little() {
			l.norm.took[l.norm.n%norms] = took
			l.norm.n++
		}
		if w.skip > 0 {
			w.skip--
			l.bad -= l.bad / memory
			return
		}
		l.bad -= l.bad / memory
	default:
		l.bad += (1 - l.bad) / memory
		w.bad++
	}
	if o == Success && w.n < mostWin {
		w.took[w.n] = took
		w.n++
		w.beside += inFlight
	}
	if (now >= w.until || w.bad > 0) && w.n+w.bad >= l.enough() {
		l.close(now, left)
	}
}

// enough is how many loads make a window.
func (l *Limit) enough() int {
	switch {
	case l.dip.on:
		return min(max(2*l.little(), 3), mostWin)
	case l.ramp > 0, l.bad >= 0.5:
		return leastWin
	}
	return min(max(int(l.limit), leastWin), mostWin)
}

// begin begins a window.
func (l *Limit) begin(skip int) {
	w := &l.window
	w.skip, w.n, w.bad, w.most, w.beside, w.wanted = skip, 0, 0, 0, 0, false
}

// close ends a window and goes by it.
func (l *Limit) close(now entry.Instant, inFlight int) {
	w := &l.window
	w.until = now.Add(shortest)
	norm := l.Norm()
	if l.dip.on {
		l.begin(int(l.limit)) // until as many are in flight again
		l.dip.on = false
		wait := max(dipEvery, 40*l.typical)
		if change := float64(quick(w.took[:w.n])) / float64(max(1, l.dip.was)); w.n > 0 && (change < 0.67 || change > 1.5) {
			l.norm.n = copy(l.norm.took[:], w.took[:w.n]) // it is another
			wait = l.soon()
		}
		l.dip.until = now.Add(wait)
		return
	}
	defer l.begin(inFlight)
	if w.n > 0 {
		l.typical = quick(w.took[:w.n])
	}
	if l.last.limit >= 1.3*l.limit && w.n > 0 && float64(l.typical) > 0.75*float64(l.last.typical) {
		// less was in flight, and took no less: it did not wait
		l.norm.n = copy(l.norm.took[:], w.took[:w.n])
		norm, l.ramp = l.Norm(), l.high
		l.dip.until = min(l.dip.until, now.Add(l.soon()))
	}
	l.last.limit, l.last.typical = l.limit, l.typical
	if w.n == 0 {
		norm = 0
	}
	share := 1.0 // of the loads in flight that the source works on
	if norm > 0 {
		waits := float64(norm) / float64(l.typical)
		l.works = float64(w.beside) / float64(w.n) * min(1, waits)
		share = min(1, waits*(1+l.doubt(w.n)))
	}
	next := l.limit*share + max(1.2, l.limit/4)
	switch {
	case l.bad >= 0.5:
		next, l.ramp = l.limit*2/3, 0
	case norm == 0:
		next = l.limit
	case l.ramp > 0 && share > 0.7:
		if next = 2 * l.limit; next >= l.ramp {
			next, l.ramp = l.ramp, 0
		}
	default:
		l.ramp = 0
	}
	if next = max(next, l.limit/2); next < 0.7*l.limit { // or is the norm another?
		l.dip.until = min(l.dip.until, now.Add(l.soon()))
	}
	if next > l.limit && !w.wanted || next < l.limit && l.bad < 0.5 && w.most <= int(l.limit/2) {
		next = l.limit // it is not tried
	}
	l.limit = l.clamp(next)
	l.high = max(l.limit, 0.9*l.high)
	if w.wanted && l.Places() > l.little() && (norm == 0 || l.ramp == 0 && now >= l.dip.until) {
		l.dip.on, l.dip.was = true, norm
	}
}

// doubt is by how much, as a share, the norm and the mean of so many loads may differ by
// chance.
func (l *Limit) doubt(n int) float64 {
	norms := l.norm.took[:min(l.norm.n, norms)]
	mean, sum := 0.0, 0.0
	for _, d := range norms {
		mean += float64(d) / float64(len(norms))
	}
	for _, d := range norms {
		sum += (float64(d)/mean - 1) * (float64(d)/mean - 1)
	}
	spread := min(1, sum/float64(len(norms)))
	return math.Sqrt(spread * (1/float64(n) + 1/float64(len(norms))))
}

// soon is how long a dip waits where it is likely to find another norm.
func (l *Limit) soon() time.Duration { return max(dipEvery/20, 5*l.typical) }

// quick is the mean of the quickest three quarters.
func quick(all []time.Duration) time.Duration {
	var sorted [mostWin]time.Duration
	n := copy(sorted[:], all)
	slices.Sort(sorted[:n])
	n = (3*n + 3) / 4
	sum := time.Duration(0)
	for _, d := range sorted[:n] {
		sum += d / time.Duration(n)
	}
	return sum
}
