//go:build unix

// Command mutation finds out what no test notices. It puts small faults into a
// package, one at a time, and runs the package's own tests against each: a mutant
// that no test kills is a line that could be wrong without anybody knowing.
//
//	go run ./internal/mutation ./statuses ./storage
//
// All mutants of a package are in one test binary, which an environment variable
// tells which one to switch on; the files of the tree are not touched. A test that
// fails, panics or hangs kills. Only tests that reach a mutant are run against it.
//
// A package's testdata/mutation.txt lists mutants that change nothing anybody could
// notice, each followed by an indented line with the reason. They are not counted.
package main

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"
)

func main() {
	var o options
	flag.Uint64Var(&o.seed, "seed", 1, "chooses the sample")
	flag.IntVar(&o.sample, "sample", 0, "how many mutants of a package are tried; 0 is all")
	flag.IntVar(&o.processes, "n", runtime.NumCPU(), "how many are tried at once")
	flag.Float64Var(&o.least, "min", 0, "the least score, in percent, of all packages together")
	flag.DurationVar(&o.patience, "patience", 5*time.Second, "how long tests may take beyond five times their time before they count as hanging")
	only := flag.String("run", "", "a regular expression: only mutants whose name it matches")
	names := flag.String("only", "", "a file with names of mutants, one a line: only these")
	tests := flag.String("tests", "", "names of test files, parted by commas: only these, which takes less time to compile")
	flag.BoolVar(&o.list, "list", false, "list the mutants and try none")
	flag.BoolVar(&o.equivalents, "equivalents", false, "try those that are listed as changing nothing, and only them")
	flag.BoolVar(&o.verbose, "v", false, "tell of killed ones too")
	flag.Parse()
	o.out = os.Stdout
	if *tests != "" {
		o.tests = strings.Split(*tests, ",")
	}
	var err error
	if o.run, err = regexp.Compile(*only); err == nil && *names != "" {
		o.only, err = readNames(*names)
	}
	if err == nil {
		err = o.packages(flag.Args())
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "mutation:", err)
		os.Exit(1)
	}
}

type options struct {
	seed              uint64
	sample, processes int
	least             float64
	patience          time.Duration
	run               *regexp.Regexp
	only              map[string]bool
	tests             []string
	list, equivalents bool
	verbose           bool
	out               io.Writer
}

type score struct{ killed, hung, tried int }

func (s score) percent() float64 {
	if s.tried == 0 {
		return 100
	}
	return 100 * float64(s.killed) / float64(s.tried)
}

func (s score) String() string {
	return fmt.Sprintf("%d of %d killed (%d by hanging), %.1f %%", s.killed, s.tried, s.hung, s.percent())
}

func (o *options) packages(patterns []string) error {
	if len(patterns) == 0 {
		return errors.New("name packages: go run ./internal/mutation ./statuses ./storage")
	}
	if o.sample > 0 {
		fmt.Fprintf(o.out, "seed %d, %d mutants of each package\n", o.seed, o.sample)
	}
	var all score
	var wrong []error
	for _, pattern := range patterns {
		s, err := o.mutate(pattern)
		if err != nil {
			wrong = append(wrong, fmt.Errorf("%s: %w", pattern, err))
		}
		all.killed, all.hung, all.tried = all.killed+s.killed, all.hung+s.hung, all.tried+s.tried
	}
	if len(patterns) > 1 && !o.list {
		fmt.Fprintf(o.out, "in all: %v\n", all)
	}
	if all.percent() < o.least {
		wrong = append(wrong, fmt.Errorf("%.1f %% of the mutants are killed, and at least %.1f %% must be: write tests that kill those above, or list them in testdata/mutation.txt with the reason why they change nothing", all.percent(), o.least))
	}
	return errors.Join(wrong...)
}

// mutate tries the mutants of one package.
func (o *options) mutate(pattern string) (score, error) {
	src, err := load(pattern)
	if err != nil {
		return score{}, err
	}
	all, err := src.mutants()
	if err != nil {
		return score{}, err
	}
	listed, err := readEquivalents(filepath.Join(src.dir, "testdata", "mutation.txt"))
	if err != nil {
		return score{}, err
	}
	stale := listed.missing(all)
	chosen := o.choose(all, listed)
	kept, refused, files, err := src.typed(chosen)
	if err != nil {
		return score{}, err
	}
	fmt.Fprintf(o.out, "%s: %d mutants, %d more change nothing by the list, %d more do not type-check; %d chosen\n",
		src.path, len(all)-len(listed)+len(stale)-len(refused), len(listed)-len(stale), len(refused), len(kept))
	if o.verbose {
		for _, m := range refused {
			fmt.Fprintf(o.out, "does not type-check  line %d  %s\n", m.line, m.name)
		}
	}
	if o.list {
		for _, m := range kept {
			fmt.Fprintln(o.out, m.name)
		}
		return score{}, stale.err()
	}
	tmp, err := os.MkdirTemp("", "mutation")
	if err != nil {
		return score{}, err
	}
	defer os.RemoveAll(tmp)
	start := time.Now()
	binary, err := src.build(files, o.tests, tmp)
	if err != nil {
		return score{}, err
	}
	s := &suite{binary: binary, dir: src.dir, tmp: tmp, processes: o.processes, patience: o.patience}
	built := time.Now()
	failing, err := s.learn()
	if err != nil {
		return score{}, err
	}
	if len(failing) > 0 {
		return score{}, fmt.Errorf("tests fail with no mutant switched on: %s", strings.Join(failing, ", "))
	}
	fmt.Fprintf(o.out, "built in %v, %d tests looked at in %v\n", built.Sub(start).Round(time.Second), len(s.tests), time.Since(built).Round(time.Second))
	result := o.try(s, kept)
	fmt.Fprintf(o.out, "%s: %v, in %v\n", src.path, result, time.Since(start).Round(time.Second))
	return result, stale.err()
}

// choose leaves those that are wanted, in the order of the text. A sample is
// chosen by hashes of names, so that a change of one file hardly changes it.
func (o *options) choose(all []*mutant, listed equivalents) []*mutant {
	var chosen []*mutant
	for _, m := range all {
		_, nothing := listed[m.name]
		if nothing == o.equivalents && o.run.MatchString(m.name) && (o.only == nil || o.only[m.name]) {
			chosen = append(chosen, m)
		}
	}
	if o.sample > 0 && o.sample < len(chosen) {
		rank := map[*mutant]uint64{}
		ranks := make([]uint64, len(chosen))
		for i, m := range chosen {
			rank[m] = hash(o.seed, m.name)
			ranks[i] = rank[m]
		}
		slices.Sort(ranks)
		chosen = slices.DeleteFunc(chosen, func(m *mutant) bool { return rank[m] >= ranks[o.sample] })
	}
	return chosen
}

func (o *options) try(s *suite, mutants []*mutant) score {
	verdicts := make([]verdict, len(mutants))
	var mu sync.Mutex
	s.each(len(mutants), func(i int) {
		verdicts[i] = s.try(mutants[i])
		if m := mutants[i]; !verdicts[i].killed || o.verbose {
			mu.Lock()
			defer mu.Unlock()
			fmt.Fprintf(o.out, "%v  line %d  %s\n", verdicts[i], m.line, m.name)
		}
	})
	var r score
	for _, v := range verdicts {
		r.tried++
		if v.killed {
			r.killed++
		}
		if v.hung {
			r.hung++
		}
	}
	return r
}

func hash(seed uint64, name string) uint64 {
	sum := sha256.Sum256(fmt.Appendf(nil, "%d %s", seed, name))
	return binary.BigEndian.Uint64(sum[:])
}
