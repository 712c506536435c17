// Package storage keeps entries. [InMemory] keeps them in this process and is
// what a function has unless it is given another.
//
// A storage only keeps. What an entry is worth at some instant, which entry
// goes when there are too many, and who may write a key while an invalidation
// runs, is decided above it: the engine never changes a key's entry from two
// goroutines at once.
//
// The model is py-memoize's CacheStorage.
package storage
