package grpcmemo

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"google.golang.org/grpc/metadata"

	"github.com/perennial-go/perennial/config"
	"github.com/perennial-go/perennial/entry"
)

// Option says one thing about an Interceptor. If an option is given twice, the last one
// wins; those of Method, Metadata, Neutral and With add up.
type Option struct {
	set func(s *settings)
}

// settings are what options say.
type settings struct {
	methods  map[string]entry.Life
	chosen   []string
	neutral  []string
	maxBytes int
	memo     []config.Option
	errs     []error
}

func (s *settings) fault(format string, args ...any) {
	s.errs = append(s.errs, fmt.Errorf("grpcmemo: "+format, args...))
}

// Method has the replies of a method kept, whose full name is like
// "/package.Service/Method". Only a method that reads may be named: its calls are
// answered without the server's knowledge. life is how long a reply is fresh and how long
// it is served at all; ExpireAfter must be above zero.
func Method(fullName string, life entry.Life) Option {
	return Option{func(s *settings) {
		service, method, ok := strings.Cut(strings.TrimPrefix(fullName, "/"), "/")
		if !ok || !strings.HasPrefix(fullName, "/") || service == "" || method == "" || strings.Contains(method, "/") {
			s.fault("Method is given %q: give it the full name, such as /package.Service/Method", fullName)
		}
		if err := life.Validate(); err != nil {
			s.fault("Method %s: %w", fullName, err)
		} else if life.ExpireAfter == 0 {
			s.fault("Method %s has no life: give it an ExpireAfter above zero", fullName)
		}
		if _, twice := s.methods[fullName]; twice {
			s.fault("Method %s is given twice: leave one out", fullName)
		}
		s.methods[fullName] = life
	}}
}

// Metadata names the outgoing metadata that replies depend on: calls that differ in it
// don't share a reply. A call with metadata that is neither named here nor neutral, such
// as authorization, goes to the server and is not kept.
func Metadata(keys ...string) Option {
	return Option{func(s *settings) { s.chosen = append(s.chosen, s.names("Metadata", keys)...) }}
}

// Neutral names outgoing metadata that makes no difference to the reply, such as the id
// of a request: a load sends that of the call which led to it. Traceparent, tracestate,
// b3, the x-b3 keys, grpc-trace-bin, x-request-id and x-correlation-id are neutral without
// being named.
//
// To name what does make a difference gives callers each other's replies.
func Neutral(keys ...string) Option {
	return Option{func(s *settings) { s.neutral = append(s.neutral, s.names("Neutral", keys)...) }}
}

// names are the metadata keys that an option may be given.
func (s *settings) names(option string, keys []string) []string {
	names := make([]string, 0, len(keys))
	for _, key := range keys {
		name := strings.ToLower(key)
		switch {
		case name == "" || strings.Trim(name, "0123456789abcdefghijklmnopqrstuvwxyz-_.") != "":
			s.fault("%s names %q, which is no key of metadata", option, key)
		case name == "authorization" || name == "cookie":
			s.fault("%s names %s, and replies for one user are not to be shared: leave it out", option, name)
		default:
			names = append(names, name)
		}
	}
	return names
}

// MaxBytes is how many bytes all replies that are kept take at most, about, above zero.
// Default 64 MiB.
func MaxBytes(n int) Option {
	return Option{func(s *settings) {
		if s.maxBytes = n; n < 1 {
			s.fault("MaxBytes is %d: give one byte or more", n)
		}
	}}
}

// With gives options to the memoized function that is behind the cache: of package
// config Name, Clock, ExactClock, Observe, Logger, HideKeys, MethodTimeout, MaxLoads,
// QueueTimeout, MaxBackground, MaxRunaway, Bypass, Jitter, ContextValues, StaleIfError,
// StaleWhen, SoftTimeout and Guard. The others would change what is kept, and are refused.
//
// The method timeout, 2 minutes by default, is the deadline of a load. By default a load
// sees no values of its caller's context, as credentials may be taken from there:
// config.ContextValues says which it may see.
func With(options ...config.Option) Option {
	return Option{func(s *settings) {
		for _, o := range options {
			if name := o.String(); !slices.Contains(allowed, name) {
				s.fault("With is given %s, which is not for a cache of replies: give it one of %v", name, allowed)
				continue
			}
			s.memo = append(s.memo, o)
		}
	}}
}

var allowed = []string{
	"config.Name", "config.Clock", "config.ExactClock", "config.Observe", "config.Logger", "config.HideKeys", "config.MethodTimeout", "config.MaxLoads",
	"config.QueueTimeout", "config.MaxBackground", "config.MaxRunaway", "config.Bypass", "config.Jitter", "config.ContextValues",
	"config.StaleIfError", "config.StaleWhen", "config.SoftTimeout", "config.Guard",
}

// tracing is the metadata that is neutral by itself.
var tracing = []string{
	"traceparent", "tracestate", "b3", "x-b3-traceid", "x-b3-spanid", "x-b3-parentspanid", "x-b3-sampled", "x-b3-flags",
	"grpc-trace-bin", "x-request-id", "x-correlation-id",
}

// settingsOf is what options say, or everything that is wrong with them.
func settingsOf(options []Option) (settings, error) {
	s := settings{methods: map[string]entry.Life{}, maxBytes: 64 << 20, neutral: slices.Clone(tracing)}
	for _, o := range options {
		if o.set == nil {
			s.fault("a zero Option: make options with the functions of this package")
			continue
		}
		o.set(&s)
	}
	if len(s.methods) == 0 {
		s.fault("no Method is given, so no reply would be kept: name the methods that read")
	}
	for _, name := range s.chosen {
		if slices.Contains(s.neutral, name) {
			s.fault("%s is both in Metadata and neutral: leave one out", name)
		}
	}
	return s, errors.Join(s.errs...)
}

// split is the outgoing metadata of a call that is in its key, and what a load sends. ok
// is false where the call has other metadata.
func (s settings) split(md metadata.MD) (keyed, sent metadata.MD, ok bool) {
	keyed, sent = metadata.MD{}, metadata.MD{}
	for name, values := range md {
		switch chosen := slices.Contains(s.chosen, name); {
		case chosen:
			keyed[name] = values
		case !slices.Contains(s.neutral, name):
			return nil, nil, false
		}
		sent[name] = values
	}
	return keyed, sent, true
}
