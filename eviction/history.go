package eviction

import "math/bits"

// history remembers of keys that are gone when they were used last and how
// often. It takes four bytes for each: 16 bits of the key's hash, 12 of the time
// and 4 of the count. So it takes one key for another once in ten thousand, and
// where a bucket is full it forgets the oldest.
type history struct {
	buckets [][bucketSize]uint32 // 0 where there is nothing
}

const (
	bucketSize = 8
	bucketLoad = 6 // keys that a bucket is meant for

	whenBits  = 12
	countBits = 4
	tagShift  = whenBits + countBits
	mostWhen  = 1<<whenBits - 1
	mostCount = 1<<countBits - 1
)

// fit makes room for a number of keys. Where that means another table, what was
// remembered is lost.
func (h *history) fit(keys int) {
	have := len(h.buckets) * bucketLoad
	if have == 0 || keys > have+have/2 || keys < have/4 && len(h.buckets) > 1 {
		h.buckets = make([][bucketSize]uint32, keys/bucketLoad+1)
	}
}

// find returns the hash's bucket, and what it is known by there.
func (h *history) find(hash uint64) (bucket *[bucketSize]uint32, tag uint32) {
	i, _ := bits.Mul64(hash, uint64(len(h.buckets)))
	return &h.buckets[i], max(1, uint32(hash)>>tagShift)
}

// remember notes a time, which lies before now, and a count for a key.
func (h *history) remember(hash uint64, when, now uint32, count uint8) {
	bucket, tag := h.find(hash)
	slot, oldest := 0, uint32(0)
	for i, known := range bucket {
		if known == 0 || known>>tagShift == tag {
			slot = i
			break
		}
		if age := (now - known>>countBits) & mostWhen; age >= oldest {
			slot, oldest = i, age
		}
	}
	bucket[slot] = tag<<tagShift | when&mostWhen<<countBits | min(mostCount, uint32(count))
}

// recall returns how long before now the time is that was noted for a key, and
// the count, and forgets both.
func (h *history) recall(hash uint64, now uint32) (age uint32, count uint8, known bool) {
	if len(h.buckets) == 0 {
		return 0, 0, false
	}
	bucket, tag := h.find(hash)
	for i, slot := range bucket {
		if slot>>tagShift == tag {
			bucket[i] = 0
			return (now - slot>>countBits) & mostWhen, uint8(slot & mostCount), true
		}
	}
	return 0, 0, false
}
