package eviction_test

import (
	"fmt"

	"github.com/perennial-go/perennial/entry"
	"github.com/perennial-go/perennial/eviction"
)

// A strategy is told what is written and read, and names what goes. The engine does that; give
// the strategy to config.Evict.
func ExampleLeastRecentlyUsed() {
	s := eviction.LeastRecentlyUsed[string](2)
	entries := map[string]*entry.Meta{}
	write := func(key string) {
		entries[key] = new(entry.Meta)
		s.MarkWritten(key, entries[key], nil)
		if out, ok := s.NextToRelease(); ok {
			s.MarkReleased(out, entries[out])
			fmt.Println(key, "pushes out", out)
		}
	}
	write("a")
	write("b")
	s.(eviction.Marker).Mark(entries["a"]) // a hit
	write("c")
	// Output: c pushes out b
}
