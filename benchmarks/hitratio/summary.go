package main

import (
	"fmt"
	"io"

	"github.com/perennial-go/perennial/benchmarks/internal/runner"
)

// summarise prints what is best on each trace at each size, how near everybody
// comes to the optimum on average, and the regret of a policy.
func summarise(w io.Writer, s settings, boards []*board) {
	printBest(w, boards)
	printShares(w, boards)
	if s.regret == "" {
		fmt.Fprintf(w, "\nNo regret is computed: there is no %s, and -regret names none.\n", chooser)
		return
	}
	printRegret(w, s, boards)
}

// printBest prints who is best among ours and among rivals.
func printBest(w io.Writer, boards []*board) {
	fmt.Fprint(w, "\n### the best, hits %\n\n")
	t := &runner.Table{Head: []string{"trace", "size", optimum, exactLRU, "best of ours", "", "best rival", "", "difference"}}
	for _, b := range boards {
		for i, size := range b.sizes {
			opt, _ := b.at(i, optimum)
			lru, _ := b.at(i, exactLRU)
			row := []string{b.trace.Name, runner.Count(int(size.capacity)), percent(opt.hits.median), percent(lru.hits.median)}
			mine, best, some := b.best(i, moreHits, isOurs)
			other, theirs, any := b.best(i, moreHits, isRival)
			row = append(row, orDash(some, mine.name), orDash(some, percent(best.hits.median)), orDash(any, other.name), orDash(any, percent(theirs.hits.median)))
			t.Add(append(row, orDash(some && any, signed(best.hits.median-theirs.hits.median)))...)
		}
	}
	t.Write(w)
}

func isOurs(p policy) bool  { return p.kind == ours }
func isRival(p policy) bool { return p.kind == rival }

func orDash(ok bool, text string) string {
	if ok {
		return text
	}
	return "-"
}

// signed is a difference of shares in points, with its sign.
func signed(difference float64) string { return fmt.Sprintf("%+.1f", 100*difference) }

// printShares prints the mean and the least share of the optimum's hits that each
// policy has.
func printShares(w io.Writer, boards []*board) {
	fmt.Fprint(w, "\n### hits as a share of the optimum's, %, over all traces and sizes\n\n")
	t := &runner.Table{Head: []string{"policy", "mean", "least", "on"}}
	for k, p := range boards[0].policies {
		if p.name == optimum || p.name == unbounded {
			continue
		}
		var shares tally
		for _, b := range boards {
			for i, size := range b.sizes {
				if opt, _ := b.at(i, optimum); opt.hits.median > 0 {
					shares.add(-b.results[i][k].hits.median/opt.hits.median, b.trace.Name+" "+runner.Count(int(size.capacity)))
				}
			}
		}
		t.Add(p.name, percent(-shares.mean()), percent(-shares.worst), shares.on)
	}
	t.Write(w)
}

// tally is figures of which the greater are the worse.
type tally struct {
	count      int
	sum, worst float64
	on         string // where the worst was
}

func (t *tally) add(v float64, on string) {
	if t.count == 0 || v > t.worst {
		t.worst, t.on = v, on
	}
	t.sum += v
	t.count++
}

func (t *tally) mean() float64 { return t.sum / float64(max(1, t.count)) }
