package main

import (
	"fmt"
	"io"

	"github.com/perennial-go/perennial/benchmarks/internal/runner"
)

// regret is what is lost by a policy against the best plain one of ours, which
// only hindsight knows.
type regret struct {
	size string
	hits tally // shares of the requests that are missing
	wait tally // by how much callers wait longer
}

// regrets is the regret of a policy at each size by name, and last at all sizes.
// Sizes that are shares of what a trace asks for are the same on every trace.
func regrets(of string, boards []*board) []*regret {
	var rows []*regret
	all, bySize := &regret{size: "all"}, map[string]*regret{}
	for _, b := range boards {
		for i, size := range b.sizes {
			_, most, some := b.best(i, moreHits, isPlain)
			_, least, _ := b.best(i, lessWait, isPlain)
			if !some {
				continue
			}
			if bySize[size.name] == nil {
				bySize[size.name] = &regret{size: size.name}
				rows = append(rows, bySize[size.name])
			}
			got, _ := b.at(i, of)
			for _, r := range []*regret{bySize[size.name], all} {
				on := b.trace.Name + " " + runner.Count(int(size.capacity))
				r.hits.add(most.hits.median-got.hits.median, on)
				r.wait.add(ratio(got.wait.median, least.wait.median)-1, on)
			}
		}
	}
	return append(rows, all)
}

// printRegret prints the regret of the policy that the flags name.
func printRegret(w io.Writer, s settings, boards []*board) {
	fmt.Fprintf(w, "\n### regret of %s against the best plain policy of ours\n\n", s.regret)
	t := &runner.Table{Head: []string{"size", "cases", "hits, mean points", "worst", "on"}}
	if s.priced() {
		t.Head = append(t.Head, "wait, mean %", "worst", "on")
	}
	for _, r := range regrets(s.regret, boards) {
		row := []string{r.size, fmt.Sprint(r.hits.count), signed(r.hits.mean()), signed(r.hits.worst), r.hits.on}
		if s.priced() {
			row = append(row, signed(r.wait.mean()), signed(r.wait.worst), r.wait.on)
		}
		t.Add(row...)
	}
	t.Write(w)
}
