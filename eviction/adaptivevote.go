package eviction

// vote is by how many hits the shadows of the other ways lead the one that is
// followed. It is a sum that has a floor (CUSUM: Page, Biometrika 1954): what was
// long ago does not hold up a change.
type vote struct {
	now  way
	lead [ways]float64
}

// Leads are in capacities of a shadow, which is about what is at stake: what the
// one way holds that the other would not. To begin or to end with recency costs
// most of what is held; frequency and interval keep much the same.
const (
	dearLead   = 0.125 // makes a change,
	dearFloor  = 0.75  // and how far one may fall behind
	cheapLead  = 0.04
	cheapFloor = 0.5
	leastLead  = 2 // hits, in very small caches
)

// bounds is the lead that makes a change from one way to another, and the floor.
func bounds(from, to way, capacity int) (lead, floor float64) {
	lead, floor = cheapLead, cheapFloor
	if from == byRecency || to == byRecency {
		lead, floor = dearLead, dearFloor
	}
	return leastLead + lead*float64(capacity), -leastLead - floor*float64(capacity)
}

// count notes which shadows have hit. They hold so many keys each.
func (v *vote) count(hits [ways]bool, capacity int) {
	for w, hit := range hits {
		switch {
		case hit && !hits[v.now]:
			v.lead[w]++
		case !hit && hits[v.now]:
			v.lead[w]--
			v.bound(way(w), capacity)
		}
	}
}

func (v *vote) bound(w way, capacity int) {
	_, floor := bounds(v.now, w, capacity)
	v.lead[w] = max(floor, v.lead[w])
}

// decide follows the way that leads most, where that makes a change.
func (v *vote) decide(capacity int) way {
	best := v.now
	for w := range ways {
		if lead, _ := bounds(v.now, w, capacity); v.lead[w] > max(lead, v.lead[best]) {
			best = w
		}
	}
	if best != v.now {
		v.now = best
		ahead := v.lead[best]
		for w := range ways {
			v.lead[w] -= ahead
			v.bound(w, capacity)
		}
	}
	return v.now
}
