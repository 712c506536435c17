// Package observe tells what happens inside a memoized function: loads, what
// they stored, what was dropped and why, and every failure that cannot be
// returned to a caller.
//
// An [Observer] has one method that takes an [Event] by value. Hits and joined
// loads are no events, they are counted in the function's Stats. [Slog] is the
// observer that a function has unless it is given another: it writes a line
// when a problem starts and one a minute while it lasts, not one for every failure.
package observe
