// Package eviction decides which entry goes when there are too many.
//
// A [Strategy] is told of every write and release, and of reads where it wants
// to know, and names one key to release after each write. [LeastRecentlyUpdated]
// is the default; [None] leaves eviction to the storage.
//
// The model is py-memoize's EvictionStrategy. It differs in one point: there a
// key that was named and could not be released is forgotten; here the engine
// releases what is named even while the key is being updated, and the update
// enters it again.
package eviction
