package promobserve_test

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	dto "github.com/prometheus/client_model/go"

	"github.com/perennial-go/perennial/internal/metrics"
	"github.com/perennial-go/perennial/memoize"
	"github.com/perennial-go/perennial/observe/promobserve"
)

// gather is what a registry has, by name.
func gather(t *testing.T, r *prometheus.Registry) map[string]*dto.MetricFamily {
	t.Helper()
	families, err := r.Gather()
	if err != nil {
		t.Fatal(err)
	}
	named := map[string]*dto.MetricFamily{}
	for _, f := range families {
		named[f.GetName()] = f
	}
	return named
}

func registered(t *testing.T, functions ...promobserve.Function) *prometheus.Registry {
	t.Helper()
	r := prometheus.NewPedanticRegistry()
	if err := r.Register(promobserve.Collector(functions...)); err != nil {
		t.Fatal(err)
	}
	return r
}

// full is a Stats of which no two numbers are alike.
func full() (s memoize.Stats) {
	s.StoreDown = true
	n := uint64(1)
	next := func() uint64 { n++; return n }
	for _, c := range []*uint64{&s.Calls, &s.Fresh, &s.Stale, &s.Loaded, &s.Joined, &s.Negative, &s.Rescued, &s.Failed, &s.Left, &s.Fenced, &s.Superseded, &s.Shed, &s.Delayed,
		&s.Evicted, &s.Expired, &s.StoreFaults, &s.Panics, &s.Unasked, &s.Runaways, &s.QueueTimeouts, &s.Invalidations, &s.StoreSpared} {
		*c = next()
	}
	for _, g := range []*int{&s.LoadsRunning, &s.RefreshesRunning, &s.SupersededRunning, &s.Entries, &s.Weight, &s.Capacity, &s.MaxLoads, &s.MaxBackground, &s.MaxRunaway} {
		*g = int(next())
	}
	s.MethodTimeout = time.Duration(next()) * time.Second
	for _, cause := range metrics.Causes {
		s.ByCause[cause] = memoize.CauseStats{Loads: next(), Failed: next(), Late: next(), Refused: next()}
	}
	for i := range s.Ages {
		s.Ages[i] = next()
	}
	for _, d := range []*memoize.Durations{&s.LoadTimes, &s.StoreReads, &s.StoreWrites} {
		for i := range d.Buckets {
			d.Buckets[i] = next()
			d.Count += d.Buckets[i]
		}
		d.Sum = time.Duration(next()) * time.Second
	}
	return s
}

// Every metric of the table is collected, no other one is, and each has its own number,
// its type and the labels that the table says.
func TestCollectorHasTheTable(t *testing.T) {
	found := gather(t, registered(t, &counted{"f", full()}))
	numbers := map[float64]string{}
	for _, m := range metrics.Table {
		if m.Prometheus == "" {
			continue
		}
		family := found[m.Prometheus]
		delete(found, m.Prometheus)
		if family == nil {
			t.Errorf("%s is not collected", m.Prometheus)
			continue
		}
		kind := map[metrics.Kind]dto.MetricType{metrics.Counter: dto.MetricType_COUNTER, metrics.Gauge: dto.MetricType_GAUGE, metrics.Histogram: dto.MetricType_HISTOGRAM}[m.Kind]
		if family.GetType() != kind || family.GetHelp() != m.Help {
			t.Errorf("%s is a %v: %s", m.Prometheus, family.GetType(), family.GetHelp())
		}
		var causes []string
		for _, one := range family.GetMetric() {
			labels := map[string]string{}
			for _, l := range one.GetLabel() {
				labels[l.GetName()] = l.GetValue()
			}
			if m.ByCause != nil {
				causes = append(causes, labels["cause"])
				delete(labels, "cause")
			}
			if len(labels) != 1 || labels["function"] != "f" {
				t.Errorf("%s has the labels %v", m.Prometheus, one.GetLabel())
			}
			n := one.GetCounter().GetValue() + one.GetGauge().GetValue() + float64(one.GetHistogram().GetSampleCount())
			if other, twice := numbers[n]; twice || n == 0 {
				t.Errorf("%s and %s are both %v", m.Prometheus, other, n)
			}
			numbers[n] = m.Prometheus
		}
		if want := []string{"direct", "forced", "miss", "refresh", "warm"}; m.ByCause != nil && !slices.Equal(causes, want) {
			t.Errorf("%s has the causes %q, want %q", m.Prometheus, causes, want)
		}
	}
	for name := range found {
		t.Errorf("%s is collected, and not in the table", name)
	}
}

// Each histogram of durations is two in one, with the same counts: native buckets hold
// exactly what Durations has counted, and classic ones what is at most their bound.
func TestHistogramsAreExact(t *testing.T) {
	s := full()
	found := gather(t, registered(t, &counted{"f", s}))
	for name, d := range map[string]memoize.Durations{"perennial_load_duration_seconds": s.LoadTimes,
		"perennial_store_read_duration_seconds": s.StoreReads, "perennial_store_write_duration_seconds": s.StoreWrites} {
		h := found[name].GetMetric()[0].GetHistogram()
		if h.GetSampleCount() != d.Count || h.GetSampleSum() != d.Sum.Seconds() {
			t.Errorf("%s: %d in %v, want %d in %v", name, h.GetSampleCount(), h.GetSampleSum(), d.Count, d.Sum)
		}
		got := map[float64]uint64{h.GetZeroThreshold(): h.GetZeroCount()}
		at, place, n := 0, int32(0), int64(0)
		for _, span := range h.GetPositiveSpan() {
			place += span.GetOffset()
			for range span.GetLength() {
				n += h.GetPositiveDelta()[at]
				got[math.Pow(math.Pow(2, math.Pow(2, -float64(h.GetSchema()))), float64(place))] = uint64(n)
				at, place = at+1, place+1
			}
		}
		if len(got) != memoize.DurationBuckets || h.CreatedTimestamp != nil {
			t.Errorf("%s has %d native buckets, want %d, created at %v", name, len(got), memoize.DurationBuckets, h.CreatedTimestamp)
		}
		for i, want := range d.Buckets {
			if n := got[memoize.DurationBound(i)]; n != want {
				t.Errorf("%s: the native bucket of %v s has %d, want %d", name, memoize.DurationBound(i), n, want)
			}
		}
		if bounds := metrics.Bounds(); len(h.GetBucket()) != len(bounds) || bounds[0] > 32e-6 || bounds[len(bounds)-1] != 128 {
			t.Errorf("%s has %d classic buckets, want %v", name, len(h.GetBucket()), bounds)
		}
		for _, b := range h.GetBucket() {
			var want uint64
			for i, n := range d.Buckets {
				if memoize.DurationBound(i) <= b.GetUpperBound() {
					want += n
				}
			}
			if b.GetCumulativeCount() != want {
				t.Errorf("%s: up to %v s there are %d, want %d", name, b.GetUpperBound(), b.GetCumulativeCount(), want)
			}
		}
	}
	h := found["perennial_served_age_seconds"].GetMetric()[0].GetHistogram()
	if !math.IsNaN(h.GetSampleSum()) || len(h.GetBucket()) != 16 {
		t.Errorf("the ages have %d buckets and the sum %v", len(h.GetBucket()), h.GetSampleSum())
	}
	for _, b := range h.GetBucket() {
		var want uint64
		for i, n := range s.Ages {
			if memoize.AgeBound(i).Seconds() <= b.GetUpperBound() {
				want += n
			}
		}
		if b.GetCumulativeCount() != want {
			t.Errorf("up to the age of %v s there are %d, want %d", b.GetUpperBound(), b.GetCumulativeCount(), want)
		}
	}
}

// A function that nobody has called, and what is not known of one.
func TestWhatIsNotKnownIsLeftOut(t *testing.T) {
	s := memoize.Stats{Entries: -1, Weight: -1, Capacity: -1, MaxLoads: -1}
	found := gather(t, registered(t, &counted{"f", s}))
	for _, name := range []string{"perennial_entries", "perennial_weight", "perennial_capacity", "perennial_loads_limit"} {
		if found[name] != nil {
			t.Errorf("%s is %v", name, found[name])
		}
	}
	if h := found["perennial_load_duration_seconds"].GetMetric()[0].GetHistogram(); h.GetSampleCount() != 0 || len(h.GetPositiveSpan()) != 0 {
		t.Errorf("an empty histogram is %v", h)
	}
}

// What can't be registered says what to do.
func TestRegister(t *testing.T) {
	f := func(name string) promobserve.Function { return &counted{name: name} }
	var none *memoize.Func[int, int]
	for name, c := range map[string]struct {
		collectors []prometheus.Collector
		want       string // "" where nothing is wrong
	}{
		"no functions":       {[]prometheus.Collector{promobserve.Collector()}, ""},
		"several":            {[]prometheus.Collector{promobserve.Collector(f("a"), f("b"))}, ""},
		"two collectors":     {[]prometheus.Collector{promobserve.Collector(f("a")), promobserve.Collector(f("b"))}, ""},
		"one name":           {[]prometheus.Collector{promobserve.Collector(f("a"), f("a"))}, "config.Name"},
		"one name, in turn":  {[]prometheus.Collector{promobserve.Collector(f("a")), promobserve.Collector(f("b"), f("a"))}, "already exists"},
		"nil":                {[]prometheus.Collector{promobserve.Collector(f("a"), nil)}, "function 2 of 2 is nil"},
		"a nil *Func":        {[]prometheus.Collector{promobserve.Collector(none, f("a"))}, "function 1 of 2 is nil"},
		"both, and no panic": {[]prometheus.Collector{promobserve.Collector(none, f("a"), f("a"))}, "function 1 of 3 is nil"},
	} {
		r := prometheus.NewPedanticRegistry()
		var err error
		for _, c := range c.collectors {
			if err == nil {
				err = r.Register(c)
			}
		}
		if got := fmt.Sprint(err); (err == nil) != (c.want == "") || !strings.Contains(got, c.want) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
	if _, err := registered(t).Gather(); err != nil {
		t.Errorf("without functions: %v", err)
	}
}

// exploding is a function that panics when it is read.
type exploding struct{ counted }

func (*exploding) Stats() memoize.Stats { panic("boom") }

func TestAPanicIsAnErrorOfTheScrape(t *testing.T) {
	_, err := registered(t, &exploding{counted{name: "f"}}).Gather()
	if err == nil || !strings.Contains(err.Error(), "boom") {
		t.Errorf("a scrape of what panics says %v", err)
	}
}

// The names are as Prometheus wants them.
func TestNamesLint(t *testing.T) {
	problems, err := testutil.GatherAndLint(registered(t, &counted{"f", full()}))
	if err != nil || len(problems) > 0 {
		t.Errorf("%v, %v", problems, err)
	}
}

func BenchmarkScrape(b *testing.B) {
	r := prometheus.NewRegistry()
	for i := range 10 {
		r.MustRegister(promobserve.Collector(&counted{fmt.Sprint(i), full()}))
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := r.Gather(); err != nil {
			b.Fatal(err)
		}
	}
}
