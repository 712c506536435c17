// Package resilient keeps a store usable while its server is away.
//
// [New] makes a [Store] over any storage.Bytes. While the server answers, a Store passes
// calls on and keeps a bounded copy of the records it has seen. While the server is
// away, reads are answered from the copy, or miss, and changes wait in a bounded queue.
// They are sent when the server is back. [NewCache] does the same for the stores of
// memoized functions.
//
//	store, err := resilient.New(redisstore.NewValues(client))
//	err = store.Set(ctx, "greeting", []byte("hello"), storage.Forever)
//	if errors.Is(err, storage.ErrQueued) { ... } // accepted, and not committed yet
//	defer store.Close(ctx)                        // sends what waits, as long as ctx allows
//
// # The breaker
//
// The breaker is closed while the server answers. The first fault of the server opens
// it: then nothing is sent, so that a dead server costs nobody its timeout. After 2 s,
// with some jitter, it is half-open: one call goes through, the first change that waits,
// or a read if none does. If the server answers, the breaker closes and what waits is
// sent. If not, it opens for twice as long, at most 30 s. On a slow link it takes longer
// until the store counts as away: see [Timeout]. A refusal is no fault of the server: see
// [Verdict].
//
// # The queue
//
// A key has one place in the queue. A Set or Delete replaces what waits of its key; a
// [Store.Update] comes after it. A change leaves the queue when the store has
// acknowledged it, or with a report to the [Observe] function:
//
//   - as a [Conflict], if it is a Set or Delete and the record in the store is not the
//     one that it was made on. So an old write does not overwrite a newer one of another
//     process. If no record was seen and none is found, one that came and went in between
//     makes no difference; a record that was never read, or has no copy any more, counts
//     as not seen. An Update has no conflicts: it is applied to the value that is found.
//   - as [Dropped], if the store refuses this change, if its function fails or panics on
//     the value that is found, if it is in doubt, or if the queue is full and
//     [DropOldest] is set. Other changes are not held up.
//
// A change is in doubt if its answer was lost. It is sent again under the same version,
// which the store recognizes. After [InDoubt] the store may not: if the key has no record
// by then, or an Update would be applied to another record, the change may have been made
// and its record deleted. It is dropped, so that nothing is made twice and no deleted
// record comes back. This concerns only what was in flight when the server went away. A
// server that has lost its data does not recognize the version either, and others may
// have written again what was made on the change: see below.
//
// A request that the network delays, and delivers after later ones of the same process,
// does nothing if the record has changed. If there was no record and is none, it may
// still be made.
//
// The queue is in memory and is lost with the process. Its bound, see [Queue], counts
// what the functions of Updates hold if the caller says so: see [Holds].
//
// All that waits of a key is sent as one change, as long as nobody else changes the
// record first. Otherwise it is sent in parts, as large as fit between the changes of
// others.
//
// # A store that comes back without its data
//
// With [WriteAgain], over a store that reports the loss (storage.StatefulBytes), each
// process that watches writes its own records again: those that it was the last to
// change, as far as it knew when the store went away. A record keeps its version. It is
// written only if the key has no record, or one that the process had replaced before. So
// what somebody else has set by then stays, and what somebody else had deleted is deleted
// again if that process still watches. Changes that wait are applied to the record that
// is written again, as if nobody had changed it; an Update by others before it is back
// starts from nothing.
//
// This ends a minute after the store is back. A process that comes later leaves the store
// as it is, and reports an [Emptied] with [ErrLate]. A record that may have been made
// after the loss, and waits for longer than that, is [Dropped] with ErrLate.
//
// A change in doubt that was sent before the loss is sent again as it was, and is made if
// the record is the one it was made on, or if there was none and is none. If not, it may
// be part of what others have written again or deleted, so an Update is [Dropped] with
// [ErrInDoubt], however short the time. A process without WriteAgain does not notice the
// loss, nor does one that did not watch and had not found the store away before: it makes
// such an Update once more, on top of what others have written again.
//
// A record that is written again is the process's own again: if the store loses its data
// several times, even before all is written, it gets it back each time. Records are lost
// if their process has ended or did not watch, or has no copy of them any more: see
// [Copy], by default the 10,000 records, of 64 MiB, that were used last. A [Forgot]
// reports the first copy that is forgotten, the second, fourth and so on, and the
// [Emptied] how many own records those were.
//
// # What depends on the underlying store
//
//   - Over a storage.VersionedBytes, such as redisstore.NewValues, every change is
//     compared and made in one atomic step, so a request that arrives late does no harm.
//     Only there Update works.
//   - Over another storage.Bytes a change that has waited reads the record, compares it
//     with the one that it was made on, and writes. It overwrites what others write in
//     between. Equal values count as unchanged. A change that has not waited is not
//     compared at all, and may arrive late.
//   - [Cache] needs a storage.FencedBytes. Its changes are compared and made under a
//     claim; its deletions are always made.
package resilient
