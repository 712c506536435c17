package guard

import (
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/benbjohnson/clock"

	"github.com/perennial-go/perennial/internal/breaker"
	"github.com/perennial-go/perennial/observe"
)

// Option says one thing about a guard. If one is given twice, the last one wins.
type Option struct {
	name  string
	wired bool // it can't be changed once the guard is made
	set   func(s *settings) error
}

// String is the option's name.
func (o Option) String() string { return "guard." + o.name }

// The defaults.
const (
	DefaultCeiling    = 1000
	DefaultProbeEvery = time.Second
	DefaultRescuable  = 0.8
	DefaultRefresh    = 0.6
	DefaultWarm       = 0.4
)

// settings are what options say.
type settings struct {
	off            bool
	floor, ceiling int
	shares         [Classes]float64
	queueTimeout   time.Duration // 0: the greater of a second and two typical loads
	breaker        breaker.Policy
	slowStart      bool
	failure        func(error) bool
	blind          bool // loads that are given up say nothing, and keep no place

	clock     clock.Clock
	observers []observe.Observer
	logger    *slog.Logger
	silent    bool
}

func defaults() settings {
	return settings{
		floor: 1, ceiling: DefaultCeiling,
		shares:    [Classes]float64{1, 1, DefaultRescuable, DefaultRefresh, DefaultWarm},
		breaker:   breaker.Policy{Failures: 20, Keys: 2, AnyKey: 10 * time.Second, Silence: 100 * time.Millisecond, Every: DefaultProbeEvery},
		slowStart: true,
	}
}

func live(name string, set func(s *settings) error) Option { return Option{name: name, set: set} }
func wired(name string, set func(s *settings)) Option {
	return Option{name: name, wired: true, set: func(s *settings) error {
		set(s)
		return nil
	}}
}

// Between bounds the limit, which adapts to the source: at least floor, which is above
// zero, and at most ceiling. Default: 1 to 1000.
func Between(floor, ceiling int) Option {
	return live("Between", func(s *settings) error {
		if floor <= 0 || ceiling < floor {
			return fmt.Errorf("Between is given %d and %d: give a floor above zero, and a ceiling that is no less", floor, ceiling)
		}
		s.floor, s.ceiling = floor, ceiling
		return nil
	})
}

// Fixed makes n loads the limit, above zero, whatever the source does.
func Fixed(n int) Option {
	return live("Fixed", func(s *settings) error {
		if n <= 0 {
			return fmt.Errorf("Fixed is given %d: give more than zero", n)
		}
		s.floor, s.ceiling = n, n
		return nil
	})
}

// Shares says which share of the limit loads of the lower classes may use, each above 0
// and at most 1. A share is one load at least, if nothing else runs. Default: 0.8, 0.6
// and 0.4.
func Shares(rescuable, refresh, warm float64) Option {
	return live("Shares", func(s *settings) error {
		for _, share := range []float64{rescuable, refresh, warm} {
			if !(share > 0 && share <= 1) {
				return fmt.Errorf("Shares are given %v: give shares of the limit, above 0 and at most 1", share)
			}
		}
		s.shares[Rescuable], s.shares[Refresh], s.shares[Warm] = rescuable, refresh, warm
		return nil
	})
}

// QueueTimeout is how long a load waits for a place at most, though its callers would
// wait longer. Zero is the default: the greater of a second and what two typical loads
// take. It is also how long loads may wait that hold places which they need themselves,
// where a source calls another function with a context of its own.
func QueueTimeout(d time.Duration) Option {
	return live("QueueTimeout", func(s *settings) error {
		if d < 0 || d > 0 && d < time.Microsecond {
			return fmt.Errorf("QueueTimeout is given %v: give a duration such as %d*time.Second, or zero for the default", d, max(d, 1))
		}
		s.queueTimeout = d
		return nil
	})
}

// Breaker false keeps asking a source even if every load fails. Default true.
func Breaker(yes bool) Option {
	return live("Breaker", func(s *settings) error {
		s.breaker.Off = !yes
		return nil
	})
}

// ProbeEvery is how often a source that does not work is asked, above zero. It is a tenth
// more or less each time. Default one second.
func ProbeEvery(d time.Duration) Option {
	return live("ProbeEvery", func(s *settings) error {
		if d < time.Microsecond {
			return fmt.Errorf("ProbeEvery is given %v: give a duration such as time.Second", d)
		}
		s.breaker.Every = d
		return nil
	})
}

// SlowStart false gives a source that works again the whole limit at once. Default true.
func SlowStart(yes bool) Option {
	return live("SlowStart", func(s *settings) error {
		s.slowStart = yes
		return nil
	})
}

// Failures tells which errors of the source say that it does not work. All do by default,
// but for answers (see config.Remember), refusals of guards and failures of other memoized
// functions, for which it is not called. Give it to a source whose errors are often the
// caller's fault: invalid arguments, missing rights. It is called concurrently, with no
// lock held; a panic in it counts as true.
func Failures(is func(err error) bool) Option {
	return live("Failures", func(s *settings) error {
		s.failure = is
		return nil
	})
}

// Off lets every load pass, as if there were no guard, until it is false again: for an
// emergency in which the guard does harm.
func Off(yes bool) Option {
	return live("Off", func(s *settings) error {
		s.off = yes
		return nil
	})
}

// Clock is the one that the guard's functions live on, if config.Clock gives them one.
func Clock(c clock.Clock) Option { return wired("Clock", func(s *settings) { s.clock = c }) }

// Observe tells o when the source is found not to work, and when it works again
// (observe.SourceDown, observe.SourceBack). Observers add up. They are called with no lock held.
func Observe(o observe.Observer) Option {
	return wired("Observe", func(s *settings) {
		if o != nil {
			s.observers = append(s.observers, o)
		}
	})
}

// Logger is where the same is written. Nil is silence. Default: slog.Default() of the
// moment.
func Logger(l *slog.Logger) Option {
	return wired("Logger", func(s *settings) { s.logger, s.silent = l, l == nil })
}

// apply applies options, or says everything that is wrong with them.
func (s *settings) apply(opts []Option, made bool) error {
	var errs []error
	for _, o := range opts {
		switch {
		case o.set == nil:
			errs = append(errs, errors.New("a zero Option: make options with the functions of this package"))
		case made && o.wired:
			errs = append(errs, fmt.Errorf("%s is for New alone", o.name))
		default:
			if err := o.set(s); err != nil {
				errs = append(errs, err)
			}
		}
	}
	return errors.Join(errs...)
}
