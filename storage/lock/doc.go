// Package lock has locks that processes share over a Redis server, by
// github.com/redis/go-redis/v9:
//
//	locks, err := lock.New(rdb)
//	err = locks.Do(ctx, "jobs/nightly", func(ctx context.Context, token int64) error {
//		return report(ctx, token)
//	})
//
// or, by hand,
//
//	l, err := locks.Acquire(ctx, "jobs/nightly")
//	defer l.Release(ctx)
//	err = report(l.Context(), l.Token())
//
// Locks form trees by the elements of their paths. A lock excludes those on the same path,
// above it and below it, and no others. They do what redicts' locks do, and in both
// directions.
//
// # Guarantees
//
// Of locks that exclude each other, at most one is held: the context of one has ended
// before another is acquired. This holds however slow the server is, however often it is
// away, and whatever happens to connections, as long as the server keeps its data and its
// clock is not set forward. Nobody waits longer than the hold for a holder that has died.
//
// It does not hold if the server loses what it has acknowledged: by a restart without
// appendfsync always, a failover to a replica that is behind, or an eviction. Nor can a
// holder be stopped at the instant when its lock is lost: its process may be halted, or
// its request under way. The fencing token is for both cases, and the resource has to
// check it: see Lock.Token. docs/locks.md says what that means, fault by fault.
//
// # How it works
//
//  1. Acquire queues behind those in this process who want the same lock.
//  2. It asks the server, in one round trip. The server grants the lock, under a random
//     name, for the hold, unless the lock or one that it excludes is held.
//  3. Else Acquire waits: until a release is published, which it hears on one
//     subscription that all waiters share; until the holder's hold ends; or for a second,
//     in case a message was lost. Then it asks again.
//  4. The lock is renewed at each third of its hold. A renewal that fails is tried again,
//     until the hold could have ended: then the lock's context ends.
//  5. Release deletes the lock if it still has that name, and publishes the release.
//
// The server's clock alone decides. A holder counts its hold by the later of its own
// monotonic and wall clocks, from before it asked, and a hundredth less.
//
// # Design notes
//
// A lock belongs to its handle and is not reentrant: Go has no identity of a goroutine
// that could own one, and locking twice by mistake should be noticed. Pass the Lock, or its
// context, to the code that works under it.
//
// There is one server, or one cluster in which each tree is in one slot. Locks by a
// majority of several servers are left out: if a lost lock does harm, the resource has to
// check tokens in any case, and if it does none, one server is enough.
//
// Nothing runs while nobody waits or holds a lock. A lock that is held needs no goroutine
// but during a renewal: timers are enough.
//
// An answer that no Redis server gives is an error of the call. But go-redis allocates as
// much as a server announces, and some clients panic on goroutines of their own: use
// redisstore.Guard if that matters.
package lock
