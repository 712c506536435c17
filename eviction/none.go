package eviction

import "github.com/perennial-go/perennial/entry"

// None never releases anything: for a storage that bounds itself.
func None[K comparable]() Strategy[K] { return none[K]{} }

type none[K comparable] struct{}

func (none[K]) MarkRead(K)                        {}
func (none[K]) MarkWritten(_ K, _, _ *entry.Meta) {}
func (none[K]) MarkReleased(_ K, _ *entry.Meta)   {}
func (none[K]) NextToRelease() (key K, ok bool) {
	return key, false
}
func (none[K]) IgnoresReads()  {}
func (none[K]) Reset()         {}
func (none[K]) String() string { return "None" }

// IsNone tells whether a strategy is None, which needs to be told nothing.
func IsNone[K comparable](s Strategy[K]) bool {
	_, ok := s.(none[K])
	return ok
}
