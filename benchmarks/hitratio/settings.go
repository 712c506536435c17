package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"runtime"
	"slices"
	"strings"

	"github.com/perennial-go/perennial/benchmarks/internal/runner"
	"github.com/perennial-go/perennial/benchmarks/internal/trace"
)

// settings are what the flags say.
type settings struct {
	traces   []string
	policies []policy
	sizes    []int64 // none lets them be chosen for each trace
	csv, svg string  // files, or nothing
	seed     uint64
	cost     string
	sigma    float64
	noise    float64
	weight   bool
	drawn    float64
	engine   bool
	runs     int
	jobs     int
	summary  bool
	regret   string // a policy, or nothing
}

// What loads cost.
const (
	costNone      = "none"
	costFile      = "file"
	costLogNormal = "lognormal"
)

// chooser is the policy whose regret is asked for where none is named.
const chooser = "Adaptive"

func parse(args []string, w io.Writer) (settings, error) {
	var s settings
	var traces, policies, sizes string
	f := flag.NewFlagSet("hitratio", flag.ContinueOnError)
	f.SetOutput(w)
	f.StringVar(&traces, "trace", strings.Join(trace.Workloads(), ","), "`files`, plain, .gz or .zst, and workloads, with commas between them: see below")
	f.StringVar(&policies, "policy", "all", "`names`, with commas between them; LRU and OPT take part always")
	f.StringVar(&sizes, "sizes", "auto", "how many entries caches hold, `numbers` with commas between them; auto is shares of the keys")
	f.StringVar(&s.csv, "csv", "", "a `file` to write all figures to")
	f.StringVar(&s.svg, "svg", "", "a `file` to draw to; of several traces, each has its name in that of its file")
	f.Uint64Var(&s.seed, "seed", 1, "of workloads, of costs, and of what replays differ in")
	f.StringVar(&s.cost, "cost", costNone, "what loads `cost`: none, file (the third column) or lognormal (drawn for each key)")
	f.Float64Var(&s.sigma, "sigma", 1.5, "the standard deviation of the logarithms of costs that are drawn")
	f.Float64Var(&s.noise, "noise", 0, "lets the costs of one key's loads differ: the standard `deviation` of the logarithms of what each is multiplied by")
	f.BoolVar(&s.weight, "weight", false, "sizes are bytes, and count as the second column says")
	f.Float64Var(&s.drawn, "size-sigma", 0, "with -weight, draws a size for each key, with median 1,000 and this standard `deviation` of the logarithms; 0 takes the second column")
	f.BoolVar(&s.engine, "engine", false, "replay our policies through memoize.Func too, and fail where that makes a difference")
	f.IntVar(&s.runs, "runs", 3, "how often policies are replayed that leave something to chance")
	f.IntVar(&s.jobs, "jobs", runtime.NumCPU(), "how many replays run at once")
	f.BoolVar(&s.summary, "summary", false, "only what is best, over all traces")
	f.StringVar(&s.regret, "regret", "", "with -summary, the `policy` that is set against the best plain one (default "+chooser+", if there is one)")
	f.Usage = func() {
		fmt.Fprintf(w, "Usage of hitratio:\n")
		f.PrintDefaults()
		fmt.Fprintf(w, "\nWorkloads, with the numbers that they have if no others are given:\n\n%s", trace.Usage())
	}
	if err := f.Parse(args); err != nil {
		return s, err
	}
	if f.NArg() > 0 {
		return s, fmt.Errorf("%q is no flag: give files with -trace", f.Arg(0))
	}
	s.traces = runner.Split(traces)
	return s, s.check(policies, sizes)
}

// check makes sense of what was given, or says what makes none.
func (s *settings) check(policies, sizes string) (err error) {
	if s.policies, err = choose(policies); err != nil {
		return fmt.Errorf("-policy: %w", err)
	}
	if s.sizes, err = parseSizes(sizes); err != nil {
		return fmt.Errorf("-sizes: %w", err)
	}
	switch {
	case len(s.traces) == 0:
		return errors.New("-trace: there are none")
	case s.runs < 1 || s.jobs < 1:
		return errors.New("-runs and -jobs: give at least 1")
	case !slices.Contains([]string{costNone, costFile, costLogNormal}, s.cost):
		return fmt.Errorf("-cost: there is no %q, but %s, %s, %s", s.cost, costNone, costFile, costLogNormal)
	case !isSigma(s.sigma) || !isSigma(s.noise) || !isSigma(s.drawn):
		return errors.New("-sigma, -noise and -size-sigma: give a number from 0 to 10")
	case s.drawn > 0 && !s.weight:
		return errors.New("-size-sigma draws sizes, which count with -weight alone: give both")
	case s.weight && s.engine:
		return errors.New("-engine compares what counts entries: leave -weight out")
	case s.summary && s.svg != "":
		return errors.New("-svg draws one trace, and -summary is about all: leave one of them out")
	case s.regret != "" && !s.summary:
		return errors.New("-regret is a part of -summary: give both")
	}
	return s.checkRegret()
}

func isSigma(v float64) bool { return v >= 0 && v <= 10 }

func (s *settings) checkRegret() error {
	if s.regret == "" && s.takesPart(chooser) {
		s.regret = chooser
	}
	if s.regret != "" && !s.takesPart(s.regret) {
		var names []string
		for _, p := range s.policies {
			names = append(names, p.name)
		}
		return fmt.Errorf("-regret: %q does not take part, but %s", s.regret, strings.Join(names, ", "))
	}
	return nil
}

// read reads or draws a trace, with sizes and costs as the flags say.
func (s settings) read(name string) (*trace.Trace, error) {
	read := trace.Read
	if trace.IsWorkload(name) {
		read = func(spec string) (*trace.Trace, error) { return trace.Draw(spec, s.seed) }
	}
	t, err := read(name)
	switch {
	case err != nil:
		return nil, err
	case s.weight && s.drawn == 0 && !t.HasSizes():
		return nil, fmt.Errorf("%s has no sizes: -weight needs a second column, or -size-sigma", name)
	case s.cost == costFile && !t.HasCosts():
		return nil, fmt.Errorf("%s has no costs, and -cost file needs a third column", name)
	}
	return s.furnish(t), nil
}

// furnish gives a trace the sizes and costs that the flags ask for.
func (s settings) furnish(t *trace.Trace) *trace.Trace {
	switch {
	case !s.weight:
		t = t.WithoutSizes()
	case s.drawn > 0:
		t = t.WithLogNormalSizes(s.seed, s.drawn)
	}
	switch s.cost {
	case costLogNormal:
		t = t.WithLogNormalCosts(s.seed, s.sigma)
	case costNone:
		t = t.WithoutCosts()
	}
	if s.noise > 0 {
		t = t.WithNoise(s.seed, s.noise)
	}
	return t
}

// takesPart tells whether a policy was chosen.
func (s settings) takesPart(name string) bool {
	return slices.ContainsFunc(s.policies, func(p policy) bool { return p.name == name })
}

// priced tells whether loads differ in cost.
func (s settings) priced() bool { return s.cost != costNone || s.noise > 0 }
