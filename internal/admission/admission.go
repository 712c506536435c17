// Package admission has what a load and the guard that lets it in know of one another.
package admission

import (
	"sync/atomic"
	"time"

	"github.com/perennial-go/perennial/internal/breaker"
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

// Outcome is what became of a load.
type Outcome uint8

// The outcomes.
const (
	None     Outcome = iota // it was not made, or was cancelled by its own side
	Success                 // the source has answered, and be it that there is nothing
	Failure                 // the source has failed
	TimedOut                // the load was given up at its time limit
)

// Pass is what one load has of its guard, which sets the fields. The zero value has
// nothing.
type Pass struct {
	Ticket   breaker.Ticket
	InFlight int32 // how many loads were, when it was let in
	state    atomic.Int32
}

// The states of a Pass.
const (
	isOut  int32 = iota
	isIn         // it was let in, and has not left
	isLate       // it was given up, and keeps its place until that is returned
)

// Enter notes that the load was let in.
func (p *Pass) Enter() { p.state.Store(isIn) }

// Leave notes that the load has left, and reports whether it was in until now. One that is
// late keeps its place.
func (p *Pass) Leave(late bool) bool {
	next := isOut
	if late {
		next = isLate
	}
	return p.state.CompareAndSwap(isIn, next)
}

// Holds reports whether the load was let in and has a place which it has not given back.
func (p *Pass) Holds() bool { return p.state.Load() != isOut }
