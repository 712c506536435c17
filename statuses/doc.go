// Package statuses knows, for every key of a function, the one update that
// runs, and keeps updates, invalidations and releases of a key apart.
//
// An [Update] is one attempt to bring a key up to date, with everyone who
// waits on it. It goes through three phases:
//
//	loading ──▶ publishing ──▶ done
//
// Its identity is the key's generation: an update that an invalidation or a
// Set has superseded (fenced) never publishes, and one that the method timeout
// has superseded (late) publishes only where nothing newer was published, set
// or invalidated since its load began. The end of an old update never ends a
// newer one.
//
// What stores, clears or releases an entry of a key does so one at a time:
// Publish and Hold wait for each other.
//
// [InMemory] is the registry that functions use unless they are given another.
// The model is py-memoize's UpdateStatuses.
package statuses
