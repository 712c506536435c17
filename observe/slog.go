package observe

import (
	"context"
	"log/slog"
)

// Slog writes to a logger; nil is slog.Default() of the moment. A problem is logged when
// it starts, then once a minute with a count and the latest error: loads fail, refreshes
// fail, the storage fails, a value can't be stored or not all of it, refreshes are shed,
// calls fail because of runaway loads, user code panics, a value is too heavy to be kept,
// a source returns values of keys that it was not asked for, loads are refused by a guard,
// the clock goes back. That a source or a store does not work, and that it works again, is
// logged each time. A minute after the last failure a line says that loads succeed, or
// that the storage answers again. Changes of the configuration are always logged.
func Slog(logger *slog.Logger) Observer { return slogObserver{logger} }

type slogObserver struct{ logger *slog.Logger }

// line is what is written for a kind of event.
type line struct {
	level  slog.Level
	text   string
	always bool // or only with First
}

var lines = map[Kind]line{
	Failing:        {slog.LevelWarn, "loads fail, callers get the error or, by config.StaleIfError, an older value", false},
	RefreshFailing: {slog.LevelWarn, "refreshes fail, stale values are served until they expire", false},
	Recovered:      {slog.LevelInfo, "loads succeed again", true},
	StoreFault:     {slog.LevelWarn, "storage fails, values are loaded instead", false},
	Unstorable:     {slog.LevelWarn, "a key or a value can't be stored, it is loaded each time", false},
	StoreOK:        {slog.LevelInfo, "storage answers again", true},
	Shed:           {slog.LevelWarn, "background refreshes are at their limit, stale values are served without one: see config.MaxBackground", false},
	Runaway:        {slog.LevelError, "superseded loads that still run are at their limit, calls fail: the source should obey its context, see config.MaxRunaway", false},
	ConfigChanged:  {slog.LevelInfo, "configuration changed", true},
	ConfigRejected: {slog.LevelError, "new configuration can't be used, the old one stays in force", false},
	Panicked:       {slog.LevelError, "panic in user code", false},
	TooHeavy:       {slog.LevelWarn, "a value weighs more than the whole capacity and is not kept", false},
	Unasked:        {slog.LevelWarn, "a source of many keys returns values of keys that it was not asked for", false},
	FieldsLost:     {slog.LevelWarn, "values come back from the store without some of their fields", true},
	Overloaded:     {slog.LevelWarn, "loads are refused, the source is overloaded: callers get older values, or an error", false},
	SourceDown:     {slog.LevelError, "the source does not work, it is asked once in a while only", true},
	SourceBack:     {slog.LevelInfo, "the source works again", true},
	StoreDown:      {slog.LevelError, "the store does not work, it is asked once in a while only", true},
	StoreBack:      {slog.LevelInfo, "the store works again", true},
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
	whose := "func"
	if e.Kind == SourceDown || e.Kind == SourceBack {
		whose = "guard"
	}
	attrs := append(make([]slog.Attr, 0, 6), slog.String(whose, e.Func))
	if e.Key != "" {
		attrs = append(attrs, slog.String("key", e.Key))
	}
	if e.Cause != 0 {
		attrs = append(attrs, slog.String("cause", e.Cause.String()))
	}
	if e.Duration != 0 {
		attrs = append(attrs, slog.Duration("duration", e.Duration))
	}
	if e.Changes != "" {
		attrs = append(attrs, slog.String("changes", e.Changes))
	}
	if e.First && e.Count > 1 {
		attrs = append(attrs, slog.Int("times", e.Count))
	}
	if v, ok := e.Err.(slog.LogValuer); ok && e.Kind == Panicked { // with its stack
		attrs = append(attrs, slog.Any("err", v))
	} else if e.Err != nil {
		attrs = append(attrs, slog.String("err", e.Err.Error()))
	}
	logger.LogAttrs(ctx, l.level, l.text, attrs...)
}
