package resilient

import (
	"context"
	"log/slog"
	"strconv"
	"strings"
	"time"
)

// Kind says what happened.
type Kind uint8

// The kinds of events. Each names the fields of Event that it sets besides Kind
// and Time.
const (
	Opened    Kind = iota + 1 // the store is away, and nothing is sent for Wait: Err
	HalfOpen                  // one call is sent, to see whether it is back
	Closed                    // the store is back: Changes that wait and are sent now
	Delivered                 // changes that have waited are committed: Key, Changes
	Conflict                  // a change that waited was dropped, for what it was made on has changed: Key, Value
	Dropped                   // a change that waited was dropped: Key, Value, Err
	Refused                   // a change was not accepted, for the queue is full: Key, Err
	Emptied                   // the store has lost its data: Changes that are made again (see WriteAgain), or Err that says why none are, and Forgotten own records that are not
	Forgot                    // copies have no room, and were forgotten: Forgotten so far, the latest of Key, Err (told of the 1st, 2nd, 4th and so on)

	// Kinds is one more than the last kind there is.
	Kinds
)

var kindNames = [Kinds]string{
	Opened: "store away", HalfOpen: "store asked", Closed: "store back", Delivered: "change delivered",
	Conflict: "change in conflict", Dropped: "change dropped", Refused: "change refused", Emptied: "store without its data", Forgot: "copies forgotten",
}

// String is the kind in lower-case words.
func (k Kind) String() string {
	if k < Kinds && kindNames[k] != "" {
		return kindNames[k]
	}
	return "unknown event"
}

// Event is one thing that happened. New fields and kinds may be added.
type Event struct {
	Kind    Kind
	Key     string        // as it was given
	Value   []byte        // that a Set would have stored, nil for a deletion or an Update; not to be changed
	Changes int           // how many
	Wait    time.Duration // until the store is asked again
	Err     error         // what went wrong
	Time    time.Time     // on the Store's clock

	Forgotten int // how many copies are forgotten, of all or of own records; one may count several times
}

// logTo writes events to a logger: see Logger. With nil, slog.Default() of the moment is
// used.
func logTo(logger *slog.Logger) func(e Event) {
	return func(e Event) {
		level := slog.LevelInfo
		switch e.Kind {
		case HalfOpen, Delivered:
			return
		case Conflict, Dropped, Refused, Emptied, Forgot:
			level = slog.LevelWarn
		}
		attrs := make([]slog.Attr, 0, 5)
		if e.Key != "" {
			attrs = append(attrs, slog.String("key", cut(strconv.Quote(e.Key))))
		}
		if e.Kind == Closed || e.Kind == Emptied {
			attrs = append(attrs, slog.Int("changes", e.Changes))
		}
		if e.Forgotten > 0 {
			attrs = append(attrs, slog.Int("forgotten", e.Forgotten))
		}
		if e.Wait > 0 {
			attrs = append(attrs, slog.Duration("wait", e.Wait))
		}
		if e.Err != nil {
			attrs = append(attrs, slog.String("err", e.Err.Error()))
		}
		l := logger
		if l == nil {
			l = slog.Default()
		}
		l.LogAttrs(context.Background(), level, "resilient: "+e.Kind.String(), attrs...)
	}
}

// cut keeps keys short in a log.
func cut(quoted string) string {
	const most = 64
	if len(quoted) <= most {
		return quoted
	}
	return strings.ToValidUTF8(quoted[:most], "") + "..."
}
