// Package memoize turns a slow function into one that answers at once and stays
// fresh: callers are served from a cache while one background refresh runs, and
// everyone who must wait waits on that one load.
//
//	users, err := memoize.New(db.LoadUser)   // func(context.Context, int64) (*User, error)
//	u, err := users.Call(ctx, 42)
//
// # The path of a call
//
//  1. Take the configuration's snapshot, which the call and the refresh that it
//     starts see to their ends. Not configured: ErrNotConfigured. Bypassed: ask
//     the source and touch nothing.
//  2. Make the key of the argument.
//  3. Look into the storage. A storage that fails or is slow reads as empty.
//  4. If an entry is there, mark it read for the eviction strategy.
//  5. Decide what the entry is worth now: missing, fresh, stale or expired.
//  6. Fresh: go to 9.
//  7. Join or lead the update of the key, in one atomic step. The leader's load
//     runs on a context of its own: look into the storage again if an update
//     has ended meanwhile, or claim the key of one that processes share; call
//     the source under the method timeout; build the
//     entry, whose life counts from the source's return; publish it; tell the
//     eviction strategy and take what it names; wake everybody who waits;
//     release what was named.
//  8. Stale: do not wait. Missing, expired or forced: wait, under the caller's
//     own context. A forced call joins the next update of the key, not one that
//     runs already.
//  9. Postprocess the value and return it.
//
// # Guarantees
//
//   - G1: One load per key. At most one current load of a key runs per process. A
//     load that an invalidation or the method timeout superseded may still run,
//     for Go can't stop it: then one more may run beside it. Superseded loads
//     are counted, and bounded by config.MaxRunaway: past that a key waits for
//     its superseded load while that one is in its time, and fails with
//     ErrRunaway when it is not.
//   - G2: Never expired. A value at or past its expires-after is not served from
//     the storage, except as a rescue, which config.StaleIfError allows (G14). The
//     time is the later of the monotonic clock and the wall clock, and never goes
//     back. So while the machine sleeps or a virtual machine
//     is paused, entries age as soon as the wall clock shows it. A wall clock that
//     is set forward looks the same, so it ages every entry by as much, and may
//     empty a cache. One that is set back changes nothing: entries age on by the
//     monotonic clock, and the time stays ahead of the wall clock, by that much,
//     until that has caught up or the process ends. One that is slewed is followed
//     where it gets ahead. Where no boundary of the entry is near, a reading of the
//     clock that is a few milliseconds old decides. A process that was stopped, or
//     starved for longer than 100 ms, may misjudge an entry by that long in the
//     first moments after, and one whose machine has slept by the time of the sleep,
//     for the 10 ms until the next reading; with config.ExactClock never, and for
//     the 1 ms until the next look at the wall clock. A clock that was handed in
//     (config.Clock) is the only one that is read, and stands still while it goes
//     back. Deadlines of loads and of the storage, and what loads take, are
//     measured by the monotonic clock alone: no load is late because a clock was
//     set. Timers stand still while the machine sleeps, so what ended meanwhile is
//     not served, and may take its memory for as long as it had left before. The
//     result of a load is returned to those who waited for it, whatever life it was
//     given.
//   - G3: Stale never waits. A stale hit returns at once and costs nearly what a
//     fresh one costs; a thousand stale hits start one goroutine.
//   - G4: Invalidation is final. A call that begins after Invalidate has returned
//     never gets, and no storage in force keeps, a value whose load began
//     before it. Across processes this holds where the storage is
//     storage.Fenced, as those that config.Store is given mostly are: a load
//     claims its key before it asks the source, and what it brings is refused
//     once another process has invalidated or set the key. With another storage
//     it holds for the loads of this process; docs/stores.md says it store by
//     store. It is as durable as the storage's acknowledgement. A call that joins a
//     load looks at the storage again where another process may have invalidated
//     meanwhile; if the storage does not answer then, the value stands.
//   - G5: Everyone keeps their own deadline. A caller leaves when its own context
//     ends, and harms nobody: the load runs on, with the context's values and
//     without its cancellation, others get its value, and it is stored. A hit
//     does not look at the context; a call that would have to wait with a
//     context that is done starts nothing. A storage that is storage.Prompt keeps
//     deadlines itself; one who is cancelled, without a deadline, while it is
//     asked leaves when it answers, at the latest at the end of its budget.
//   - G6: A hung source is contained. At the method timeout callers are released
//     with a typed error even if the source ignores its context, and the key can
//     be loaded again. The method timeout counts from the slot of config.MaxLoads; to
//     wait for one has a bound of its own, config.QueueTimeout, so that by default a
//     call waits at most twice the method timeout. A late result is stored if nothing
//     newer was published, set or invalidated for the key since its load began, else
//     dropped and counted. A storage that is storage.Fenced refuses what comes after the
//     claim, which outlives the method timeout by the budget of a write.
//   - G7: A panic is an error. A panic in the source, a builder, a strategy, a key
//     function or a postprocessing reaches every waiter as an error with the
//     stack, and so does a runtime.Goexit during a load; they never kill the
//     process from a background load and never wedge a key. A runtime.Goexit on
//     a caller's own goroutine, in a key function or a postprocessing, ends that
//     goroutine and nothing else.
//   - G8: Failure never replaces good. A failed load is not cached and leaves the
//     current entry alone. An error that the configuration calls an answer is none
//     (G15), and does replace it. Failed background refreshes of a key are delayed:
//     first by a tenth of the stale window, at most a second, doubling to at
//     most a quarter of the window, less up to a half by chance. A cold, expired
//     or forced call always tries.
//   - G9: The store cannot hurt. A slow, failing or corrupt storage reads as a
//     miss within its own budget and is reported; a failed write costs no caller
//     its value. A storage of which nothing succeeds is asked once a second only,
//     except by calls that change a key. Going around it leads to the source, through
//     config.Guard or config.MaxLoads, which keep that from becoming a stampede.
//   - G10: One call, one configuration. A call and the refresh it starts see one
//     snapshot; a change is seen by the next call; invalidation reaches the
//     storages of every snapshot still in use.
//   - G11: Bounded. Memory by capacity, background loads by config.MaxBackground,
//     waiters without a goroutine each. No goroutine while no call, load or
//     sweep runs; an instance that is dropped is collected. Close drains, or
//     cancels at its context's end, and says what still runs. Expired entries go
//     without anyone reading them.
//   - G12: Keys are injective. In memory two arguments are the same key exactly
//     when == says so, and the shared text agrees, under every toolchain. A key that is not equal to
//     itself (NaN) is loaded and never stored. Keys that contain a pointer, a
//     channel or a time.Time are refused, with the remedy.
//   - G13: A fresh hit allocates nothing, nor a stale one that starts no refresh,
//     as far as the storage in memory, key function and postprocessing permit.
//   - G14: Stale has a bound. No value is served later than stale-if-error past its
//     expires-after, which counts from the success that made it: a load, a Set, a
//     Touch, or a source that calls it unchanged. A failure never moves that instant.
//     A rescue says so in Result, Stats and an event.
//   - G15: An answer "none" is an answer. An error that config.Remember names reaches
//     every caller as the source returned it (from a store that processes share, as
//     the configuration names it), is invalidated, fenced, shared, evicted and expired
//     like a value, replaces the value that was there, and is neither logged nor a
//     reason to delay refreshes. What has to do with a context that has ended, with a
//     panic, or with this package's own refusals is never remembered.
//   - G16: Tags are final. G4 for all entries that carry a tag, also for loads that
//     began before the invalidation and learn of the tag at their end. Memory for tags
//     is bounded; what had to be forgotten counts as invalidated: where more than 65,536
//     tags are invalidated while one load runs, the oldest of those count for every tag.
//   - G19: The source is never drowned, with config.Guard. Loads in flight, those that
//     were given up counted, stay under the guard's limit, but for one at a time that
//     may show that a source which hangs works again. A load that somebody waits for
//     with nothing else to be given goes before everything, refreshes are shed
//     first, and one that somebody waits for is never shed as a background one.
//     After a flush, a drop of the capacity or an outage the system returns by itself
//     to where it was. A fresh hit never meets the guard.
//
// # Where user code runs
//
// No lock of the package's is held while the source, a builder, config.Tags, a key function,
// a postprocessing, an observer, a strategy or a storage is called. Two steps
// keep others from changing what is stored for the same key, not from reading
// it: while a storage's Offer or Release runs for a key, and while the strategy
// is told of it. User code called there must not invalidate, set or touch that
// same key.
//
// An observer may do so, and may call the function, for the key that it is told of
// too: what happens in a load is told once the load has ended and those who wait have
// been answered. The start of a load is told before the source is asked, and only
// there a call for the same key waits for the observer itself.
//
// The function that Update is given runs on its caller's goroutine under no lock: the key
// may be changed meanwhile, in other processes too, and then it runs again.
// config.OnRelease is told of values that have left once the key is free, as observers
// are of a load's events.
//
// A source gets a context with the values of the call that started the load, which
// serves other callers too and may outlast it. A value that is one caller's alone, such
// as a transaction, must not decide what the source returns: config.ContextValues says
// which values a load sees.
//
// A source may call the function it is the source of, for other keys. For the
// key that it loads it would wait for itself: ErrRecursion, if it passes its
// context on, else the method timeout. Two sources that
// wait for each other's keys in opposite orders do so until the method timeout.
//
// # Extending
//
// A new place to keep entries implements storage.Storage, and what it can of
// the package's optional interfaces; a new policy eviction.Strategy; a life of
// its own per value entry.Builder; keys config.KeyExtractor; a registry of
// updates statuses.UpdateStatuses. Each of these packages has a conformance
// suite to try an implementation with, in storagetest, evictiontest and
// statusestest.
package memoize
