package httpmemo

import (
	"errors"
	"net/http"
	"time"

	"github.com/perennial-go/perennial/memoize"
)

// failure is why a load has no response.
type failure struct {
	err     error
	rescued bool // the stored response may be served all the same
}

func (f *failure) Error() string { return f.err.Error() }
func (f *failure) Unwrap() error { return f.err }

// cause is the error that a caller gets.
func cause(err error) error {
	if f, ok := err.(*failure); ok {
		return f.err
	}
	return err
}

// mayRescue tells of which failures the memoized function serves a response that has
// expired. Whether one that takes too long may be served is seen when it is: by unallowed.
func mayRescue(err error) bool {
	var f *failure
	if errors.As(err, &f) {
		return f.rescued
	}
	return errors.Is(err, memoize.ErrLoadTimeout)
}

// unallowed is why a result must not be served, or nil. What a load that took too long
// has stored by now is a rescue too, and may be fresh.
func unallowed(result memoize.Result[*response]) error {
	r := result.Value
	if result.Why != memoize.Rescued || rescues(r, result.Age) || !r.pass && r.left(result.Age) > 0 {
		return nil
	}
	return memoize.ErrLoadTimeout
}

// failing tells which statuses stale-if-error is about: section 4 of RFC 5861.
func failing(status int) bool {
	switch status {
	case http.StatusInternalServerError, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return true
	}
	return false
}

// rescues tells whether a stored response whose source returned it resident ago may be
// served because the origin fails.
func rescues(old *response, resident time.Duration) bool {
	return !old.pass && old.ifError > 0 && -old.left(resident) <= old.ifError
}
