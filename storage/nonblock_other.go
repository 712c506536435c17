//go:build !unix

package storage

// nonblock is nothing where there is no such thing.
const nonblock = 0
