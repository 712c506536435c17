//go:build !unix

package snapshot

// nonblock is nothing where there is no such thing.
const nonblock = 0
