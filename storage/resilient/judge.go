package resilient

import (
	"context"
	"errors"
	"io"
	"net"
	"strings"

	"github.com/perennial-go/perennial/storage"
)

// Verdict is what an error of the store means.
type Verdict uint8

// The verdicts.
const (
	// Away: the server does not answer, or can't for now. The breaker opens.
	Away Verdict = iota + 1
	// Unwilling: the server answers, and refuses everything of this kind: a wrong
	// password, a replica that can't be written. It is the user's to correct; the
	// caller gets the error, the breaker stays closed, and what waits goes on
	// waiting.
	Unwilling
	// Unfit: it is this key or value that is refused: too large, something else's
	// under the key. The caller gets the error; what waits is dropped.
	Unfit
	// Unknown: as Away. But a change that waits and gets it three times, while the
	// store answers other calls in between, is taken for Unfit.
	Unknown
)

// JudgeError is the Judge of a Store that is given none. What matches
// storage.ErrRefused or storage.ErrUnreadable is Unfit, unless it says that a
// server refuses everybody, which is Unwilling. A connection that fails or times
// out is Away, and so is a Redis server that loads its data, has lost its master,
// and the like. Any other error is Unknown.
func JudgeError(err error) Verdict {
	if means := saidByServer(err); means != 0 {
		return means
	}
	var network net.Error
	switch {
	case errors.Is(err, storage.ErrRefused), errors.Is(err, storage.ErrUnreadable):
		return Unfit
	case errors.Is(err, storage.ErrClosed):
		return Unwilling
	case errors.As(err, &network), errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled),
		errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, io.ErrClosedPipe), errors.Is(err, net.ErrClosed):
		return Away
	}
	return Unknown
}

// saidByServer is the verdict of the innermost errors, or zero: those around them
// may have keys in their texts.
func saidByServer(err error) Verdict {
	switch e := err.(type) {
	case interface{ Unwrap() error }:
		if inner := e.Unwrap(); inner != nil {
			return saidByServer(inner)
		}
	case interface{ Unwrap() []error }:
		for _, inner := range e.Unwrap() {
			if means := saidByServer(inner); means != 0 {
				return means
			}
		}
		return 0
	}
	text := err.Error()
	for _, s := range serverSays {
		if strings.Contains(text, s.says) {
			return s.means
		}
	}
	return 0
}

// serverSays is what servers and clients answer, and what it means.
var serverSays = []struct {
	says  string
	means Verdict
}{
	{"WRONGTYPE", Unfit},
	{"WRONGPASS", Unwilling},
	{"NOAUTH", Unwilling},
	{"NOPERM", Unwilling},
	{"invalid password", Unwilling},
	{"without any password configured", Unwilling},
	{"READONLY", Unwilling},
	{"OOM command not allowed", Unwilling},
	{"unknown command", Unwilling},
	{"client is closed", Unwilling},
	{"LOADING", Away},
	{"MASTERDOWN", Away},
	{"CLUSTERDOWN", Away},
	{"TRYAGAIN", Away},
	{"NOREPLICAS", Away},
	{"MISCONF", Away},
	{"BUSY", Away},
	{"max number of clients", Away},
	{"connection pool timeout", Away},
	{"all sentinels specified in configuration are unreachable", Away},
}
