package memoize

import (
	"time"

	"github.com/perennial-go/perennial/entry"
)

// Result is a call's value with its age and where it came from.
type Result[V any] struct {
	Value V
	// Age is how long ago the source returned the value.
	Age time.Duration
	// State is Fresh or Stale for a value that was stored. A value that was
	// loaded has the state that its life gives it, which may be Expired.
	State entry.State
	// Why says where the value came from.
	Why Why
}

// Why says where the value of a call came from.
type Why uint8

// Where a value came from.
const (
	Hit    Why = iota + 1 // it was stored and fresh
	Stale                 // it was stored and stale: a refresh runs, or is delayed
	Miss                  // the call loaded it
	Joined                // the call waited for a load that another had started
	Forced                // Refresh loaded it, or waited for the next load
	Fenced                // an invalidation or a Set came while the call waited
	Direct                // the source was asked past the cache
)

var whyNames = [...]string{Hit: "hit", Stale: "stale", Miss: "miss", Joined: "joined", Forced: "forced", Fenced: "fenced", Direct: "direct"}

var hitWhy = [...]Why{entry.Fresh: Hit, entry.Stale: Stale}

// String is the name in lower case.
func (w Why) String() string {
	if int(w) < len(whyNames) && whyNames[w] != "" {
		return whyNames[w]
	}
	return "unknown"
}
