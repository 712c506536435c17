package main

import (
	"github.com/perennial-go/perennial/benchmarks/internal/runner"
	"github.com/perennial-go/perennial/benchmarks/internal/trace"
)

// policy is one way to choose what goes, in one implementation.
type policy struct {
	name   string
	kind   kind
	chance bool // it is replayed several times: its choices depend on chance or on the keys' hashes
	weighs bool // it can count bytes
	plain  bool // ours: it does one thing whatever it sees
	module string
	terms  string // how it is driven
	open   func(t terms) cache
}

// kind is whose a policy is.
type kind int

const (
	yardstick kind = iota // what everybody is compared with
	ours
	rival
)

func (k kind) String() string { return [...]string{"yardstick", "ours", "rival"}[k] }

// The yardsticks.
const (
	exactLRU  = "LRU"
	optimum   = "OPT"
	unbounded = "None"
)

// terms are what all caches of a comparison are made on.
type terms struct {
	capacity int64    // entries, or bytes where these count
	entries  int      // how many entries that is, about
	bytes    bool     // sizes count
	next     []uint32 // of each request, the next of the same key: for the optimum alone
}

// cache is a policy at work. It is for one goroutine.
type cache interface {
	// get tells whether the key is held. If it is not, it is taken in.
	get(r trace.Request) (hit bool)
	// held is how much is held at most: entries, or bytes where these count.
	// Rivals say what they hold now.
	held() int64
	close()
}

// policies is everybody, in the order of tables.
func policies() []policy {
	all := []policy{
		{name: optimum, kind: yardstick, weighs: true, open: openOptimum},
		{name: exactLRU, kind: yardstick, weighs: true, open: openLRU},
	}
	for _, o := range own {
		all = append(all, o.policy())
	}
	return append(all, rivals()...)
}

// choose is the policies that a list with commas names, or all; the optimum and
// LRU come first always.
func choose(list string) ([]policy, error) {
	all := policies()
	var names []string
	for _, p := range all {
		names = append(names, p.name)
	}
	if list == "all" {
		return all, nil
	}
	chosen, err := runner.Choose(list, names)
	if err != nil {
		return nil, err
	}
	wanted := map[string]bool{optimum: true, exactLRU: true}
	for _, name := range chosen {
		wanted[name] = true
	}
	var kept []policy
	for _, p := range all {
		if wanted[p.name] {
			kept = append(kept, p)
		}
	}
	return kept, nil
}
