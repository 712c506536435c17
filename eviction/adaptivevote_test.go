package eviction

import "testing"

// voted is a vote in which shadows hold a thousand keys.
type voted struct{ vote }

func (v *voted) hit(which ...way) {
	var hits [ways]bool
	for _, w := range which {
		hits[w] = true
	}
	v.count(hits, 1000)
	v.decide(1000)
}

// until is how many requests that one way alone hits it takes until it is followed.
func (v *voted) until(w way) (requests int) {
	for ; v.now != w && requests < 10_000; requests++ {
		v.hit(w)
	}
	return requests
}

func TestEqualsDoNotTakeTurns(t *testing.T) {
	var v voted
	for range 10_000 {
		v.hit(byInterval, byFrequency, byRecency)
		v.hit()
		v.hit(byFrequency)
		v.hit(byInterval, byRecency)
	}
	if v.now != byInterval {
		t.Errorf("it follows %v, which hits as much as what it followed", v.now)
	}
}

func TestWhatLeadsByEnoughIsFollowed(t *testing.T) {
	for _, c := range []struct {
		name     string
		from, to way
		behind   int // that many requests hit the one that is followed, before
		takes    int
	}{
		{"what costs little to change", byInterval, byFrequency, 0, 2 + 40 + 1},
		{"and back", byFrequency, byInterval, 0, 2 + 40 + 1},
		{"what costs much", byInterval, byRecency, 0, 2 + 125 + 1},
		{"and back", byRecency, byFrequency, 0, 2 + 125 + 1},
		{"from a little behind", byInterval, byFrequency, 100, 100 + 43},
		{"however far it was behind", byInterval, byFrequency, 5000, 502 + 43},
		{"however far it was behind, at much cost", byInterval, byRecency, 5000, 752 + 128},
	} {
		v := voted{vote{now: c.from}}
		for range c.behind {
			v.hit(c.from)
		}
		if takes := v.until(c.to); takes != c.takes {
			t.Errorf("%s: it takes %d requests from %v to %v, want %d", c.name, takes, c.from, c.to, c.takes)
		}
		if v.lead[c.to] != 0 {
			t.Errorf("%s: %v leads itself by %v", c.name, c.to, v.lead[c.to])
		}
	}
}

func TestTheOneThatLeadsMostIsFollowed(t *testing.T) {
	var v voted
	for range 43 {
		v.hit(byRecency, byFrequency)
	}
	if v.now != byFrequency {
		t.Fatalf("it follows %v: a lead of 43 is not enough for recency, and is for frequency", v.now)
	}
	if got := v.lead[byRecency]; got != 0 {
		t.Errorf("recency leads frequency by %v, and hits what it hits", got)
	}
	if got := v.lead[byInterval]; got != -43 {
		t.Errorf("interval leads frequency by %v, want -43", got)
	}
}
