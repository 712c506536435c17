package trace

import (
	"math"
	"math/rand/v2"
	"slices"
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

// run is consecutive keys, which come back.
type run struct {
	first, length uint64
	due           int // the request from which they may come back
}

// runKeys asks nine times in ten for the next key of a run. When a run ends, the
// one that is due for longest comes back, or else one that has not come before, as long as
// there is one. The popular keys are a tenth of all.
func runKeys(p params, r *rand.Rand) func() uint64 {
	keys, cache := uint64(p["keys"]), int(p["cache"])
	popular := max(1, keys/10)
	rank := zipf(r, int(popular), p["s"])
	var waiting []run // in the order of due
	now, next, current, at := 0, popular, run{}, uint64(0)
	follow := func() {
		if current.length > 0 && (next >= keys || r.Float64() >= 1/p["times"]) {
			current.due = now + cache + r.IntN(2*cache+1)
			i := sort.Search(len(waiting), func(i int) bool { return waiting[i].due > current.due })
			waiting = slices.Insert(waiting, i, current)
		}
		at = 0
		if len(waiting) > 0 && (waiting[0].due <= now || next >= keys) {
			current, waiting = waiting[0], waiting[1:]
			return
		}
		length := max(1, uint64(p["length"])/2+r.Uint64N(uint64(p["length"])+1))
		current = run{first: next, length: min(length, max(next+1, keys)-next)}
		next += current.length
	}
	return func() uint64 {
		now++
		if r.IntN(10) == 0 {
			return rank()
		}
		if at == current.length {
			follow()
		}
		at++
		return current.first + at - 1
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
