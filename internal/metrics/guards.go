package metrics

import (
	"time"

	"github.com/perennial-go/perennial/guard"
)

// GuardMetric is a row of the table of guards. All have the label guard; those with
// ByClass also have the label class.
type GuardMetric struct {
	Named

	// One of these reads the metric. A Gauge that is below zero is not known, and is
	// left out.
	Value   func(s *guard.State) float64
	ByClass func(s *guard.State) *[guard.Classes]uint64
}

// Classes are the values of the label class.
var Classes = []guard.Class{guard.Miss, guard.Forced, guard.Rescuable, guard.Refresh, guard.Warm}

type state = guard.State

// Guards has all metrics of guards, in the order of the documentation.
var Guards = []GuardMetric{
	guardByClass("admitted", "Loads that were let in.", func(s *state) *[guard.Classes]uint64 { return &s.Admitted }),
	guardByClass("refused", "Times a load was refused, once for each class that it was tried in.", func(s *state) *[guard.Classes]uint64 { return &s.Refused }),
	guardCounter("succeeded", "{load}", "Loads that the source has answered.", func(s *state) uint64 { return s.Succeeded }),
	guardCounter("failed", "{load}", "Loads that the source has failed.", func(s *state) uint64 { return s.Failed }),
	guardCounter("timed_out", "{load}", "Loads that were given up at their time limit.", func(s *state) uint64 { return s.TimedOut }),

	guardGauge("limit", "How many loads may run at once, as the guard has found out.", func(s *state) int { return s.Limit }),
	guardGauge("floor", "The least that the limit may be.", func(s *state) int { return s.Floor }),
	guardGauge("ceiling", "The most that the limit may be.", func(s *state) int { return s.Ceiling }),
	guardGauge("in_flight", "Loads that run now, those that were given up and go on among them.", func(s *state) int { return s.InFlight }),
	guardGauge("late", "Loads that were given up and go on.", func(s *state) int { return s.Late }),
	guardGauge("queued", "Loads that wait for a place.", func(s *state) int { return s.Queued }),
	guardTime("typical", "What a load takes of late. Missing while that is not known.", func(s *state) time.Duration { return s.Typical }),
	guardTime("norm", "What a load takes while little is in flight. Missing while that is not known.", func(s *state) time.Duration { return s.Norm }),

	guardFlag("down", "1 while nothing of the source succeeds and it is asked by probes only, else 0.", func(s *state) bool { return s.Down }),
	guardCounter("opened", "{time}", "Times the source was found not to work.", func(s *state) uint64 { return s.Opened }),
	guardCounter("probes", "{load}", "Loads that tried whether the source works again.", func(s *state) uint64 { return s.Probes }),
	guardFlag("off", "1 while everything passes, for guard.Off, else 0.", func(s *state) bool { return s.Off }),
	guardCounter("panics", "{panic}", "Panics of the guard's observers and of what guard.Failures was given.", func(s *state) uint64 { return s.Panics }),
}

func guardByClass(name, help string, read func(*state) *[guard.Classes]uint64) GuardMetric {
	return GuardMetric{Named: named("guard."+name, "{load}", Counter, help), ByClass: read}
}

func guardCounter(name, unit, help string, read func(*state) uint64) GuardMetric {
	return GuardMetric{Named: named("guard."+name, unit, Counter, help), Value: func(s *state) float64 { return float64(read(s)) }}
}

func guardGauge(name, help string, read func(*state) int) GuardMetric {
	return GuardMetric{Named: named("guard."+name, "{load}", Gauge, help), Value: func(s *state) float64 { return float64(read(s)) }}
}

func guardFlag(name, help string, read func(*state) bool) GuardMetric {
	return GuardMetric{Named: named("guard."+name, "1", Gauge, help), Value: func(s *state) float64 { return number(read(s)) }}
}

// guardTime is a time that is not known while it is zero.
func guardTime(name, help string, read func(*state) time.Duration) GuardMetric {
	return GuardMetric{Named: named("guard."+name, "s", Gauge, help), Value: func(s *state) float64 {
		if d := read(s); d > 0 {
			return d.Seconds()
		}
		return -1
	}}
}
