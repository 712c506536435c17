package state

import (
	"slices"
	"strings"
	"testing"
	"time"
)

// TestControls has members that get something wrong, and expects the checks to
// find it within some schedules.
func TestControls(t *testing.T) {
	if testing.Short() {
		t.Skip("the checks are tried on what is broken without -short")
	}
	const soon = 20 * time.Millisecond
	deafness := []faultStep{{kind: "deaf all", before: soon, lasts: 2 * wire}}
	locking := []string{"acquire", "use", "release"}
	cuts := []faultStep{{kind: "cut", member: 0, before: 5 * soon, lasts: 3 * hold}}
	for broken, c := range map[string]struct {
		faults []faultStep
		only   []string // of the orders
		wrong  string
	}{
		"changes are not compared":           {nil, nil, "acknowledged, and is lost"},
		"changes are not known again":        {deafness, []string{"update"}, "added once and is there"},
		"changes are acknowledged and lost":  {nil, nil, "is lost"},
		"reads are stale now and then":       {nil, []string{"get", "set"}, "and has read"},
		"counters are read and then written": {nil, []string{"add"}, "counter c"},
		"locks exclude nobody":               {nil, locking, "the lock: " + unexplained},
		"a lost lock is held on to":          {cuts, locking, "the lock: " + unexplained},
		"tokens are counted by each":         {nil, locking, "with the same token"},
	} {
		t.Run(broken, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, false, broken)
			const most = 20
			for seed := range uint64(most) {
				p := newPlan(seed, length)
				if p.faults = c.faults; c.only != nil {
					p = newPlan(seed, 3*length)
					p.faults = c.faults
					p.only(c.only...)
				}
				if broken == "a lost lock is held on to" {
					p.holdOn()
				}
				for _, wrong := range w.wrong(p) {
					if strings.Contains(wrong, c.wrong) {
						t.Logf("found in schedule %d: %.200s", seed, wrong)
						return
					}
				}
			}
			t.Errorf("it is not found in %d schedules", most)
		})
	}
}

// only leaves the orders of some kinds.
func (p *plan) only(kinds ...string) {
	for m := range p.steps {
		p.steps[m] = slices.DeleteFunc(p.steps[m], func(s step) bool { return !slices.Contains(kinds, s.order.Do) })
	}
}

// holdOn has the first member hold the lock for long, and the others try to have
// it.
func (p *plan) holdOn() {
	p.steps[0] = []step{{0, order{Do: "acquire", Name: "job"}}}
	for range 10 {
		p.steps[0] = append(p.steps[0], step{hold / 3, order{Do: "use", Name: "job"}})
	}
	p.steps[0] = append(p.steps[0], step{0, order{Do: "release", Name: "job"}})
	for m := range p.steps[1:] {
		p.steps[m+1][0].pause = hold / 3
	}
}
