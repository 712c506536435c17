package main

import (
	"errors"
	"fmt"
	"sync"

	"github.com/perennial-go/perennial/benchmarks/internal/runner"
	"github.com/perennial-go/perennial/benchmarks/internal/trace"
)

// board is what all policies come to on one trace.
type board struct {
	trace    *trace.Trace
	sizes    []size
	policies []policy
	results  [][]result // by size, then by policy
}

// job is a policy at a size.
type job struct {
	board        *board
	size, policy int
}

// fill replays a trace on every policy at every size.
func fill(s settings, t *trace.Trace) (*board, error) {
	b := &board{trace: t, sizes: sizesFor(s.sizes, t), policies: s.policies}
	var jobs []job
	for i := range b.sizes {
		b.results = append(b.results, make([]result, len(b.policies)))
		for k := range b.policies {
			jobs = append(jobs, job{b, i, k})
		}
	}
	next := t.Next()
	errs := make([]error, len(jobs))
	inParallel(s.jobs, len(jobs), func(i int) {
		j := jobs[i]
		runner.Progress("%s, %d of %d: %v", t.Name, i+1, len(jobs), j)
		b.results[j.size][j.policy], errs[i] = j.run(s, next)
	})
	return b, errors.Join(errs...)
}

func (j job) String() string {
	return fmt.Sprintf("%s at %s", j.board.policies[j.policy].name, runner.Count(int(j.board.sizes[j.size].capacity)))
}

// run replays the trace as often as the policy needs.
func (j job) run(s settings, next []uint32) (result, error) {
	p, t := j.board.policies[j.policy], j.board.terms(s, j.size, next)
	runs := 1
	if p.chance {
		runs = s.runs
	}
	var outcomes []outcome
	for run := range runs {
		c := p.open(t)
		outcomes = append(outcomes, replay(j.board.trace, c, salt(s.seed, run)))
		c.close()
	}
	r := resultOf(outcomes)
	if p.kind == ours && r.held > t.capacity {
		return r, fmt.Errorf("%s: %v has held %s: its hits are not to be compared", j.board.trace.Name, j, runner.Count(int(r.held)))
	}
	return r, nil
}

// inParallel does things 0 to n-1, some at once.
func inParallel(workers, n int, do func(i int)) {
	queue := make(chan int)
	var all sync.WaitGroup
	for range workers {
		all.Go(func() {
			for i := range queue {
				do(i)
			}
		})
	}
	for i := range n {
		queue <- i
	}
	close(queue)
	all.Wait()
}

// terms are those of every cache at a size.
func (b *board) terms(s settings, size int, next []uint32) terms {
	capacity := b.sizes[size].capacity
	t := terms{capacity: capacity, entries: int(capacity), bytes: s.weight, next: next}
	if s.weight {
		mean := float64(b.trace.Volume()) / float64(b.trace.Distinct())
		t.entries = max(1, int(float64(capacity)/mean))
	}
	return t
}

// salt is what a replay's keys differ by from those of the trace.
func salt(seed uint64, run int) uint64 { return seed + uint64(run) }

// at is the result of a policy at a size, by name.
func (b *board) at(size int, name string) (result, bool) {
	for k, p := range b.policies {
		if p.name == name {
			return b.results[size][k], true
		}
	}
	return result{}, false
}

// best is the policy of a kind that is best at a size, among those that suit.
func (b *board) best(size int, better func(a, b result) bool, suits func(p policy) bool) (policy, result, bool) {
	at := -1
	for k, p := range b.policies {
		if suits(p) && (at < 0 || better(b.results[size][k], b.results[size][at])) {
			at = k
		}
	}
	if at < 0 {
		return policy{}, result{}, false
	}
	return b.policies[at], b.results[size][at], true
}

func moreHits(a, b result) bool { return a.hits.median > b.hits.median }
func lessWait(a, b result) bool { return a.wait.median < b.wait.median }
