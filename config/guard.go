package config

import "github.com/perennial-go/perennial/guard"

// Guard limits the loads of the source: every load asks g whether it may run. If it may
// not, the call gets an older value that StaleIfError has kept, or an error that matches
// memoize.ErrOverloaded. One guard serves all functions that ask one source. It replaces
// MaxLoads and QueueTimeout, which are errors beside it; applied to a Live that has them
// it drops them. MaxBackground and MaxRunaway bound this function's own part of what the
// guard lets in.
//
// With a guard values live up to a tenth shorter, as with Jitter(0.1), so that values that
// were loaded together after a flush do not expire together; Jitter(0) prevents that. Nil,
// applied to a Live, takes the guard away.
func Guard(g *guard.Guard) Option { return setting("Guard", func(dr *draft) { dr.guard = &g }) }

// guardJitter is the share by which lives are shorter where there is a guard.
const guardJitter = 0.1

// jitterShare is the share by which lives are shortened.
func (s *Settings[A, K, V]) jitterShare(given *float64) float64 {
	switch {
	case given != nil:
		return *given
	case s.Guard != nil:
		return guardJitter
	}
	return 0
}
