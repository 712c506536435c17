package state

import (
	"fmt"
	"math/rand/v2"
	"time"
)

const members = 3

// plan is what happens in a schedule, all of it drawn from a seed. What comes of
// it is up to the machine as well.
type plan struct {
	seed   uint64
	steps  [members][]step
	faults []faultStep
}

// step is an order to a member, after a pause.
type step struct {
	pause time.Duration
	order order
}

// faultStep is something that goes wrong for a time.
type faultStep struct {
	kind          string
	member        int // that is struck, where it is not all
	before, lasts time.Duration
}

// How often what is drawn.
var (
	kinds = []string{
		"update", "update", "update", "update", "update", "update",
		"set", "set", "delete", "board", "get", "get", "get", "get", "log",
		"add", "add", "add", "lock", "lock", "flush",
	}
	faultKinds = []string{"halt", "halt", "kill", "kill", "cut", "cut all", "deaf", "deaf", "deaf all"}
)

func newPlan(seed uint64, length int) *plan {
	p := &plan{seed: seed}
	random := rand.New(rand.NewPCG(seed, 0))
	ms := func(most int) time.Duration { return time.Duration(random.IntN(most+1)) * time.Millisecond }
	for m := range p.steps {
		for n := range length {
			unique := fmt.Sprintf("%d.%d", m, n)
			pause := ms(25)
			add := func(o order) { p.steps[m] = append(p.steps[m], step{pause, o}) }
			switch kind := kinds[random.IntN(len(kinds))]; kind {
			case "update", "log":
				add(order{Do: kind, Name: fmt.Sprint("log", random.IntN(2)), Value: unique})
			case "set", "delete":
				add(order{Do: kind, Name: fmt.Sprint("cell", m), Value: fmt.Sprint(n)})
			case "get":
				add(order{Do: kind, Name: fmt.Sprint("cell", random.IntN(members))})
			case "board":
				add(order{Do: "set", Name: "board", Value: unique})
			case "add":
				add(order{Do: kind, Name: fmt.Sprint("c", random.IntN(2)), N: 1 + random.Int64N(1000)})
			case "lock":
				add(order{Do: "acquire", Name: "job"})
				for range 1 + random.IntN(3) {
					if pause = ms(10); random.IntN(6) == 0 {
						pause = hold + ms(100)
					}
					add(order{Do: "use", Name: "job"})
				}
				pause = ms(10)
				add(order{Do: "release", Name: "job"})
			default:
				add(order{Do: kind})
			}
		}
	}
	for range 1 + random.IntN(3) {
		p.faults = append(p.faults, faultStep{
			kind: faultKinds[random.IntN(len(faultKinds))], member: random.IntN(members),
			before: ms(60), lasts: 20*time.Millisecond + ms(280),
		})
	}
	return p
}

// String tells what goes wrong.
func (p *plan) String() string {
	text := fmt.Sprintf("seed %d:", p.seed)
	for _, f := range p.faults {
		text += fmt.Sprintf(" %s (%d) after %v for %v;", f.kind, f.member, f.before, f.lasts)
	}
	return text
}
