package resilient

import (
	"context"
	"errors"
	"io"
	"net"
	"strings"

	"github.com/perennial-go/perennial/storage"
)

// Verdict says what an error of the underlying store means.
type Verdict uint8

// The verdicts.
const (
	// Away: the server does not answer, or can't for now. The breaker opens.
	Away Verdict = iota + 1
	// Unwilling: the server answers, and refuses all requests of this kind, such as
	// for a wrong password, or on a read-only replica. The user has to correct that:
	// the caller gets the error, the breaker stays closed, and what waits goes on
	// waiting.
	Unwilling
	// Unfit: the server refuses this key or value: it is too large, or the key holds
	// something of another type. The caller gets the error; what waits is dropped.
	Unfit
	// Unknown: the same as Away. But if a change that waits gets it three times, while
	// the store answers other calls in between, it counts as Unfit.
	Unknown
)

// away reports whether the store counts as away.
func (v Verdict) away() bool { return v == Away || v == Unknown }

// JudgeError is the default of Judge. An error that matches storage.ErrRefused or
// storage.ErrUnreadable is Unfit, unless a server refuses all requests, which is
// Unwilling. A connection that fails or times out is Away, and so is a Redis server
// that loads its data, has lost its master, and the like. Other errors are Unknown.
func JudgeError(err error) Verdict {
	if means := serverVerdict(err); means != 0 {
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

// serverVerdict returns the verdict on the innermost errors, or zero. Those around them
// may have keys in their texts.
func serverVerdict(err error) Verdict {
	switch e := err.(type) {
	case interface{ Unwrap() error }:
		if inner := e.Unwrap(); inner != nil {
			return serverVerdict(inner)
		}
	case interface{ Unwrap() []error }:
		for _, inner := range e.Unwrap() {
			if means := serverVerdict(inner); means != 0 {
				return means
			}
		}
		return 0
	}
	text := err.Error()
	for _, said := range serverSays {
		for _, says := range said.texts {
			if strings.Contains(text, says) {
				return said.verdict
			}
		}
	}
	return 0
}

// serverSays lists what servers and clients say, and the verdicts.
var serverSays = []struct {
	verdict Verdict
	texts   []string
}{
	{Unfit, []string{"WRONGTYPE"}},
	{Unwilling, []string{
		"WRONGPASS", "NOAUTH", "NOPERM", "invalid password", "without any password configured",
		"READONLY", "OOM command not allowed", "unknown command", "client is closed",
	}},
	{Away, []string{
		"LOADING", "MASTERDOWN", "CLUSTERDOWN", "TRYAGAIN", "NOREPLICAS", "MISCONF", "BUSY",
		"max number of clients", "connection pool timeout",
		"all sentinels specified in configuration are unreachable",
	}},
}
