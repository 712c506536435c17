// Package eviction decides which entry goes when there are too many.
//
// A [Strategy] is told of every write and release, and of reads where it wants
// to know, and names one key to release after each write. There are several:
//
//   - [TinyLFU], the default: some keys are more popular than others;
//   - [LIRS], where that changes quickly; both hold out against scans and loops;
//   - [Adaptive] where the traffic is not known, or does not stay the same;
//   - [CostAware] where loads differ in how long they take or values in size;
//   - [S3FIFO], [TwoQueue] and [Sieve], which are simpler;
//   - [LeastRecentlyUpdated], to which a read costs nothing at all, where entries
//     expire before the cache is full;
//   - [LeastRecentlyUsed], [LeastFrequentlyUsed] and [FirstInFirstOut], which do
//     what they say;
//   - [None], which leaves eviction to the storage.
//
// With any of them a read costs no lock and no look-up: it leaves a mark in the
// entry, and only where there is none yet. A capacity counts entries, or is in
// the unit of their weights where the strategy is told of weights ([Weigher]).
//
// The model is py-memoize's EvictionStrategy, whose own strategy is
// [LeastRecentlyUpdated]. It differs in one point: there a
// key that was named and could not be released is forgotten; here the engine
// releases what is named even while the key is being updated, and the update
// enters it again.
package eviction
