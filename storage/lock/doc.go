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
// Locks are in trees, by the elements of their paths: one excludes those on the
// same path, all above it and all below it, and no others. They do what
// redicts' do, and in both directions.
//
// # What is promised
//
// Of locks that exclude each other one at a time is held, by what their holders
// know: the context of one has ended before another is had. That holds however
// slow the server is, however often it is away, and whatever becomes of
// connections, as long as it keeps its data and its clock is not set forward.
// Nobody waits for a holder that has died for longer than its hold.
//
// It does not hold where the server loses what it has acknowledged: by a restart
// without appendfsync always, a failover to a replica that is behind, an
// eviction. Nor is there a way to stop a holder at the instant its lock is lost:
// its process may be halted, or a request of its on the way. For both there is
// the fencing token, which the resource has to look at: see Lock.Token.
// docs/locks.md tells what that means, fault by fault.
//
// # How it works
//
//  1. Acquire waits for its turn among those in this process who want the same
//     lock.
//  2. The server is asked, in one round trip. It gives the lock, under a random
//     name, for a hold, unless it or what it excludes is held.
//  3. If it is not to be had, Acquire waits until it is told of a release, on one
//     subscription that all who wait share; until the hold of who has it ends; or
//     for a second, in case that message was lost. Then it asks again.
//  4. What is held is renewed at each third of its hold. Where that fails it is
//     tried again, until the hold could have ended: then its context does.
//  5. Release deletes what still has that name, and tells who waits.
//
// Instants are told by the server's clock alone. A holder counts the time of its
// hold by the later of its own monotonic and wall clocks, from before it asked, and
// a hundredth less.
//
// # Design notes
//
// A lock belongs to a handle. There is no re-entrance: Go has no identity of a
// goroutine that could own one, and what was locked twice by mistake should be
// noticed. Hand the Lock, or its context, to who works under it.
//
// There is one server, or one cluster in which each tree is in one slot. Locks by
// majority of several servers are left out: where a lost lock does harm the
// resource has to check tokens in any case, and where it does none one server is
// enough.
//
// Nothing runs while nobody waits or holds, and no goroutine while one is held,
// but for the moment of a renewal: timers are enough.
//
// What is no answer of a Redis server is an error of the call. But the client believes
// a server that says that far more is to come than memory holds, and some clients panic
// on goroutines of their own: give it redisstore.Guard where that matters.
package lock
