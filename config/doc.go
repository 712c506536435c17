// Package config has the options that say how a function is memoized. Options are grouped
// by the question they answer.
//
// How fresh?
//
//	UpdateAfter, ExpireAfter, Jitter, Builder
//
// How much is kept?
//
//	Capacity, Weigh, Evict, OnRelease
//
// Where is it kept?
//
//	Store, Storage, SerDe, Codec, Schema, StoreBudget, FailOnStoreError
//
// How long may a load take, and how much may run?
//
//	MethodTimeout, MaxLoads, QueueTimeout, MaxBackground, MaxRunaway, MaxBatch,
//	Gather, Guard
//
// What if the source fails, or says "none"?
//
//	Remember, RememberIf, Gone, RememberNothing, StaleIfError, SoftTimeout,
//	StaleWhen
//
// Who shares a value, and what does a load see of its caller?
//
//	Keys, Postprocess, Tags, ContextValues
//
// Switches:
//
//	Configured, Bypass
//
// The function itself, fixed once it is made:
//
//	Name, Clock, ExactClock, Observe, Logger, HideKeys, PlainErrors,
//	IdentityKeys, InvalidatedBy, UpdateStatuses
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
