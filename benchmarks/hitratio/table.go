package main

import (
	"fmt"
	"io"
	"strings"

	"github.com/perennial-go/perennial/benchmarks"
	"github.com/perennial-go/perennial/benchmarks/internal/runner"
)

// head prints what figures depend on.
func (s settings) head(w io.Writer) {
	run := fmt.Sprintf("seed %d, medians of %d replays (least to most) where something is left to chance", s.seed, s.runs)
	if s.weight {
		run += ", sizes in bytes: OPT is then Belady's rule, and no bound"
	}
	if s.cost == costLogNormal {
		run += fmt.Sprintf(", costs log-normal with sigma %g", s.sigma)
	}
	if s.noise > 0 {
		run += fmt.Sprintf(", loads of one key with sigma %g", s.noise)
	}
	if s.drawn > 0 {
		run += fmt.Sprintf(", sizes log-normal with sigma %g", s.drawn)
	}
	var contenders []benchmarks.Contender
	for _, p := range s.policies {
		if p.kind != yardstick {
			contenders = append(contenders, benchmarks.Contender{Name: p.name, Module: p.module, Terms: p.terms})
		}
	}
	runner.Head(w, run, contenders)
}

// print prints a table for each thing that is measured.
func (b *board) print(w io.Writer, s settings) {
	about := fmt.Sprintf("%s requests, %s keys", runner.Count(b.trace.Len()), runner.Count(b.trace.Distinct()))
	b.table(w, "hits %, "+about, func(at, k int) string { return b.results[at][k].hits.percent() }, moreHits)
	if s.weight {
		b.table(w, "bytes of the hits %, "+about, func(at, k int) string { return b.results[at][k].bytes.percent() },
			func(a, b result) bool { return a.bytes.median > b.bytes.median })
	}
	if s.priced() {
		b.table(w, "wait for loads in all, % of what it is without a cache, "+about,
			func(at, k int) string { return b.results[at][k].share.percent() }, lessWait)
		b.table(w, "wait for loads, compared with LRU's / with that of the best plain policy of ours, "+about, b.waits, lessWait)
	}
	b.notes(w)
}

// table prints one figure of each policy at each size, the best ones in bold.
func (b *board) table(w io.Writer, about string, cell func(size, policy int) string, better func(a, b result) bool) {
	fmt.Fprintf(w, "\n### %s: %s\n\n", b.trace.Name, about)
	t := &runner.Table{Head: []string{"policy"}}
	var best []string
	for i, size := range b.sizes {
		t.Head = append(t.Head, runner.Count(int(size.capacity)))
		p, _, _ := b.best(i, better, func(p policy) bool { return p.kind != yardstick || p.name == exactLRU })
		best = append(best, p.name)
	}
	for k, p := range b.policies {
		row := []string{p.name}
		for i := range b.sizes {
			text := cell(i, k)
			if p.name == best[i] {
				text = "**" + text + "**"
			}
			row = append(row, text)
		}
		t.Add(row...)
	}
	t.Write(w)
}

// waits is how long callers wait, compared with LRU and the best plain policy.
func (b *board) waits(at, k int) string {
	lru, plain := b.relativeWait(at, b.results[at][k])
	return fmt.Sprintf("%.3f / %s", lru, plain)
}

// relativeWait compares a result with LRU, and with the best plain policy if
// one takes part.
func (b *board) relativeWait(at int, r result) (lru float64, plain string) {
	base, _ := b.at(at, exactLRU)
	plain = "-"
	if _, best, ok := b.best(at, lessWait, isPlain); ok {
		plain = fmt.Sprintf("%.3f", ratio(r.wait.median, best.wait.median))
	}
	return ratio(r.wait.median, base.wait.median), plain
}

func ratio(a, b float64) float64 {
	if a == b {
		return 1 // both may be 0
	}
	return a / b
}

func isPlain(p policy) bool { return p.plain }

// notes says who held more than was allowed.
func (b *board) notes(w io.Writer) {
	var notes []string
	for i, size := range b.sizes {
		for k, p := range b.policies {
			if held := b.results[i][k].held; held > size.capacity && p.name != unbounded {
				notes = append(notes, fmt.Sprintf("%s held %s of %s", p.name, runner.Count(int(held)), runner.Count(int(size.capacity))))
			}
		}
	}
	if len(notes) > 0 {
		fmt.Fprintf(w, "\nMore than allowed: %s.\n", strings.Join(notes, "; "))
	}
}
