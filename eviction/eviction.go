package eviction

import (
	"time"

	"github.com/perennial-go/perennial/entry"
)

// Strategy chooses which key to release. One strategy serves one function. Its
// methods are called concurrently and with no lock of the engine's held; calls
// for one key come in the order in which its entries were written and released.
//
// The entry that is replaced or gone is the one that the strategy was last told
// of, so a strategy may keep its place for the key in it (Meta.Place) instead of
// looking the key up. It must not rely on the place alone: another strategy may
// have been in force meanwhile.
type Strategy[K comparable] interface {
	// MarkRead is told that the key's entry was found, even if expired.
	MarkRead(key K)
	// MarkWritten is told that an entry of the key was written in place of
	// old, which is nil where there was none, and e itself where a strategy
	// that comes into force is told of what is there.
	MarkWritten(key K, e, old *entry.Meta)
	// MarkReleased is told that the key's entry is gone, for whatever reason.
	// It is nil where there was none.
	MarkReleased(key K, old *entry.Meta)
	// NextToRelease names a key to be released now, or none. It is asked once
	// after each write. A key that was named is not named again until it is
	// written again.
	NextToRelease() (key K, ok bool)
}

// Marker is a Strategy that learns of reads through the entry's mark word. Its
// MarkRead is not called.
type Marker interface {
	// Mark is called on every hit, with no lock held; it should do no more
	// than load the word and store it when it is not set.
	Mark(e *entry.Meta)
}

// Blind is a Strategy to which reads make no difference: it is not told of
// them.
type Blind interface {
	// IgnoresReads is never called.
	IgnoresReads()
}

// Resetter is a Strategy that can forget every key at once, as is needed
// where a storage is cleared that can't list its keys.
type Resetter interface {
	Reset()
}

// Bounded is a Strategy with a capacity.
type Bounded interface {
	// Capacity is how many keys it lets live, or how much they may weigh
	// together where it is told of weights.
	Capacity() int
}

// Weighted is a Strategy that knows what its keys weigh.
type Weighted interface {
	// Weight is what the keys that it lets live weigh together, in the unit of its
	// capacity: how many they are where nobody weighs. It may be called at any time.
	Weight() int
}

// Resizer is a Strategy whose capacity can change while it is in use.
type Resizer interface {
	// SetCapacity sets what Capacity returns, 0 for a negative one. Of a smaller
	// one Over is to be asked what goes.
	SetCapacity(capacity int)
}

// Weigher is a Strategy that bounds what the keys weigh together, in whatever
// unit its capacity is in.
type Weigher[K comparable] interface {
	// MarkWeighed is told instead of MarkWritten, which means a weight of 1.
	// Less than 1 counts as 1. A key that is heavier than the capacity is named
	// next, and no other has to go for it.
	MarkWeighed(key K, e, old *entry.Meta, weight int)
}

// Coster is a Strategy that is told what the entries have cost.
type Coster[K comparable] interface {
	// MarkLoaded is told instead of MarkWritten or MarkWeighed where a load has
	// brought the entry, and how long it took: from the call of the source to its
	// return. The weight is as in MarkWeighed, 1 where nobody weighs.
	MarkLoaded(key K, e, old *entry.Meta, weight int, took time.Duration)
}

// Over is a Strategy that can be over its capacity by more than the key that was
// written last: after a heavy write, or when its capacity has become smaller.
type Over[K comparable] interface {
	// Victims names keys to be released now, as NextToRelease does, at most so
	// many at once. It is to be asked until it names none.
	Victims(most int) []K
}

// Clocked is a Strategy that prefers to name expired entries, where it comes
// across them. Without a clock it does not know of any.
type Clocked interface {
	// SetClock gives it a clock, which is read at most once for each key that is
	// named, with the strategy's lock held.
	SetClock(now func() entry.Instant)
}
