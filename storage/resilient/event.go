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
	HalfOpen                  // one call is sent, to see whether the store is back
	Closed                    // the store is back: Changes that wait and are sent now
	Delivered                 // changes that have waited are committed: Key, Changes
	Conflict                  // a queued change was dropped because the record has changed: Key, Value
	Dropped                   // a queued change was dropped: Key, Value, Err
	Refused                   // a change was not accepted because the queue is full: Key, Err
	Emptied                   // the store has lost its data: Changes that are written again (see WriteAgain), or Err if none are, and Forgotten own records that are not
	Forgot                    // a copy was forgotten for want of room: Forgotten so far, Key of the latest, Err (reported for the 1st, 2nd, 4th and so on)

	// Kinds is one more than the last kind.
	Kinds
)

var kindNames = [Kinds]string{
	Opened: "store away", HalfOpen: "store asked", Closed: "store back", Delivered: "change delivered",
	Conflict: "change in conflict", Dropped: "change dropped", Refused: "change refused", Emptied: "store without its data", Forgot: "copies forgotten",
}

// String returns the kind in lower-case words.
func (k Kind) String() string {
	if k < Kinds && kindNames[k] != "" {
		return kindNames[k]
	}
	return "unknown event"
}

// Event is one thing that happened. New fields and kinds may be added.
type Event struct {
	Kind    Kind
	Key     string        // as the caller gave it
	Value   []byte        // what a Set would have stored, nil for a deletion or an Update; read-only
	Changes int           // how many
	Wait    time.Duration // until the next probe
	Err     error         // what went wrong
	Time    time.Time     // on the Store's clock

	Forgotten int // how many copies were forgotten, of all or of own records; a record may count several times
}

// logTo returns a function that writes events to a logger: see Logger. Nil stands for
// slog.Default() at the moment of the event.
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

// cut shortens a key for the log.
func cut(quoted string) string {
	const most = 64
	if len(quoted) <= most {
		return quoted
	}
	return strings.ToValidUTF8(quoted[:most], "") + "..."
}
