package guard

import (
	"errors"
	"fmt"
	"time"
)

// ErrOverloaded says that a guard has refused a load. An *OverloadedError says more.
var ErrOverloaded = errors.New("guard: the source is overloaded")

// OverloadedError is the error of a load that a guard has refused. It matches
// ErrOverloaded.
type OverloadedError struct {
	Guard      string        // its name
	Class      Class         // of the load
	Down       bool          // the breaker is open: the source does not work
	RetryAfter time.Duration // when to come again
}

// Error says which guard has refused what, and when to come again.
func (e *OverloadedError) Error() string {
	why := "has no place in time"
	switch {
	case e.Down:
		why = "is not asked, for nothing succeeds there"
	case !e.Class.queues():
		why = "is left to others"
	}
	return fmt.Sprintf("guard: a %v load of %s %s: come again in %v, or serve older values with config.StaleIfError", e.Class, e.Guard, why, e.RetryAfter.Round(time.Millisecond))
}

// Is makes the error match ErrOverloaded.
func (e *OverloadedError) Is(target error) bool { return target == ErrOverloaded }

// Temporary is true: a later try may succeed.
func (e *OverloadedError) Temporary() bool { return true }
