package main

import (
	"encoding/csv"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// output is what a command line prints.
func output(t *testing.T, args ...string) string {
	t.Helper()
	var b strings.Builder
	if err := run(parsed(t, args...), &b); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestRunPrintsWhatIsKnown(t *testing.T) {
	// With two places, LRU has a and b once each of six, and so has the optimum, and
	// what is updated last goes last anyway.
	name := written(t, "a\nb\na\nb\nc\nd\n")
	got := output(t, "-trace", name, "-sizes", "1,2", "-policy", "LeastRecentlyUpdated")
	for _, want := range []string{
		"### mine: hits %, 6 requests, 4 keys",
		"| policy | 1 | 2 |",
		"| OPT | 0.0 | 33.3 |",
		"| LRU | **0.0** | **33.3** |",
		"| LeastRecentlyUpdated | 0.0 | 33.3 |",
	} {
		if !strings.Contains(got, want+"\n") {
			t.Errorf("it does not say %q:\n%s", want, got)
		}
	}
}

func TestRunRepeatsWithItsSeed(t *testing.T) {
	args := []string{"-trace", "zipf:n=3000:keys=200,shift:n=3000:keys=200", "-policy", "LeastRecentlyUpdated,golang-lru-ARC", "-cost", "lognormal", "-seed"}
	first, again, other := output(t, append(args, "7")...), output(t, append(args, "7")...), output(t, append(args, "8")...)
	if first != again {
		t.Errorf("with the same seed:\n%s\nand\n%s", first, again)
	}
	if strings.ReplaceAll(first, "seed 7", "") == strings.ReplaceAll(other, "seed 8", "") {
		t.Error("another seed makes no difference")
	}
}

// On several workers the figures are the same.
func TestRunOnSeveralWorkers(t *testing.T) {
	args := []string{"-trace", "zipf:n=3000:keys=200", "-policy", "LeastRecentlyUpdated,golang-lru-2Q"}
	if one, three := output(t, args...), output(t, append(args, "-jobs", "3")...); one != three {
		t.Errorf("on one worker:\n%s\non three:\n%s", one, three)
	}
}

func TestRunWritesCSVAndCharts(t *testing.T) {
	dir := t.TempDir()
	table, drawing := filepath.Join(dir, "all.csv"), filepath.Join(dir, "hits.svg")
	output(t, "-trace", "zipf:n=2000:keys=100,loop:n=2000:keys=100", "-sizes", "20,50", "-policy", "LeastRecentlyUpdated", "-cost", "lognormal", "-csv", table, "-svg", drawing)
	f, err := os.Open(table)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	rows, err := csv.NewReader(f).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	if want := 1 + 2*2*3; len(rows) != want {
		t.Fatalf("%d rows, want %d: 2 traces, 2 sizes, 3 policies and a head", len(rows), want)
	}
	column := map[string]int{}
	for i, name := range rows[0] {
		column[name] = i
	}
	for _, row := range rows[1:] {
		ratio, err := strconv.ParseFloat(row[column["hit_ratio"]], 64)
		if err != nil || ratio < 0 || ratio > 1 {
			t.Errorf("the hit ratio of %q is %q", row, row[column["hit_ratio"]])
		}
		if row[column["policy"]] == exactLRU && row[column["wait_to_lru"]] != "1.000000" {
			t.Errorf("LRU's wait is %q of its own", row[column["wait_to_lru"]])
		}
	}
	for _, name := range []string{
		"hits-zipf-n-2000-keys-100.svg", "hits-loop-n-2000-keys-100.svg",
		"hits-zipf-n-2000-keys-100-wait.svg", "hits-loop-n-2000-keys-100-wait.svg",
	} {
		svg, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		if lines := strings.Count(string(svg), "<polyline"); lines != 3 {
			t.Errorf("%s has %d lines, want one for each of 3 policies", name, lines)
		}
	}
}

// Sizes decide what fits, and costs how long callers wait.
func TestRunCountsBytesAndCosts(t *testing.T) {
	name := written(t, "a,1,1\nb,50,100\na,1,1\nb,50,100\n") // b does not fit into 10
	got := output(t, "-trace", name, "-weight", "-cost", "file", "-sizes", "10,100", "-policy", "LRU")
	for _, want := range []string{
		"| LRU | **25.0** | **50.0** |",
		"| LRU | **1.0** | **50.0** |",  // of the bytes
		"| LRU | **99.5** | **50.0** |", // of the costs
		"| OPT | 1.000 / - | 1.000 / - |",
	} {
		if !strings.Contains(got, want+"\n") {
			t.Errorf("it does not say %q:\n%s", want, got)
		}
	}
}

func TestRunRefuses(t *testing.T) {
	plain := written(t, "a\nb\n")
	for _, args := range [][]string{
		{"-trace", filepath.Join(t.TempDir(), "none.gz")},
		{"-trace", plain, "-weight"},
		{"-trace", plain, "-cost", "file"},
		{"-trace", "zipf:keys=0"},
		{"-trace", plain, "-csv", filepath.Join(t.TempDir(), "none", "x.csv")},
		{"-trace", plain, "-svg", filepath.Join(t.TempDir(), "none", "x.svg")},
	} {
		if err := run(parsed(t, append(args, "-policy", "LRU")...), new(strings.Builder)); err == nil {
			t.Errorf("%v is run", args)
		}
	}
}

func TestRunProvesOnTheEngine(t *testing.T) {
	got := output(t, "-trace", "zipf:n=1000:keys=100", "-sizes", "20", "-policy", "LeastRecentlyUpdated", "-engine")
	if !strings.Contains(got, "of a bare strategy / of a memoize.Func") || !strings.Contains(got, "| LeastRecentlyUpdated | ") {
		t.Errorf("there is no proof:\n%s", got)
	}
}

// A policy of ours that keeps more than it may is an error, and no figure.
func TestRunRefusesWhoHoldsTooMuch(t *testing.T) {
	greedy := ownPolicy{name: "Greedy", plain: true, make: own[0].make} // which keeps everything
	s := parsed(t, "-trace", "zipf:n=1000:keys=100", "-sizes", "20")
	s.policies = append(s.policies[:2:2], greedy.policy())
	err := run(s, new(strings.Builder))
	if err == nil || !strings.Contains(err.Error(), "Greedy at 20 has held") {
		t.Errorf("got %v", err)
	}
}

func TestSummary(t *testing.T) {
	got := output(t, "-trace", "zipf:n=2000:keys=100,loop:n=2000:keys=100", "-sizes", "20,50", "-policy", "LeastRecentlyUpdated,golang-lru-2Q", "-summary", "-regret", "golang-lru-2Q", "-cost", "lognormal")
	for _, want := range []string{
		"| trace | size | OPT | LRU | best of ours |  | best rival |  | difference |",
		"| loop:n=2000:keys=100 | 20 |",
		"### regret of golang-lru-2Q against the best plain policy of ours",
		"\n| 20 | 2 |", "\n| 50 | 2 |", "\n| all | 4 |",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("it does not say %q:\n%s", want, got)
		}
	}
	if strings.Contains(got, "requests,") {
		t.Errorf("it has tables of single traces:\n%s", got)
	}
}
