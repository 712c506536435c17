package synced

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"os"
	"strconv"
	"strings"

	"github.com/perennial-go/perennial/storage"
	_ "github.com/perennial-go/perennial/storage/redisstore" // makes the scheme redis known
	"github.com/perennial-go/perennial/storage/resilient"
)

// OpenOption configures Open.
type OpenOption struct {
	set func(s *settings)
}

type settings struct {
	host, url, prefix string
	port              int
	resilient         []resilient.Option
}

// What Open does where neither options nor the environment say anything.
const (
	DefaultHost   = "localhost"
	DefaultPort   = 6379
	DefaultPrefix = "memory:"
)

// Host sets the name or the address of the Redis server. Default: the variable
// REDIS_HOST of the environment, or else DefaultHost.
func Host(name string) OpenOption { return OpenOption{func(s *settings) { s.host = name }} }

// Port sets the server's port. Default: the variable REDIS_PORT of the environment,
// or else DefaultPort.
func Port(port int) OpenOption { return OpenOption{func(s *settings) { s.port = port }} }

// URL tells where the server is, in place of Host and Port, as storage.Open reads it: with a
// password, TLS, a cluster or sentinels. Its prefix is a Prefix. Defaults: a timeout of
// 500ms, and the layout value.
//
//	rediss://user:password@host:6379/0
func URL(text string) OpenOption { return OpenOption{func(s *settings) { s.url = text }} }

// Prefix begins the keys of all values, say svc:. Default: that of the URL, the
// variable REDIS_PREFIX of the environment, or else DefaultPrefix.
func Prefix(prefix string) OpenOption { return OpenOption{func(s *settings) { s.prefix = prefix }} }

// Resilient sets how the memory works while its server is away: how much may wait, how much
// is copied, who is notified. Default: that of resilient.New, with resilient.FailAway and
// resilient.WriteAgain.
func Resilient(opts ...resilient.Option) OpenOption {
	return OpenOption{func(s *settings) { s.resilient = append(s.resilient, opts...) }}
}

// Open makes a Memory over a Redis server, see New. Options take precedence over variables
// of the environment. A server that is away is no error: the memory works, and is shared
// once the server is there. The caller must Close it.
func Open(ctx context.Context, opts ...OpenOption) (*Memory, error) {
	s := settings{resilient: []resilient.Option{resilient.FailAway(), resilient.WriteAgain(true)}}
	for _, o := range opts {
		if o.set == nil {
			return nil, errors.New("synced: a zero OpenOption: make options with the functions of this package")
		}
		o.set(&s)
	}
	where, prefix, err := s.resolve(os.Getenv)
	if err != nil {
		return nil, fmt.Errorf("synced: %w", err)
	}
	opened, err := storage.Open(ctx, where)
	if err != nil {
		return nil, fmt.Errorf("synced: %w", err)
	}
	m, err := over(ctx, opened, prefix, s.resilient)
	if err != nil {
		return nil, errors.Join(err, opened.Close())
	}
	return m, nil
}

func over(ctx context.Context, opened *storage.Store, prefix string, opts []resilient.Option) (*Memory, error) {
	store, err := resilient.New(opened.Bytes(), opts...)
	if err != nil {
		return nil, fmt.Errorf("synced: %w", err)
	}
	m, err := New(ctx, store, prefix)
	if err != nil {
		return nil, errors.Join(err, store.Close(ctx))
	}
	m.close = opened.Close
	return m, nil
}

// errHost is for what would be read as more than a host.
var errHost = errors.New("the host (synced.Host, REDIS_HOST) is no name or address: give that alone, and a user, a password or a database by synced.URL")

// resolve is the URL of the store and the prefix, by options and the environment.
func (s *settings) resolve(getenv func(string) string) (where, prefix string, err error) {
	where = s.url
	if where == "" {
		host, port := cmp.Or(s.host, getenv("REDIS_HOST"), DefaultHost), s.port
		if port == 0 {
			if port, err = portOf(getenv("REDIS_PORT")); err != nil {
				return "", "", err
			}
		}
		if port < 1 || port > 65535 {
			return "", "", fmt.Errorf("the port %d is none: give one from 1 to 65535", port)
		}
		_, notIP := netip.ParseAddr(host)
		if strings.ContainsAny(host, "@/?#\\ \t\r\n") || strings.Contains(host, ":") && notIP != nil { // and may be of a URL with a password in it
			return "", "", errHost
		}
		where = "redis://" + net.JoinHostPort(url.PathEscape(host), strconv.Itoa(port))
	} else if s.host != "" || s.port != 0 {
		return "", "", errors.New("both a URL and a host or port are given: the URL has them")
	}
	base, text, _ := strings.Cut(where, "?")
	parameters, err := url.ParseQuery(text)
	if err != nil {
		return where, "", nil // storage.Open says what is wrong with it
	}
	if parameters.Has("serde") {
		return "", "", errors.New("the URL has the parameter serde: values have codecs of their own, see synced.Codec")
	}
	prefix = cmp.Or(s.prefix, parameters.Get("prefix"), getenv("REDIS_PREFIX"), DefaultPrefix)
	parameters.Del("prefix")
	if strings.HasPrefix(base, "redis") {
		setDefault(parameters, "layout", "value")
		setDefault(parameters, "timeout", resilient.DefaultTimeout.String())
	}
	return base + "?" + parameters.Encode(), prefix, nil
}

func setDefault(v url.Values, name, value string) {
	if !v.Has(name) {
		v.Set(name, value)
	}
}

// portOf is the port in a variable of the environment.
func portOf(text string) (int, error) {
	if text == "" {
		return DefaultPort, nil
	}
	port, err := strconv.Atoi(text)
	if err != nil {
		return 0, fmt.Errorf("REDIS_PORT is %q, which is no port: set it to a number, or give synced.Port (Kubernetes sets such a variable for a service called redis, unless enableServiceLinks is false)", text)
	}
	return port, nil
}
