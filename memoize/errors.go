package memoize

import (
	"errors"
	"fmt"
	"log/slog"
	"strings"

	"github.com/perennial-go/perennial/config"
	"github.com/perennial-go/perennial/statuses"
)

// A call that can't be made.
var (
	// ErrNotConfigured says that the configuration is switched off.
	ErrNotConfigured = config.ErrNotConfigured
	// ErrClosed says that the function was closed.
	ErrClosed = errors.New("memoize: the function is closed: make a new one")
	// ErrKey says that an argument gives no usable key.
	ErrKey = errors.New("memoize: the argument gives no usable key")
	// ErrRecursion says that a load would wait for itself, or an Update for itself.
	ErrRecursion = errors.New("memoize: the call would wait for itself, for it is made by the source of the key that is loading, or within the Update of the key: call the source directly there, or return the value from the Update")
)

// A load that failed. Errors of calls that waited for one are *LoadError and
// match ErrLoadFailed; those of a load that took too long match ErrLoadTimeout
// as well.
var (
	// ErrLoadFailed says that the source returned an error or panicked, or
	// could not be asked.
	ErrLoadFailed = errors.New("memoize: load failed")
	// ErrLoadTimeout says that a load took longer than the method timeout.
	ErrLoadTimeout = errors.New("memoize: the load took longer than the method timeout: make the source faster, or raise config.MethodTimeout")
	// ErrRunaway says that too many superseded loads still run.
	ErrRunaway = statuses.ErrRunaway
	// ErrWeight says that a value is not stored because it weighs nothing, or less.
	ErrWeight = errors.New("memoize: the weight of a value is not above zero: mend the function that config.Weigh is given")
	// ErrTags says that a value is returned to nobody because what config.Tags says of it
	// can't be used.
	ErrTags = errors.New("memoize: the tags of a value can't be used: mend the function that config.Tags is given")
	// ErrNoValue says that a source that takes many keys left one out.
	ErrNoValue = errors.New("memoize: the source returned no value for this key")
)

// A store that is away.
var (
	// ErrUnavailable says that the storage could not be reached. Of an
	// Invalidate or a Set: this process no longer serves the key from it, others
	// may. Calls return it only with config.FailOnStoreError.
	ErrUnavailable = errors.New("memoize: the storage is unavailable: this process does not serve what it holds, others may: repeat the call until it succeeds")
	// ErrUnsupported says that the storage can't do what was asked.
	ErrUnsupported = errors.New("memoize: the storage can't do this: use one that implements the interface named")
)

// NoStore is what a source returns as its error beside a value that must not be
// kept: callers get the value and no error, and the storage stays as it is. It is
// returned as it stands; an error that wraps it is a failure like any other.
var NoStore = errors.New("memoize: do not store this value")

// Reason is how a load failed for a caller.
type Reason uint8

// The reasons.
const (
	Failed       Reason = iota + 1 // the call's own load failed
	TimedOut                       // the load took longer than the method timeout
	JoinedFailed                   // the load that the call had joined failed
	Refused                        // the function's guard did not let the load begin
)

var reasonNames = [...]string{Failed: "failed", TimedOut: "timed out", JoinedFailed: "failed for the call that led it", Refused: "was refused"}

// String says the reason in a few words.
func (r Reason) String() string {
	if int(r) < len(reasonNames) && reasonNames[r] != "" {
		return reasonNames[r]
	}
	return "unknown reason"
}

// LoadError is the error of a call whose load failed. One value is shared by
// all who joined the load. It unwraps to the source's error; a method timeout
// unwraps to ErrLoadTimeout and does not match context.DeadlineExceeded, which
// is how a caller's own deadline looks.
type LoadError struct {
	Func   string // the function's name
	Key    string // quoted, or a hash where keys are hidden
	Reason Reason
	Err    error // the source's error, or why the source could not be asked

	joined *LoadError // the same for those who joined
}

func newLoadError(fn, key string, reason Reason, err error) *LoadError {
	e := &LoadError{Func: fn, Key: key, Reason: reason, Err: err}
	e.joined = e
	if reason == Failed {
		e.joined = &LoadError{Func: fn, Key: key, Reason: JoinedFailed, Err: err}
		e.joined.joined = e.joined
	}
	return e
}

// Error says which function's load of which key failed, how and why.
func (e *LoadError) Error() string {
	return fmt.Sprintf("memoize: load of %s for key %s %v: %v", e.Func, e.Key, e.Reason, e.Err)
}

// Unwrap is the cause.
func (e *LoadError) Unwrap() error { return e.Err }

// Is makes the error match ErrLoadFailed, and ErrLoadTimeout if it timed out.
func (e *LoadError) Is(target error) bool {
	return target == ErrLoadFailed || target == ErrLoadTimeout && e.Reason == TimedOut
}

// Timeout tells whether the method timeout passed.
func (e *LoadError) Timeout() bool { return e.Reason == TimedOut }

// PanicError is a panic of user code, or its call of runtime.Goexit, as an
// error.
type PanicError struct {
	Value any    // what was given to panic; ErrGoexit for runtime.Goexit
	Stack []byte // of the goroutine that panicked
}

// ErrGoexit is the Value of a PanicError for code that called runtime.Goexit.
var ErrGoexit = errors.New("runtime.Goexit was called")

// Error is the panic's value, on one line as far as that is. The stack is in
// Stack, and in what a logger writes.
func (e *PanicError) Error() string { return fmt.Sprintf("panic in user code: %v", e.Value) }

// LogValue gives a logger the stack as well.
func (e *PanicError) LogValue() slog.Value {
	return slog.GroupValue(slog.String("panic", fmt.Sprint(e.Value)), slog.String("stack", string(e.Stack)))
}

// Unwrap is the panic's value, where that is an error.
func (e *PanicError) Unwrap() error {
	err, _ := e.Value.(error)
	return err
}

// ManyError is the error of a call for many keys, some of which failed. It
// matches what any of its errors matches.
type ManyError struct {
	errs []error // by position, nil where there was none
}

func manyError(errs []error) error {
	for _, err := range errs {
		if err != nil {
			return &ManyError{errs}
		}
	}
	return nil
}

// At is the error for the argument at position i, or nil.
func (e *ManyError) At(i int) error { return e.errs[i] }

// Unwrap lists the errors there are, in the order of the arguments.
func (e *ManyError) Unwrap() []error {
	var errs []error
	for _, err := range e.errs {
		if err != nil {
			errs = append(errs, err)
		}
	}
	return errs
}

// Error counts the failures and says the first three.
func (e *ManyError) Error() string {
	errs := e.Unwrap()
	return fmt.Sprintf("memoize: %d of %d keys failed; %s", len(errs), len(e.errs), firstOf(errs))
}

// brief is an error with a short text, however many it joins.
func brief(err error) error {
	if joined, ok := err.(interface{ Unwrap() []error }); ok && len(joined.Unwrap()) > mostShown {
		return briefError{err, joined.Unwrap()}
	}
	return err
}

type briefError struct {
	error
	all []error
}

func (e briefError) Unwrap() error { return e.error }

func (e briefError) Error() string { return fmt.Sprintf("%d errors; %s", len(e.all), firstOf(e.all)) }

// mostShown is how many of many errors a text shows.
const mostShown = 3

func firstOf(errs []error) string {
	var b strings.Builder
	for i, err := range errs {
		if i > 0 {
			b.WriteString("; ")
		}
		if i == mostShown {
			b.WriteString("...")
			break
		}
		b.WriteString(err.Error())
	}
	return b.String()
}

// CloseError says that loads still ran when the context of Close ended.
type CloseError struct {
	Func    string
	Running int   // loads that still run, their contexts cancelled
	Err     error // the context's error
}

// Error says what still runs.
func (e *CloseError) Error() string {
	return fmt.Sprintf("memoize: %s is closed, %d of its loads were cancelled and still run: %v", e.Func, e.Running, e.Err)
}

// Unwrap is the context's error.
func (e *CloseError) Unwrap() error { return e.Err }
