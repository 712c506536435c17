// Package resilient keeps a store usable while its server is away.
//
// [New] makes a [Store] over any storage.Bytes. While the server answers, a
// Store passes on what is asked of it, and keeps a bounded copy of what it has
// seen. While the server is away, reads are answered from the copy, or miss, and
// changes wait in a bounded queue, one place for each key; they are sent when
// the server is back. [NewCache] is the same for the stores of memoized
// functions.
//
//	store, err := resilient.New(redisstore.NewValues(client))
//	err = store.Set(ctx, "greeting", []byte("hello"), storage.Forever)
//	if errors.Is(err, storage.ErrQueued) { ... } // accepted, and not committed yet
//	defer store.Close(ctx)                 // sends what waits, as long as ctx allows
//
// # The breaker
//
// It is closed while the server answers. The first fault of the server opens it:
// from then on nothing is sent, so that a dead server costs nobody its timeout.
// After 2 s, with some jitter, it is half-open: one call goes through, the first
// change that waits, or a look where none does. If that is answered the breaker
// closes and what waits is sent, else it opens for twice as long, at most 30 s. On a
// slow link it takes longer until the store counts as away: see [Timeout].
// What a server refuses is no fault of the server, see [Verdict].
//
// # What waits
//
// A key has one place in the queue. To set or delete it replaces what waits for
// it; an [Store.Update] comes after it. A change leaves the queue once the store
// has acknowledged it, or with a report to the [Observe] function:
//
//   - as a [Conflict], where it sets or deletes, and what the store has is not
//     what the change was made on: so an old write does not overwrite a newer
//     one of somebody else. Where no record was seen and none is found, one that
//     came and went in between makes no difference; what was never looked at, or
//     has no copy any more, counts as not seen. An Update has no conflicts: it is
//     applied to the value that is found.
//   - as [Dropped], where the store refuses it for a reason of its own, or its
//     function fails or panics on the value that is found, or it is in doubt, or
//     the queue is full and [DropOldest] is set. The others are not held up.
//
// A change is in doubt if its answer was lost. It is sent again under the same
// version, which the store knows again. After [InDoubt] it may not: where the key
// has no record by then, or another one to which an Update would be applied,
// nobody can tell whether the change was made and what it made was deleted. It is
// dropped, so that nothing is made twice and what was deleted does not come back.
// This concerns only what was on its way when the server went. If that has lost its
// data it does not know the version again, and others may have written again what was
// made on the change: see below.
//
// A request that the network holds back, and delivers after later ones of the same
// process, does nothing where the record has changed; it may still be made where
// there was no record and is none.
//
// What waits is in memory, and lost with the process. Its bound, see [Queue], counts
// what the functions of Updates hold where that is told by [Holds].
//
// What waits of a key is sent as one change, as long as nobody else is faster; else in
// parts, as many at once as go between the changes of others.
//
// # A store that comes back without its data
//
// With [WriteAgain], over a store that can tell (storage.StatefulBytes), each process
// that watches writes again what it was the last to change, as far as it knew when
// the store went, under the version that it had. It takes the place of nothing, or of
// what it had replaced before; what somebody else has set by then stays, and what
// somebody else had deleted goes again where that process still watches. What waits
// of such a record is sent on top of it, as if nobody had changed it; what others
// update before it is back begins anew. That ends a minute after the store is back:
// who comes later is told, by an [Emptied] with [ErrLate], and leaves it as it is; what
// may have been made after the loss, and waits for longer than that, is [Dropped] with
// it. A change in doubt that was sent before the loss is sent again as it was, and made
// where the record is what it was made on, be it nothing; else it may be in what others
// have written again, or deleted: an Update is [Dropped] with [ErrInDoubt], however short
// the time. A process without WriteAgain can't tell that there was a loss, nor can one that
// did not watch and had not found the store away before: it makes such an Update once more,
// on top of what others have written again.
//
// A record that is written again is this process's own again: a store that loses its
// data several times, also before all is written, gets it back each time. What a
// process has written that is no more, or that did not watch, is lost, and so is what
// it has no copy of any more: see [Copy], by default 10,000 records, of 64 MiB, that were
// used last. A [Forgot] tells of the first that is forgotten, the second, fourth and so
// on, and the [Emptied] how many of its own those were.
//
// # What the store beneath decides
//
//   - over a storage.VersionedBytes, as redisstore.NewValues, changes are
//     compared and made in one atomic step, also those that need not wait, so
//     that one that reaches the server late harms nobody. Only there Update works.
//   - over another storage.Bytes a change that has waited reads the record,
//     compares it with what the change was made on, and writes: what others write
//     between the two is overwritten. Equal values count as unchanged. A change
//     that need not wait is not compared at all, and may reach the server late.
//   - [Cache] needs a storage.FencedBytes, and its changes are compared and made
//     under a claim, but for deletions, which are always made.
package resilient
