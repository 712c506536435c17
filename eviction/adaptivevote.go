package eviction

import "math"

// vote is what the shadows have hit lately.
type vote struct {
	hits   [ways]float64
	differ [ways][ways]float64 // requests that one of two hit, and the other did not
}

// What was counted fades: after so many capacities' worth of requests, or so many
// requests if that is more, a third of it is left.
const (
	capacitiesCounted = 4
	requestsCounted   = 2000
)

// A lead counts that chance would give one of two equals once in forty times.
const surely = 2

func (v *vote) count(hits [ways]bool, capacity int) {
	keep := 1 - 1/float64(max(requestsCounted, capacitiesCounted*capacity))
	for a, hit := range hits {
		v.hits[a] *= keep
		if hit {
			v.hits[a]++
		}
		for b := range a {
			v.differ[a][b] *= keep
			if hit != hits[b] {
				v.differ[a][b]++
			}
		}
	}
}

// winner is the way that leads by more than chance would have it, or the one that
// is followed now.
func (v *vote) winner(now way) way {
	best := now
	for w := range ways {
		lead := v.hits[w] - v.hits[now]
		if v.hits[w] > v.hits[best] && lead > 1+surely*math.Sqrt(v.differ[max(w, now)][min(w, now)]) {
			best = w
		}
	}
	return best
}
