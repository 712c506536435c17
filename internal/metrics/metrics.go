// Package metrics has the tables of the names under which a function's Stats and a guard's
// State are exported, for Prometheus and for OpenTelemetry. docs/metrics.md shows them.
package metrics

import (
	"github.com/perennial-go/perennial/memoize"
	"github.com/perennial-go/perennial/observe"
)

// Function is what a metric is read from: every *memoize.Func, and what a program
// wraps one in.
type Function interface {
	Name() string
	Stats() memoize.Stats
}

// Kind is how the values of a metric behave.
type Kind string

// The kinds of metrics.
const (
	Counter   Kind = "counter"   // never gets smaller
	Gauge     Kind = "gauge"     // a reading
	Histogram Kind = "histogram" // counts by duration
)

// Named is what the rows of both tables have.
type Named struct {
	Prometheus    string // the name there; "" where there is none
	OpenTelemetry string // likewise
	Unit          string // for OpenTelemetry, after UCUM
	Kind          Kind
	Help          string
}

// Metric is a row of the table of functions. All have the label function; those with
// ByCause also have the label cause.
type Metric struct {
	Named

	// One of these reads the metric. A Gauge that is below zero is not known, and is
	// left out.
	Value     func(s *memoize.Stats) float64
	ByCause   func(s *memoize.CauseStats) uint64
	Durations func(s *memoize.Stats) memoize.Durations
	Ages      bool // Stats.Ages
}

// Causes are the values of the label cause.
var Causes = []observe.Cause{observe.Miss, observe.Refresh, observe.Forced, observe.Direct, observe.Warm}

type (
	stats = memoize.Stats
	cause = memoize.CauseStats
)

// Table has all metrics of functions, in the order of the documentation.
var Table = []Metric{
	counter("calls", "{call}", "Calls, of each key of a call for many.", func(s *stats) uint64 { return s.Calls }),
	counter("calls.fresh", "{call}", "Calls answered at once with a fresh value.", func(s *stats) uint64 { return s.Fresh }),
	counter("calls.stale", "{call}", "Calls answered at once with a stale value.", func(s *stats) uint64 { return s.Stale }),
	counter("calls.loaded", "{call}", "Calls that waited for a load of their own, or went to the source directly.", func(s *stats) uint64 { return s.Loaded }),
	counter("calls.joined", "{call}", "Calls that waited for a load which another call had started.", func(s *stats) uint64 { return s.Joined }),
	counter("calls.negative", "{call}", "Calls that got an error which is an answer: see config.Remember.", func(s *stats) uint64 { return s.Negative }),
	counter("calls.rescued", "{call}", "Calls that got a value which has expired, for its load failed or takes too long: see config.StaleIfError.", func(s *stats) uint64 { return s.Rescued }),
	counter("calls.failed", "{call}", "Calls that got an error.", func(s *stats) uint64 { return s.Failed }),
	counter("calls.left", "{call}", "Calls that left because their own context ended.", func(s *stats) uint64 { return s.Left }),
	{Named: Named{Prometheus: "perennial_served_age_seconds", Kind: Histogram, Help: "How old the values are that were served at once. The sum is not counted."}, Ages: true},

	byCause("loads", "{load}", "Runs of the source that began.", func(c *cause) uint64 { return c.Loads }),
	byCause("loads.failed", "{key}", "Keys whose load ended with an error, in time.", func(c *cause) uint64 { return c.Failed }),
	byCause("loads.late", "{key}", "Keys whose load the method timeout superseded.", func(c *cause) uint64 { return c.Late }),
	byCause("loads.refused", "{key}", "Times the guard of the function's source did not let a key's load begin.", func(c *cause) uint64 { return c.Refused }),
	durations("load.duration", "How long runs of the source took, late and failed ones among them.", func(s *stats) memoize.Durations { return s.LoadTimes }),
	counter("loads.fenced", "{load}", "Results not stored, for an invalidation or a Set that came after their load had begun.", func(s *stats) uint64 { return s.Fenced }),
	counter("loads.superseded", "{load}", "Late results not stored, for something newer.", func(s *stats) uint64 { return s.Superseded }),
	counter("loads.runaway", "{load}", "Loads refused because superseded ones that still run are at their limit.", func(s *stats) uint64 { return s.Runaways }),
	counter("loads.queue_timeout", "{load}", "Loads refused because they waited too long for a slot.", func(s *stats) uint64 { return s.QueueTimeouts }),
	counter("refreshes.shed", "{refresh}", "Background refreshes not started, for their limit.", func(s *stats) uint64 { return s.Shed }),
	counter("refreshes.delayed", "{refresh}", "Background refreshes that failed, whose next try was delayed.", func(s *stats) uint64 { return s.Delayed }),
	gauge("loads.running", "{load}", "Loads that run now, late ones left out.", func(s *stats) int { return s.LoadsRunning }),
	gauge("refreshes.running", "{load}", "Background refreshes that run now.", func(s *stats) int { return s.RefreshesRunning }),
	gauge("superseded.running", "{load}", "Fenced or late loads that still run.", func(s *stats) int { return s.SupersededRunning }),
	gauge("loads.limit", "{load}", "MaxLoads in force. Missing with a guard, whose limit is perennial.guard.limit.", func(s *stats) int { return s.MaxLoads }),
	gauge("refreshes.limit", "{load}", "MaxBackground in force.", func(s *stats) int { return s.MaxBackground }),
	gauge("superseded.limit", "{load}", "MaxRunaway in force.", func(s *stats) int { return s.MaxRunaway }),
	{Named: named("method_timeout", "s", Gauge, "MethodTimeout in force."),
		Value: func(s *stats) float64 { return s.MethodTimeout.Seconds() }},

	gauge("entries", "{entry}", "Entries in the storage, expired ones among them. Missing where it can't count.", func(s *stats) int { return s.Entries }),
	gauge("weight", "1", "What the entries weigh together: their count without config.Weigh. Missing where the strategy can't tell.", func(s *stats) int { return s.Weight }),
	gauge("capacity", "1", "What the entries may weigh together. Missing without a bound.", func(s *stats) int { return s.Capacity }),
	counter("evicted", "{entry}", "Entries released for the eviction strategy.", func(s *stats) uint64 { return s.Evicted }),
	counter("expired", "{entry}", "Entries released because they had expired.", func(s *stats) uint64 { return s.Expired }),
	counter("invalidations", "{key}", "Keys invalidated, and storages cleared, one each.", func(s *stats) uint64 { return s.Invalidations }),

	counter("store.faults", "{operation}", "Operations of the storage that failed or took too long.", func(s *stats) uint64 { return s.StoreFaults }),
	counter("store.spared", "{operation}", "Operations of the storage that were not made, for nothing of the store succeeds.", func(s *stats) uint64 { return s.StoreSpared }),
	flag("store.down", "1 while nothing of the store succeeds and it is asked once a second only, else 0.", func(s *stats) bool { return s.StoreDown }),
	{Named: Named{Prometheus: "perennial_store_read_duration_seconds", Kind: Histogram, Help: "How long reads of a storage that is not in memory took, failed ones among them."},
		Durations: func(s *stats) memoize.Durations { return s.StoreReads }},
	{Named: Named{Prometheus: "perennial_store_write_duration_seconds", Kind: Histogram, Help: "How long writes of a storage that is not in memory took, failed ones among them."},
		Durations: func(s *stats) memoize.Durations { return s.StoreWrites }},
	{Named: Named{OpenTelemetry: "perennial.store.reads", Unit: "{operation}", Kind: Counter, Help: "Reads of a storage that is not in memory, failed ones among them."},
		Value: func(s *stats) float64 { return float64(s.StoreReads.Count) }},
	{Named: Named{OpenTelemetry: "perennial.store.read.time", Unit: "s", Kind: Counter, Help: "How long reads of a storage that is not in memory took together."},
		Value: func(s *stats) float64 { return s.StoreReads.Sum.Seconds() }},
	{Named: Named{OpenTelemetry: "perennial.store.writes", Unit: "{operation}", Kind: Counter, Help: "Writes of a storage that is not in memory, failed ones among them."},
		Value: func(s *stats) float64 { return float64(s.StoreWrites.Count) }},
	{Named: Named{OpenTelemetry: "perennial.store.write.time", Unit: "s", Kind: Counter, Help: "How long writes of a storage that is not in memory took together."},
		Value: func(s *stats) float64 { return s.StoreWrites.Sum.Seconds() }},

	counter("panics", "{panic}", "Panics of user code.", func(s *stats) uint64 { return s.Panics }),
	counter("unasked", "{value}", "Values dropped that a source of many keys was not asked for.", func(s *stats) uint64 { return s.Unasked }),
}

func named(name, unit string, kind Kind, help string) Named {
	prometheus := []byte("perennial_" + name)
	for i, c := range prometheus {
		if c == '.' {
			prometheus[i] = '_'
		}
	}
	n := Named{Prometheus: string(prometheus), OpenTelemetry: "perennial." + name, Unit: unit, Kind: kind, Help: help}
	switch {
	case kind == Counter:
		n.Prometheus += "_total"
	case unit == "s":
		n.Prometheus += "_seconds"
	}
	return n
}

func counter(name, unit, help string, read func(*stats) uint64) Metric {
	return Metric{Named: named(name, unit, Counter, help), Value: func(s *stats) float64 { return float64(read(s)) }}
}

func gauge(name, unit, help string, read func(*stats) int) Metric {
	return Metric{Named: named(name, unit, Gauge, help), Value: func(s *stats) float64 { return float64(read(s)) }}
}

func flag(name, help string, read func(*stats) bool) Metric {
	return Metric{Named: named(name, "1", Gauge, help), Value: func(s *stats) float64 { return number(read(s)) }}
}

// number is 1 for yes.
func number(yes bool) float64 {
	if yes {
		return 1
	}
	return 0
}

func byCause(name, unit, help string, read func(*cause) uint64) Metric {
	return Metric{Named: named(name, unit, Counter, help), ByCause: read}
}

func durations(name, help string, read func(*stats) memoize.Durations) Metric {
	return Metric{Named: named(name, "s", Histogram, help), Durations: read}
}

// Bounds are the upper bounds, in seconds, of the buckets that histograms of durations
// have where buckets are given one by one: those of memoize.Durations from 31 µs to
// 128 s.
func Bounds() []float64 {
	bounds := make([]float64, 0, 1+LastBucket-FirstBucket)
	for i := FirstBucket; i <= LastBucket; i++ {
		bounds = append(bounds, memoize.DurationBound(i))
	}
	return bounds
}

// FirstBucket and LastBucket are the places of Bounds in memoize.Durations.Buckets.
const (
	FirstBucket = 5
	LastBucket  = 27
)
