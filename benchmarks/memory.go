package benchmarks

import (
	"runtime"
)

// MemoryEntries is how many entries are held when memory is measured.
const MemoryEntries = 1_000_000

// Payload is what the key's text and the value take by themselves.
const Payload = keyLength + 64

// Footprint is how many bytes of heap a contender takes for an entry: key,
// value and everything that it keeps beside them. Half of its capacity is used.
func Footprint(c Contender, entries int) float64 {
	before := heap()
	var source counted
	cache := c.Strings(Lasting(2*entries), source.string)
	const piece = 1 << 12
	keys := make([]string, 0, piece)
	for from := 0; from < entries; from += piece {
		keys = keys[:0]
		for i := range min(piece, entries-from) {
			keys = append(keys, keyOf(uint64(from+i)))
		}
		Fill(cache, keys, &source.loads)
	}
	clear(keys[:cap(keys)])
	cache.Settle()
	after := heap()
	held := cache.Len()
	cache.Close()
	return float64(after-before) / float64(held)
}

// heap is how many bytes of the heap are in use.
func heap() int64 {
	for range 3 { // pools are emptied by the second
		runtime.GC()
	}
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}
