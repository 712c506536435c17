package eviction

import (
	"github.com/perennial-go/perennial/entry"
	"github.com/perennial-go/perennial/internal/module"
)

// None never releases anything: for a storage that bounds itself.
func None[K comparable]() Strategy[K] { return none[K]{} }

type none[K comparable] struct{}

func (none[K]) MarkRead(K)                        {}
func (none[K]) MarkWritten(_ K, _, _ *entry.Meta) {}
func (none[K]) MarkReleased(_ K, _ *entry.Meta)   {}
func (none[K]) NextToRelease() (key K, ok bool) {
	return key, false
}
func (none[K]) IgnoresReads()               {}
func (none[K]) ReleasesNothing(module.Only) {}
func (none[K]) Reset()                      {}
func (none[K]) String() string              { return "None" }
