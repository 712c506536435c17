package main

import (
	"math"
	"math/bits"
)

// histogram counts durations in nanoseconds. Below 64 ns each has a bucket of
// its own; above, a bucket is at most one part in 32 wide. The greatest is kept
// as it is.
type histogram struct {
	counts [(64 - halfBits) << halfBits]uint32
	total  uint64
	most   int64
}

// halfBits is the number of bits by which buckets of one power of two differ.
const halfBits = 5

func (h *histogram) record(ns int64) {
	h.counts[bucketOf(ns)]++
	h.total++
	if ns > h.most {
		h.most = ns
	}
}

// bucketOf is the bucket of a duration, in the order of durations.
func bucketOf(ns int64) int {
	n := uint64(max(0, ns))
	shift := max(0, bits.Len64(n)-halfBits-1)
	return shift<<halfBits + int(n>>shift)
}

// endOf is the greatest duration of a bucket.
func endOf(bucket int) int64 {
	shift := max(0, bucket>>halfBits-1)
	return int64(uint64(bucket-shift<<halfBits+1)<<shift - 1)
}

// quantile is the duration that a share of those counted does not exceed, or the
// end of its bucket.
func (h *histogram) quantile(share float64) int64 {
	rank, seen := uint64(math.Ceil(share*float64(h.total))), uint64(0)
	for bucket, n := range h.counts {
		if seen += uint64(n); seen >= rank && seen > 0 {
			return min(endOf(bucket), h.most)
		}
	}
	return h.most
}

// add counts what the other has counted.
func (h *histogram) add(other *histogram) {
	for i, n := range other.counts {
		h.counts[i] += n
	}
	h.total += other.total
	h.most = max(h.most, other.most)
}
