package observe

import (
	"context"
	"log/slog"
)

// Slog writes to a logger, or to slog.Default() of the moment where logger is
// nil, once per change of state: when loads begin to fail and when they
// succeed again, when the storage fails and when it answers again, when
// refreshes begin to be shed, when calls begin to fail because of runaway
// loads, when the clock goes back. Panics and changes of configuration are
// always written.
func Slog(logger *slog.Logger) Observer { return slogObserver{logger} }

type slogObserver struct{ logger *slog.Logger }

// line is what is written for a kind of event.
type line struct {
	level  slog.Level
	text   string
	always bool // or only where a state begins
}

var lines = map[Kind]line{
	Failing:        {slog.LevelWarn, "load failed; further failures are not logged until a load succeeds", true},
	Recovered:      {slog.LevelInfo, "loads succeed again", true},
	StoreFault:     {slog.LevelWarn, "storage failed; further faults are not logged until it answers", false},
	StoreOK:        {slog.LevelInfo, "storage answers again", true},
	Shed:           {slog.LevelWarn, "background refreshes are at their limit, stale values are served without one: see config.MaxBackground", false},
	Runaway:        {slog.LevelError, "superseded loads that still run are at their limit, calls fail: the source should obey its context, see config.MaxRunaway", false},
	ConfigChanged:  {slog.LevelInfo, "configuration changed", true},
	ConfigRejected: {slog.LevelError, "new configuration can't be used, the old one stays in force", false},
	Panicked:       {slog.LevelError, "panic in user code", true},
	ClockBackwards: {slog.LevelWarn, "the clock went back; time stands still until it catches up", false},
}

func (slogObserver) Wants(k Kind) bool {
	_, ok := lines[k]
	return ok
}

func (o slogObserver) Observe(ctx context.Context, e Event) {
	l, ok := lines[e.Kind]
	if !ok || !l.always && !e.First {
		return
	}
	logger := o.logger
	if logger == nil {
		logger = slog.Default()
	}
	attrs := append(make([]slog.Attr, 0, 5), slog.String("func", e.Func))
	if e.Key != "" {
		attrs = append(attrs, slog.String("key", e.Key))
	}
	if e.Cause != 0 {
		attrs = append(attrs, slog.String("cause", e.Cause.String()))
	}
	if e.Duration != 0 {
		attrs = append(attrs, slog.Duration("duration", e.Duration))
	}
	switch v := e.Err.(type) {
	case nil:
	case slog.LogValuer: // a panic, with its stack
		attrs = append(attrs, slog.Any("err", v))
	default:
		attrs = append(attrs, slog.String("err", v.Error()))
	}
	logger.LogAttrs(ctx, l.level, l.text, attrs...)
}
