// Command hitratio replays access traces on eviction policies: ours, those of
// other caches, exact LRU and Belady's optimum.
//
//	go run ./hitratio -trace ../traces/oltp.txt.gz,zipf:s=1.1 -sizes 1000,5000
//	go run ./hitratio -trace ... -cost lognormal -csv all.csv -svg chart.svg
//	go run ./hitratio -trace ... -cost lognormal -noise 0.5 -weight -size-sigma 1.5
//	go run ./hitratio -trace ... -summary
//
// Each cache holds the same number of entries, is asked for each key in turn,
// and is given those that it did not have. Our policies are told what the engine
// would tell them, by a loop without an engine; -engine proves that it makes no
// difference. Those that want to know are told what loads cost, a millisecond for a
// cost of 1. What leaves something to chance is replayed several times, each
// time with other hashes of the keys, and is given as a median and its ends.
package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"

	"github.com/perennial-go/perennial/benchmarks/internal/runner"
	"github.com/perennial-go/perennial/benchmarks/internal/trace"
)

func main() {
	s, err := parse(os.Args[1:], os.Stderr)
	switch {
	case errors.Is(err, flag.ErrHelp):
		return
	case err != nil:
		fmt.Fprintln(os.Stderr, "hitratio:", err)
		os.Exit(2)
	}
	if err := run(s, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "hitratio:", err)
		os.Exit(1)
	}
}

func run(s settings, w io.Writer) error {
	var traces []*trace.Trace // all are read first: what is wrong with one is known early
	for _, name := range s.traces {
		t, err := s.read(name)
		if err != nil {
			return err
		}
		runner.Progress("%s: %s requests, %s keys", t.Name, runner.Count(t.Len()), runner.Count(t.Distinct()))
		traces = append(traces, t)
	}
	s.policies = s.able()
	s.head(w)
	var boards []*board
	for _, t := range traces {
		b, err := fill(s, t)
		if err != nil {
			return err
		}
		boards = append(boards, b)
		if err := s.show(w, b, len(traces) > 1); err != nil {
			return err
		}
	}
	if s.summary {
		summarise(w, s, boards)
	}
	if s.csv != "" {
		return writeCSV(s, boards)
	}
	return nil
}

// able is the policies that can do what is asked for.
func (s settings) able() []policy {
	if !s.weight {
		return s.policies
	}
	var able []policy
	for _, p := range s.policies {
		if p.weighs {
			able = append(able, p)
		} else {
			runner.Progress("%s is left out: it can't count bytes", p.name)
		}
	}
	return able
}

// show prints what is known of one trace, draws it, and proves it on the engine.
func (s settings) show(w io.Writer, b *board, several bool) error {
	if !s.summary {
		b.print(w, s)
	}
	if s.svg != "" {
		if err := b.draw(s, several); err != nil {
			return err
		}
	}
	if s.engine {
		return b.checkEngine(w, s)
	}
	return nil
}
