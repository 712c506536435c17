package memoize

import (
	"context"
	"sync/atomic"

	"github.com/perennial-go/perennial/internal/backoff"
	"github.com/perennial-go/perennial/internal/runs"
	"github.com/perennial-go/perennial/internal/slots"
	"github.com/perennial-go/perennial/internal/tagindex"
	"github.com/perennial-go/perennial/internal/timeline"
	"github.com/perennial-go/perennial/statuses"
)

// core is what all parts of an engine share.
type core[A any, K comparable, V any] struct {
	observing[K]
	plans        plans[A, K, V]
	time         timeline.Timeline
	counters     counters
	statuses     statuses.UpdateStatuses[K, V]
	runs         runs.Runs
	ended        atomic.Uint64 // updates that have ended
	slots        *slots.Limit  // MaxLoads; apart, for contexts that outlive their loads lead to it
	backoff      backoff.Keys[K]
	tags         tagindex.Index[K]
	updates      updates[K]
	identityKeys bool
	dynamicKeys  bool            // a key may hold anything, so each is looked at
	fails        func(V) bool    // tells whether a value is a failure of the source; nil if none is
	life         context.Context // ends when Close gives up
	endLife      context.CancelFunc
}
