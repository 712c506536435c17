package memoize

import (
	"time"

	"github.com/perennial-go/perennial/entry"
)

// Result is a call's value with its age and where it came from. Beside an error that is
// an answer (see config.Remember) it has no value, and says the same of the answer; beside
// any other it is zero.
type Result[V any] struct {
	Value V
	// Age is how long ago the source returned the value.
	Age time.Duration
	// State is Fresh or Stale for a value that was stored. A rescue is Expired, or
	// what it is by then if somebody has stored it meanwhile. A value that was loaded
	// has the state that its life gives it, which may be Expired.
	State entry.State
	// Why says where the value came from.
	Why Why

	life *entry.Meta // nil for a value that has none
}

// FreshFor is how long after the call the value is fresh: from then on a call is still
// answered at once, and starts a refresh. Zero for a value that is not fresh, and for one
// of Direct, which was not given a life.
func (r Result[V]) FreshFor() time.Duration {
	if r.life == nil {
		return 0
	}
	return r.left(min(r.life.Ends()))
}

// ExpiresIn is how long after the call the value is served, fresh or stale, if nothing
// else happens to it: it may be refreshed, invalidated or evicted before. Zero for a value
// that is never served again, and for one of Direct, which was not given a life.
func (r Result[V]) ExpiresIn() time.Duration {
	if r.life == nil {
		return 0
	}
	_, end := r.life.Ends()
	return r.left(end)
}

// left is the time from the call on.
func (r Result[V]) left(until entry.Instant) time.Duration {
	return max(0, until.Sub(r.life.Created().Add(r.Age)))
}

// Why says where the value of a call came from.
type Why uint8

// Where a value came from.
const (
	Hit     Why = iota + 1 // it was stored and fresh
	Stale                  // it was stored and stale: a refresh runs, or is delayed
	Miss                   // the call loaded it
	Joined                 // the call waited for a load that another had started
	Forced                 // Refresh loaded it, or waited for the next load
	Rescued                // its load failed or took too long, and it was stored: see config.StaleIfError
	Fenced                 // an invalidation or a Set came while the call waited
	Direct                 // the source was asked past the cache
)

var whyNames = [...]string{Hit: "hit", Stale: "stale", Miss: "miss", Joined: "joined", Forced: "forced", Rescued: "rescued", Fenced: "fenced", Direct: "direct"}

var hitWhy = [...]Why{entry.Fresh: Hit, entry.Stale: Stale}

// String is the name in lower case.
func (w Why) String() string {
	if int(w) < len(whyNames) && whyNames[w] != "" {
		return whyNames[w]
	}
	return "unknown"
}
