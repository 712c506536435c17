package memcachedstore

import (
	"crypto/sha1"
	"encoding/hex"
	"strings"
)

const (
	// maxKey is the longest key that is kept as it is.
	maxKey = 249
	// hashed is what every key begins with that is not kept as it is, and no other.
	hashed = "ring-sha1:"
)

// onServer is the key under which memcached has a record: ring's rule.
func onServer(key string) string {
	if isLegal(key) && !strings.HasPrefix(key, hashed) {
		return key
	}
	sum := sha1.Sum([]byte(key))
	return hashed + hex.EncodeToString(sum[:])
}

// isLegal reports whether a key is one for memcached's text protocol, and printed
// as it is.
func isLegal(key string) bool {
	for i := range len(key) {
		if key[i] < '!' || key[i] > '~' {
			return false
		}
	}
	return key != "" && len(key) <= maxKey
}
