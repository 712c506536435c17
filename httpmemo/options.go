package httpmemo

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/perennial-go/perennial/config"
)

// Option says one thing about a Transport or a Handler. If an option is given twice, the
// last one wins; those of Neutral, KeyHeaders and With add up.
type Option struct {
	set func(s *settings)
}

// settings are what options say.
type settings struct {
	maxBody  int64
	maxBytes int
	keep     time.Duration
	fresh    *time.Duration
	neutral  []string
	keyed    []string
	memo     []config.Option
	errs     []error
}

func (s *settings) fault(format string, args ...any) {
	s.errs = append(s.errs, fmt.Errorf("httpmemo: "+format, args...))
}

// MaxBody is how many bytes the body of a response has at most to be stored, at least 1.
// A longer one goes to the caller who asked, unread; those who waited for the same
// response ask for themselves. Default 1 MiB.
func MaxBody(n int64) Option {
	return Option{func(s *settings) {
		if s.maxBody = n; n < 1 {
			s.fault("MaxBody is %d: give one byte or more", n)
		}
	}}
}

// MaxBytes is how many bytes all stored responses take at most, about: bodies, headers
// and URLs. It must not be below MaxBody. Default 64 MiB.
func MaxBytes(n int) Option {
	return Option{func(s *settings) {
		if s.maxBytes = n; n < 1 {
			s.fault("MaxBytes is %d: give one byte or more", n)
		}
	}}
}

// Keep is how long a response is kept after it is stale, zero or more, for
// stale-if-error and, by a Transport, to ask the origin whether it still holds, which
// costs no body, and for max-stale. Default 1 hour.
func Keep(d time.Duration) Option {
	return Option{func(s *settings) {
		if s.keep = d; d < 0 {
			s.fault("Keep is %v: give zero or more", d)
		}
	}}
}

// Neutral names request headers that don't select the response, such as one with an id
// for the logs: they are not in the key, and the request of a load has those of the
// caller that led to it. A response that names one of them in Vary is not stored. The
// headers of traces (Traceparent, Tracestate, B3, X-B3-*, X-Request-Id,
// X-Correlation-Id, X-Cloud-Trace-Context, X-Amzn-Trace-Id) are neutral without being
// named.
//
// To name a header that does select the response gives callers each other's responses.
func Neutral(headers ...string) Option {
	return Option{func(s *settings) { s.neutral = append(s.neutral, s.names("Neutral", headers)...) }}
}

// KeyHeaders names the request headers that a Handler's responses depend on, such as
// Accept-Language: they are in the key, and a load has them. Other headers are not there
// in a load. A response whose Vary names one that is not in the key is not stored.
func KeyHeaders(headers ...string) Option {
	return Option{func(s *settings) { s.keyed = append(s.keyed, s.names("KeyHeaders", headers)...) }}
}

// Fresh is how long a Handler's response is fresh that says neither max-age, s-maxage
// nor Expires, at least 0. Default 0: it is not stored.
func Fresh(d time.Duration) Option {
	return Option{func(s *settings) {
		if s.fresh = &d; d < 0 {
			s.fault("Fresh is %v: give zero or more", d)
		}
	}}
}

// names are the headers that an option may be given.
func (s *settings) names(option string, headers []string) []string {
	names := make([]string, 0, len(headers))
	for _, name := range headers {
		switch name = http.CanonicalHeaderKey(name); {
		case token(name) == "":
			s.fault("%s names the header %q, which is no name of one", option, name)
		case passes[name] || conditions[name] || name == "Cache-Control" || name == "Pragma":
			s.fault("%s names the header %s, which is no part of what a cache may share: leave it out", option, name)
		default:
			names = append(names, name)
		}
	}
	return names
}

// With gives options to the memoized function that is behind the cache: of package
// config Name, Clock, ExactClock, Observe, Logger, HideKeys, MethodTimeout, MaxLoads,
// QueueTimeout, MaxBackground, MaxRunaway, Bypass, Jitter, ContextValues and Guard. The
// others would change what is stored, and are refused.
//
// The name is in Cache-Status, by default "http" for a Transport and "handler" for a
// Handler. The clock is read for lifetimes. The method timeout, 2 minutes by default, is
// how long a response that is to be stored may take, its body included. To a guard the
// statuses 500, 502, 503 and 504 are failures of the source. What can't be stored goes to
// the source past the guard, once that is known.
func With(options ...config.Option) Option {
	return Option{func(s *settings) {
		for _, o := range options {
			if name := o.String(); !slices.Contains(allowed, name) {
				s.fault("With is given %s, which is not for a cache of responses: give it one of %v", name, allowed)
				continue
			}
			s.memo = append(s.memo, o)
		}
	}}
}

var allowed = []string{
	"config.Name", "config.Clock", "config.ExactClock", "config.Observe", "config.Logger", "config.HideKeys", "config.MethodTimeout", "config.MaxLoads",
	"config.QueueTimeout", "config.MaxBackground", "config.MaxRunaway", "config.Bypass", "config.Jitter", "config.ContextValues", "config.Guard",
}

// tracing are the headers that are neutral by themselves.
var tracing = []string{
	"Traceparent", "Tracestate", "B3", "X-B3-Traceid", "X-B3-Spanid", "X-B3-Parentspanid", "X-B3-Sampled", "X-B3-Flags",
	"X-Request-Id", "X-Correlation-Id", "X-Cloud-Trace-Context", "X-Amzn-Trace-Id",
}

// passes are the headers of requests that a cache takes no part in: those that name a
// user, ask for a part, set a condition that only the origin can judge, or concern the
// connection.
var passes = map[string]bool{
	"Authorization": true, "Proxy-Authorization": true, "Cookie": true,
	"Range": true, "If-Range": true, "If-Match": true, "If-Unmodified-Since": true,
	"Connection": true, "Upgrade": true, "Te": true, "Trailer": true, "Transfer-Encoding": true, "Expect": true,
}

// conditions are those of requests that a Handler judges itself, and a Transport leaves
// to the origin.
var conditions = map[string]bool{"If-None-Match": true, "If-Modified-Since": true}

// settingsOf is what options say, or everything that is wrong with them.
func settingsOf(options []Option, defaults settings) (settings, error) {
	s := defaults
	for _, o := range options {
		if o.set == nil {
			s.fault("a zero Option: make options with the functions of this package")
			continue
		}
		o.set(&s)
	}
	if s.maxBytes >= 1 && s.maxBody > int64(s.maxBytes) {
		s.fault("MaxBody is %d and MaxBytes %d: no response of that size would be stored; give MaxBytes at least as much", s.maxBody, s.maxBytes)
	}
	return s, errors.Join(s.errs...)
}
