// Package digest makes digests of keys of any type and length.
package digest

import "hash/maphash"

// Digest stands for a key where many keys of any length are remembered. Its 128 bits
// come from seeds that nobody outside of the process knows, so that no two keys have
// the same one.
type Digest [2]uint64

var seeds = [2]maphash.Seed{maphash.MakeSeed(), maphash.MakeSeed()}

// Of is the digest of a key.
func Of[K comparable](key K) Digest {
	return Digest{maphash.Comparable(seeds[0], key), maphash.Comparable(seeds[1], key)}
}
