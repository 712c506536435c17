// Package storage keeps entries: in this process with [InMemory], which is the default of
// a function, or in a store that many functions and processes share. [Open] opens such a
// store by URL, [Share] makes one of a client of your own, which implements [Bytes].
//
// A storage only keeps. The engine decides how long an entry is served, which one is
// evicted, and who may write a key while an invalidation runs. It never changes a key's
// entry from two goroutines at once.
//
// The model is py-memoize's CacheStorage.
package storage
