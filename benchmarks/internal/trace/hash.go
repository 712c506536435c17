package trace

import "strconv"

// numberOf is the number that stands for a key: itself if it is one, as it would
// be in a program, otherwise its hash.
func numberOf(key []byte) uint64 {
	if n, err := strconv.ParseUint(string(key), 10, 64); err == nil && (key[0] != '0' || len(key) == 1) {
		return n
	}
	return hash(key)
}

// hash is 64 bits that stand for a key: FNV-1a (Fowler, Noll and Vo), mixed. It
// is the same in every process. That two of ten million keys have the same one
// is a matter of three in a million.
func hash(key []byte) uint64 {
	h := uint64(14695981039346656037)
	for _, b := range key {
		h = (h ^ uint64(b)) * 1099511628211
	}
	return mix(h)
}

// mix gives every number another one, in which each bit depends on all bits: the
// last step of SplitMix64 (Steele, Lea and Flood, OOPSLA 2014).
func mix(n uint64) uint64 {
	n = (n ^ n>>30) * 0xbf58476d1ce4e5b9
	n = (n ^ n>>27) * 0x94d049bb133111eb
	return n ^ n>>31
}
