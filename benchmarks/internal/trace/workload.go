package trace

import (
	"fmt"
	"math"
	"math/rand/v2"
	"strconv"
	"strings"
)

// workload is a kind of trace that is drawn.
type workload struct {
	name   string
	about  string
	params []param
	keys   func(p params, r *rand.Rand) (next func() uint64)
}

// param is a number that a workload can be given.
type param struct {
	name  string
	value float64 // where none is given
	about string
}

type params map[string]float64

// The numbers that more than one workload has.
var (
	requests = param{"n", 300_000, "requests"}
	distinct = param{"keys", 30_000, "distinct keys"}
	skew     = param{"s", 0.9, "exponent of the Zipf distribution"}
)

// workloads is every kind.
var workloads = []workload{
	{"zipf", "keys by a Zipf distribution", []param{requests, distinct, skew}, zipfKeys},
	{"loop", "the same keys in the same order, over and over", []param{requests, distinct}, loopKeys},
	{"scan", "a Zipf distribution, and every so often a scan of keys that never come again",
		[]param{requests, distinct, skew, {"every", 10_000, "requests from one scan to the next"}, {"length", 3_000, "keys of a scan"}}, scanKeys},
	{"runs", "long sequential runs that come back after one to three times as many requests as a cache holds, mixed with a tenth by a Zipf distribution",
		[]param{requests, distinct, skew, {"length", 1_000, "keys of a run, half as many to half as many again"},
			{"cache", 6_000, "entries of the cache"}, {"times", 4, "how often a run comes, on average"}}, runKeys},
	{"shift", "a Zipf distribution whose popularity moves on from key to key",
		[]param{requests, distinct, skew, {"every", 10_000, "requests from one move to the next"}, {"by", 1_000, "keys that it moves on"}}, shiftKeys},
}

// Workloads is the names of all kinds.
func Workloads() []string {
	var names []string
	for _, w := range workloads {
		names = append(names, w.name)
	}
	return names
}

// Usage says how workloads are written, a line each.
func Usage() string {
	var b strings.Builder
	for _, w := range workloads {
		fmt.Fprintf(&b, "%s", w.name)
		for _, p := range w.params {
			fmt.Fprintf(&b, ":%s=%v", p.name, p.value)
		}
		fmt.Fprintf(&b, "\n    %s\n", w.about)
	}
	return b.String()
}

// IsWorkload tells whether a name is that of a workload, with numbers or none.
func IsWorkload(spec string) bool {
	_, ok := find(spec)
	return ok
}

func find(spec string) (workload, bool) {
	name, _, _ := strings.Cut(spec, ":")
	for _, w := range workloads {
		if w.name == name {
			return w, true
		}
	}
	return workload{}, false
}

// Draw makes the trace of a workload, as in zipf:keys=1000:s=1.1. The same seed
// gives the same trace.
func Draw(spec string, seed uint64) (*Trace, error) {
	w, ok := find(spec)
	if !ok {
		return nil, fmt.Errorf("trace: there is no workload %q, but %s", spec, strings.Join(Workloads(), ", "))
	}
	p, err := w.parse(spec)
	if err != nil {
		return nil, fmt.Errorf("trace: %s: %w", spec, err)
	}
	b := newBuilder(spec)
	next := w.keys(p, rand.New(rand.NewPCG(seed, 0)))
	for range int(p[requests.name]) {
		if err := b.add(mix(next())); err != nil {
			return nil, fmt.Errorf("trace: %s: %w", spec, err)
		}
	}
	return &b.trace, nil
}

// parse is the numbers that a workload is given.
func (w workload) parse(spec string) (params, error) {
	p := params{}
	var names []string
	for _, known := range w.params {
		p[known.name] = known.value
		names = append(names, known.name)
	}
	for _, given := range strings.Split(spec, ":")[1:] {
		name, text, _ := strings.Cut(given, "=")
		if _, known := p[name]; !known {
			return nil, fmt.Errorf("there is no %q, but %s", name, strings.Join(names, ", "))
		}
		value, err := strconv.ParseFloat(text, 64)
		switch {
		case err != nil:
			return nil, fmt.Errorf("%q is no number", given)
		case name == skew.name:
			if !(value >= 0 && value <= 10) {
				return nil, fmt.Errorf("%q is not between 0 and 10", given)
			}
		case !(value >= 1 && value <= math.MaxInt32) || value != math.Trunc(value):
			return nil, fmt.Errorf("%q is not a whole number from 1 to %d", given, math.MaxInt32)
		}
		p[name] = value
	}
	return p, nil
}
