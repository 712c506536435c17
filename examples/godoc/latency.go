package main

import (
	"math/bits"
	"sync/atomic"
	"time"
)

// histogram counts durations in 16 ranges for each power of two, so that a
// quantile is at most a sixteenth too high. The zero histogram is empty. Its
// methods may be called concurrently.
type histogram struct {
	counts [61 * 16]atomic.Uint64
}

// add counts a duration.
func (h *histogram) add(d time.Duration) {
	n := uint64(max(0, d))
	if n < 16 {
		h.counts[n].Add(1)
		return
	}
	shift := bits.Len64(n) - 5 // leaves five bits, the first of them set
	h.counts[shift*16+int(n>>shift)].Add(1)
}

// quantile is the duration that the share q of all does not exceed, or 0 where
// there are none.
func (h *histogram) quantile(q float64) time.Duration {
	var all uint64
	for i := range h.counts {
		all += h.counts[i].Load()
	}
	rank := uint64(q * float64(all))
	for i := range h.counts {
		n := h.counts[i].Load()
		if n > rank {
			return longest(i)
		}
		rank -= n
	}
	return 0
}

// longest is the longest duration in a range.
func longest(i int) time.Duration {
	if i < 32 {
		return time.Duration(i)
	}
	shift := i/16 - 1
	return time.Duration(17+i%16)<<shift - 1
}

// short is a duration in two or three digits.
func short(d time.Duration) time.Duration {
	unit := time.Duration(1)
	for d >= 1000*unit {
		unit *= 10
	}
	return d.Round(unit)
}
