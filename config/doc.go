// Package config says how a function is memoized. Options are grouped by the
// question they answer.
//
// How fresh?
//
//	UpdateAfter, ExpireAfter, Jitter, Builder
//
// How much memory?
//
//	Capacity, Evict, Storage
//
// How long may it take, and how much may run?
//
//	MethodTimeout, MaxLoads, QueueTimeout, MaxBackground, MaxRunaway, MaxBatch,
//	StoreBudget
//
// Who shares a value?
//
//	Keys, ScopedKeys, IdentityKeys, Postprocess
//
// What does a load see of its caller?
//
//	ContextValues
//
// What of an outage, or a switch?
//
//	Configured, Bypass, FailOnStoreError
//
// The function itself, fixed once it is made:
//
//	Name, Clock, ExactClock, Observe, Logger, HideKeys, PlainErrors,
//	InvalidatedBy, UpdateStatuses
//
// Options are values without type parameters, so that nothing has to be spelled
// out; a typed part that does not fit the function is an error from memoize.New
// that names both types. All faults are reported at once.
//
// A [CacheConfiguration] is an object instead of a list: [InMemory] makes one
// that is fixed, [Mutable] one that can be changed while functions use it, in
// one step or not at all. A call and the refresh it starts see one snapshot.
//
// The model is py-memoize's configuration module.
package config
