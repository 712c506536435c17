package config

import "github.com/perennial-go/perennial/observe"

// OnRelease is told of each value that nobody can get from the storage in memory any more,
// with its key and why: once for each value that a load, a Set, an Update or a Restore has
// brought, also if it never was stored. It is where a value's file is removed or a gauge
// goes down.
//
//	config.OnRelease(func(name string, b *Blob, why observe.ReleaseCause) { released.WithLabelValues(why.String()).Inc() })
//
// A call that is under way may still return the value afterwards, and callers may still
// use it: to free what others hold, count them in the value, with an acquire that fails
// once it is free. Nothing is told of a value that stays, as with Touch, nor where a pointer
// is replaced by the same one; and nothing of a Set that returns an error, nor of what
// Direct, a function that is bypassed, and keys that are not equal to themselves bring.
//
// release is called with no lock held and the key free, on the goroutine that has changed
// the storage: a load's, once its callers have been answered, or that of a caller of
// Invalidate, Set, Apply or Close, before it returns. It is called concurrently, and in
// no order, not even for one key. It may call the function, but not its Wait and Close. If
// it blocks it holds up that goroutine. A panic is reported, counted and otherwise ignored.
//
// Close empties the storage and tells the cause observe.ReleaseClosed, so that nothing is
// left to Save. A storage that Apply puts out of force is emptied: observe.ReleaseCleared.
// A function that is collected without Close tells nothing, and neither does what is done
// to a storage past the function. It needs a *storage.InMemory, which is the default; with
// another storage it is refused. Applied to a Live, it concerns what leaves from then on.
// Default: nobody is told.
func OnRelease[K comparable, V any](release func(key K, value V, why observe.ReleaseCause)) Option {
	return setting("OnRelease", func(dr *draft) { dr.onRelease = part(release) })
}
