// Package entry holds what a cache keeps for a key: a value with the instants
// of its life.
//
//	created ──── fresh ────▶ update-after ──── stale ────▶ expires-after ──▶ expired
//
// A fresh entry is served as it is. A stale one is served too, while one
// refresh runs in the background. An expired one is never served. At an
// instant itself the later state holds.
//
// A [Builder] decides how long a value lives. [LifeSpan] gives every value the
// same life; [LifeOf] asks a function for it, and [BuilderFunc] builds the whole entry.
//
// The model is py-memoize's CacheEntry and CacheEntryBuilder.
package entry
