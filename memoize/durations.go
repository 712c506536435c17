package memoize

import (
	"math/bits"
	"sync/atomic"
	"time"
)

// Durations counts how long something took, in ranges whose bounds are powers of two
// of a second, so that monitoring systems with exponential buckets can take them as
// they are: those of Prometheus's native histograms in schema 0, and OpenTelemetry's
// exponential ones in scale 0. The zero value counts nothing.
type Durations struct {
	Count uint64        // how many
	Sum   time.Duration // how long they took together

	// Buckets[0] counts those of at most 2^-20 seconds, about a microsecond,
	// Buckets[i] those of more than DurationBound(i-1) and at most
	// DurationBound(i), the last all that took longer.
	Buckets [DurationBuckets]uint64
}

// DurationBuckets is how many ranges Durations tells apart, the last of which begins
// at 2^22 seconds, or 48 days.
const DurationBuckets = 44

// finest is what DurationBound(0) is a fraction of a second of, as a power of two.
const finest = 20

// DurationBound is the longest duration, in seconds, that is counted in
// Durations.Buckets[i]: 2^(i-20). The last bucket has longer ones, too.
func DurationBound(i int) float64 {
	if i < finest {
		return 1 / float64(uint64(1)<<(finest-i))
	}
	return float64(uint64(1) << (i - finest))
}

// durationBucket is the place of a duration in Durations.Buckets.
func durationBucket(d time.Duration) int {
	const longest = time.Duration(1) << (DurationBuckets - finest - 1) * time.Second
	if d <= 0 {
		return 0
	}
	d = min(d, longest)
	whole, rest := d/time.Second, d%time.Second // for all of it times 2^20 has no room
	parts := uint64(whole)<<finest + (uint64(rest)<<finest+uint64(time.Second)-1)/uint64(time.Second)
	return bits.Len64(parts - 1)
}

// durations are what Durations is made of.
type durations struct {
	sum     atomic.Int64
	buckets [DurationBuckets]atomic.Uint64
}

func (d *durations) add(took time.Duration) {
	took = max(took, 0) // a clock that was handed in may go back
	d.sum.Add(int64(took))
	d.buckets[durationBucket(took)].Add(1)
}

func (d *durations) snapshot() Durations {
	s := Durations{Sum: time.Duration(d.sum.Load())}
	for i := range d.buckets {
		s.Buckets[i] = d.buckets[i].Load()
		s.Count += s.Buckets[i]
	}
	return s
}
