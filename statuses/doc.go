// Package statuses is the registry of updates: for every key of a function it has the one
// current update, and serializes updates, invalidations and releases of a key.
//
// An [Update] is one attempt to bring a key up to date, with everyone who
// waits on it. It goes through three phases:
//
//	loading ──▶ publishing ──▶ done
//
// Its identity is the key's generation: an update that an invalidation or a
// Set has superseded (fenced) never publishes. One that the method timeout
// has superseded (late) publishes only if nothing newer was published, set
// or invalidated since its load began. The end of an old update never ends a
// newer one.
//
// Changes to one key are serialized: Publish and Hold wait for each other.
//
// [InMemory] is the registry that functions use unless they are given another.
// The model is py-memoize's UpdateStatuses.
package statuses
