package trace

import (
	"math"
	"math/rand/v2"
	"sort"
)

// zipf draws ranks from 0 on by a Zipf distribution of any exponent: that of
// math/rand takes none of 1 or less, which most traces have.
func zipf(r *rand.Rand, count int, s float64) (rank func() uint64) {
	upTo, sum := make([]float64, count), 0.0
	for i := range upTo {
		sum += math.Pow(float64(i+1), -s)
		upTo[i] = sum
	}
	return func() uint64 {
		at := sort.SearchFloat64s(upTo, r.Float64()*sum)
		return uint64(min(at, count-1))
	}
}

func zipfKeys(p params, r *rand.Rand) func() uint64 {
	return zipf(r, int(p["keys"]), p["s"])
}

func loopKeys(p params, _ *rand.Rand) func() uint64 {
	at, keys := uint64(0), uint64(p["keys"])
	return func() uint64 {
		at++
		return at % keys
	}
}

// scanKeys counts the requests between scans from the end of one to the
// beginning of the next.
func scanKeys(p params, r *rand.Rand) func() uint64 {
	popular, fresh := zipfKeys(p, r), uint64(p["keys"])
	every, length, at := int(p["every"]), int(p["length"]), 0
	return func() uint64 {
		at++
		if at > every {
			if at == every+length {
				at = 0
			}
			fresh++
			return fresh
		}
		return popular()
	}
}

func shiftKeys(p params, r *rand.Rand) func() uint64 {
	rank, keys := zipfKeys(p, r), uint64(p["keys"])
	every, by, at, offset := int(p["every"]), uint64(p["by"]), 0, uint64(0)
	return func() uint64 {
		if at++; at > every {
			at, offset = 1, offset+by
		}
		return (rank() + offset) % keys
	}
}
