// Package runs knows the runs of a function's source that go on: their deadlines,
// their contexts, and which of them wait for which.
package runs

import (
	"time"

	"github.com/perennial-go/perennial/entry"
	"github.com/perennial-go/perennial/internal/slots"
)

// Runner is what runs, on a goroutine of its own.
type Runner interface {
	Run()
	// Timeout is called at the deadline, on another goroutine.
	Timeout()
	// Refresh tells whether it runs in the background.
	Refresh() bool
	// Clear drops what the runner holds in the memory that it shares with its context.
	// It is called once, when the run is over.
	Clear()
}

// Run is one run of a source that goes on, whatever the types of its function. What is
// below Slot is guarded by the lock of Runs. Whoever keeps its context keeps its
// memory, so a run that is over lets go of everything: see Runner.Clear.
type Run struct {
	Runner  Runner
	Context Context
	Slot    slots.Slot // of config.MaxLoads

	deadline   entry.Instant // when it is given up, in steady time
	queues     bool          // it waits for its slot until then
	expired    bool          // the deadline has passed
	late       bool          // it was given up
	over       bool          // it has come back
	expiring   int32         // how often its runner is being told of a deadline
	own        *time.Timer   // in a bubble that the function was not made in
	prev, next *Run
	fresh      *Run // the next of those that have no goroutine yet
}

// clear lets go of the runner, so that whoever keeps the context does not keep what
// was loaded. The lock is held.
func (r *Run) clear() {
	r.Runner.Clear()
	r.Runner = nil
}
