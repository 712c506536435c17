package memoize

import "hash/maphash"

// digest stands for a key in what is kept of keys that have gone wrong, which may be
// many and of any length. Its 128 bits come from seeds that nobody outside of the
// process knows, so that no two keys have one.
type digest [2]uint64

var digestSeeds = [2]maphash.Seed{maphash.MakeSeed(), maphash.MakeSeed()}

func digestOf[K comparable](key K) digest {
	return digest{maphash.Comparable(digestSeeds[0], key), maphash.Comparable(digestSeeds[1], key)}
}
