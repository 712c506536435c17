package resilient_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/perennial-go/perennial/storage"
	"github.com/perennial-go/perennial/storage/resilient"
)

// The log has each event that matters, with its attributes.
func TestLog(t *testing.T) {
	why := errors.New("why")
	long := strings.Repeat("k", 63) // 65 characters with its quotes
	for _, c := range []struct {
		e    resilient.Event
		want string
	}{
		{resilient.Event{Kind: resilient.Opened, Err: why, Wait: 2 * time.Second}, `level=INFO msg="resilient: store away" wait=2s err=why`},
		{resilient.Event{Kind: resilient.HalfOpen}, ``},
		{resilient.Event{Kind: resilient.Closed, Changes: 0}, `level=INFO msg="resilient: store back" changes=0`},
		{resilient.Event{Kind: resilient.Delivered, Key: "a", Changes: 3}, ``},
		{resilient.Event{Kind: resilient.Conflict, Key: "a", Value: []byte("secret"), Changes: 1}, `level=WARN msg="resilient: change in conflict" key="\"a\""`},
		{resilient.Event{Kind: resilient.Dropped, Key: "a", Value: []byte("secret"), Err: why}, `level=WARN msg="resilient: change dropped" key="\"a\"" err=why`},
		{resilient.Event{Kind: resilient.Refused, Key: long[1:], Err: why}, `level=WARN msg="resilient: change refused" key="\"` + long[1:] + `\"" err=why`},
		{resilient.Event{Kind: resilient.Refused, Key: long, Err: why}, `level=WARN msg="resilient: change refused" key="\"` + long + `..." err=why`},
		{resilient.Event{Kind: resilient.Emptied, Changes: 2, Forgotten: 1}, `level=WARN msg="resilient: store without its data" changes=2 forgotten=1`},
		{resilient.Event{Kind: resilient.Forgot, Key: "\n", Forgotten: 4, Err: why}, `level=WARN msg="resilient: copies forgotten" key="\"\\n\"" forgotten=4 err=why`},
		{resilient.Event{Kind: resilient.Kinds}, `level=INFO msg="resilient: unknown event"`},
	} {
		for _, given := range []bool{true, false} {
			var out bytes.Buffer
			logger := slog.New(slog.NewTextHandler(&out, &slog.HandlerOptions{ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
				if a.Key == slog.TimeKey {
					return slog.Attr{}
				}
				return a
			}}))
			log := resilient.LogTo(logger)
			if !given {
				log = resilient.LogTo(nil)
				before := slog.Default()
				slog.SetDefault(logger)
				log(c.e)
				slog.SetDefault(before)
			} else {
				log(c.e)
			}
			if got := strings.TrimSpace(out.String()); got != c.want {
				t.Errorf("%v is logged as\n%s, want\n%s", c.e.Kind, got, c.want)
			}
		}
	}
}

// Observers add up, and the log is written as well unless it is switched off.
func TestLogBesideObservers(t *testing.T) {
	for name, c := range map[string]struct {
		more []resilient.Option
		logs bool
	}{"observed": {nil, true}, "silent": {[]resilient.Option{resilient.Logger(nil)}, false}, "by nobody too": {[]resilient.Option{resilient.Observe(nil)}, true}} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, at *server, _ *resilient.Store, _ *events) {
				var out bytes.Buffer
				var first, second events
				s, err := resilient.New(at, append([]resilient.Option{
					resilient.Observe(func(e resilient.Event) { first.add(e); panic("an observer's") }),
					resilient.Logger(slog.New(slog.NewTextHandler(&out, nil))),
					resilient.Observe(second.add),
				}, c.more...)...)
				if err != nil {
					t.Fatal(err)
				}
				at.stop()
				lacks(t, s, "a")
				at.start()
				later(time.Minute)
				if n := len(first.sofar()); n == 0 || n != len(second.sofar()) {
					t.Errorf("the observers are told of %d and %d events", n, len(second.sofar()))
				}
				if strings.Contains(out.String(), "store away") != c.logs {
					t.Errorf("the log says %q", out.String())
				}
				if err := s.Close(t.Context()); err != nil {
					t.Error(err)
				}
			})
		})
	}
}

func TestNames(t *testing.T) {
	for got, want := range map[string]string{
		resilient.StateClosed.String():   "closed",
		resilient.StateOpen.String():     "open",
		resilient.StateHalfOpen.String(): "half-open",
		resilient.State(3).String():      "unknown",
		resilient.Opened.String():        "store away",
		resilient.Forgot.String():        "copies forgotten",
	} {
		if got != want {
			t.Errorf("%q is to be %q", got, want)
		}
	}
	err := &resilient.LeftError{Keys: []string{"a", "b"}, Changes: 3, Err: io.EOF}
	if want := "resilient: 3 changes of 2 keys still wait for the store: EOF: flush again when it is back"; err.Error() != want {
		t.Errorf("%v, want %s", err, want)
	}
	if !errors.Is(err, io.EOF) || !errors.Is(err, storage.ErrQueued) {
		t.Errorf("it is no %v, or no %v", io.EOF, storage.ErrQueued)
	}
}

// JudgeError knows the messages of servers, also within other errors; the first that
// matches counts.
func TestJudgeErrorKnowsWhatServersSay(t *testing.T) {
	for text, want := range map[string]resilient.Verdict{
		"WRONGTYPE Operation against a key":                               resilient.Unfit,
		"WRONGPASS invalid username-password pair":                        resilient.Unwilling,
		"NOAUTH Authentication required.":                                 resilient.Unwilling,
		"NOPERM this user has no permissions":                             resilient.Unwilling,
		"ERR invalid password":                                            resilient.Unwilling,
		"ERR AUTH called without any password configured":                 resilient.Unwilling,
		"READONLY You can't write against a read only replica.":           resilient.Unwilling,
		"OOM command not allowed when used memory > 'maxmemory'.":         resilient.Unwilling,
		"ERR unknown command 'EVALSHA'":                                   resilient.Unwilling,
		"redis: client is closed":                                         resilient.Unwilling,
		"LOADING Redis is loading the dataset in memory":                  resilient.Away,
		"MASTERDOWN Link with MASTER is down":                             resilient.Away,
		"CLUSTERDOWN The cluster is down":                                 resilient.Away,
		"TRYAGAIN Multiple keys request during rehashing of slot":         resilient.Away,
		"NOREPLICAS Not enough good replicas to write.":                   resilient.Away,
		"MISCONF Redis is configured to save RDB snapshots":               resilient.Away,
		"BUSY Redis is busy running a script.":                            resilient.Away,
		"ERR max number of clients reached":                               resilient.Away,
		"redis: connection pool timeout":                                  resilient.Away,
		"redis: all sentinels specified in configuration are unreachable": resilient.Away,
		"EOF, it says": resilient.Unknown,
	} {
		said := errors.New(text)
		for _, err := range []error{said, storage.Refused(said), errors.Join(errors.New("first"), said, errors.New("LAST"))} {
			want := want
			if want == resilient.Unknown && errors.Is(err, storage.ErrRefused) {
				want = resilient.Unfit
			}
			if got := resilient.JudgeError(err); got != want {
				t.Errorf("%v is %v, want %v", err, got, want)
			}
		}
	}
	first := errors.Join(errors.New("NOAUTH"), errors.New("LOADING"))
	if got := resilient.JudgeError(first); got != resilient.Unwilling {
		t.Errorf("%v is %v", first, got)
	}
	for err, want := range map[error]resilient.Verdict{
		io.EOF: resilient.Away, io.ErrUnexpectedEOF: resilient.Away, io.ErrClosedPipe: resilient.Away, net.ErrClosed: resilient.Away,
		context.Canceled: resilient.Away, storage.ErrUnreadable: resilient.Unfit, &resilient.LeftError{Err: errors.New("why")}: resilient.Unknown,
	} {
		if got := resilient.JudgeError(err); got != want {
			t.Errorf("%v is %v, want %v", err, got, want)
		}
	}
}
