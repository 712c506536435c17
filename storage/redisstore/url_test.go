package redisstore

import (
	"context"
	"crypto/tls"
	"encoding/pem"
	"io"
	"net"
	"net/http/httptest"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/perennial-go/perennial/internal/servers"
	"github.com/perennial-go/perennial/storage"
)

// said is what of a client's options a URL decides.
type said struct {
	Network, Addr, Username, Password string
	DB, MaxRetries, PoolSize          int
	ReadTimeout                       time.Duration
	ContextTimeoutEnabled             bool
	Protocol                          int
}

func TestURLs(t *testing.T) {
	t.Parallel()
	plain := said{Network: "tcp", Addr: "localhost:6379", MaxRetries: 1, PoolSize: 10, ReadTimeout: time.Second, ContextTimeoutEnabled: true, Protocol: 2}
	with := func(change func(s *said)) said {
		s := plain
		change(&s)
		return s
	}
	for url, want := range map[string]said{
		"redis://?pool=10":                 plain,
		"redis://localhost/?pool=10":       plain,
		"redis://localhost:6379/0?pool=10": plain,
		"REDIS://localhost?pool=10":        plain,
		"redis://h:1/7?pool=3&timeout=50ms&retries=0": with(func(s *said) {
			s.Addr, s.DB, s.PoolSize, s.ReadTimeout, s.MaxRetries = "h:1", 7, 3, 50*time.Millisecond, 0
		}),
		"redis://:p%40ss%2Fw@h?pool=10":               with(func(s *said) { s.Addr, s.Password = "h:6379", "p@ss/w" }),
		"redis://me:secret@h?pool=10":                 with(func(s *said) { s.Addr, s.Username, s.Password = "h:6379", "me", "secret" }),
		"redis://[::1]?pool=10":                       with(func(s *said) { s.Addr = "[::1]:6379" }),
		"redis://[::1]:7?pool=10":                     with(func(s *said) { s.Addr = "[::1]:7" }),
		"redis+unix:///run/r.sock?pool=10&db=2":       with(func(s *said) { s.Network, s.Addr, s.DB = "unix", "/run/r.sock", 2 }),
		"redis+unix://:x@/run/r.sock?pool=10":         with(func(s *said) { s.Network, s.Addr, s.Password = "unix", "/run/r.sock", "x" }),
		"redis+sentinel://a,b:1/main/3?pool=10":       with(func(s *said) { s.Addr, s.DB = "FailoverClient", 3 }),
		"redis+sentinel://me:x@a/main?pool=10":        with(func(s *said) { s.Addr, s.Username, s.Password = "FailoverClient", "me", "x" }),
		"rediss://h:1?pool=10&tls-name=other.example": with(func(s *said) { s.Addr = "h:1" }),
	} {
		s, err := storage.Open(t.Context(), url)
		if err != nil {
			t.Errorf("%s: %v", url, err)
			continue
		}
		o := s.Bytes().(*Entries).redis.(*redis.Client).Options()
		got := said{o.Network, o.Addr, o.Username, o.Password, o.DB, o.MaxRetries, o.PoolSize, o.ReadTimeout, o.ContextTimeoutEnabled, o.Protocol}
		if got != want {
			t.Errorf("%s is understood as\n%+v, want\n%+v", url, got, want)
		}
		if err := s.Close(); err != nil {
			t.Errorf("%s: Close: %v", url, err)
		}
	}
	s, err := storage.Open(t.Context(), "rediss+cluster://:x@a,b:1/0?retries=5")
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	o := s.Bytes().(*Entries).redis.(*redis.ClusterClient).Options()
	if !reflect.DeepEqual(o.Addrs, []string{"a:6379", "b:1"}) || o.Password != "x" || o.MaxRedirects != 5 || o.Protocol != 2 || !o.ContextTimeoutEnabled {
		t.Errorf("a cluster is understood as %+v", o)
	}
}

func TestLayoutsOfURLs(t *testing.T) {
	t.Parallel()
	for url, want := range map[string]storage.Bytes{
		"redis://h":                        (*Entries)(nil),
		"redis://h?layout=entry":           (*Entries)(nil),
		"redis://h?layout=string":          (*Strings)(nil),
		"redis://h?layout=field&hash=a%3A": (*Fields)(nil),
		"redis://h?layout=value":           (*Values)(nil),
	} {
		s, err := storage.Open(t.Context(), url)
		if err != nil {
			t.Errorf("%s: %v", url, err)
			continue
		}
		defer s.Close()
		if got := s.Bytes(); reflect.TypeOf(got) != reflect.TypeOf(want) {
			t.Errorf("%s is a %T, want a %T", url, got, want)
		}
	}
	s, err := storage.Open(t.Context(), "redis://h?layout=field&hash=a%3A&max-value=7")
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if f := s.Bytes().(*Fields); f.hash != "a:" || f.max != 7 {
		t.Errorf("the hash is %q, and the largest value %d", f.hash, f.max)
	}
}

// What is wrong with a URL is said before anything connects, and without the
// password.
func TestURLsAtFault(t *testing.T) {
	t.Parallel()
	for url, want := range map[string]string{
		"redis://h?layout=list":                        `layout="list"`,
		"redis://h?layout=field":                       "add hash=NAME",
		"redis://h?hash=a":                             `"hash" is unknown`,
		"redis://h?tls-ca=x":                           `"tls-ca" is unknown`,
		"redis://h?sentinel-password=hunter2":          `"sentinel-password" is unknown`,
		"redis://h?db=1":                               `"db" is unknown`,
		"redis://h?timeout=soon":                       `timeout="soon"`,
		"redis://h?pool=0":                             `pool="0"`,
		"redis://h?pool=9223372036854775807":           "at most 65536",
		"redis://h?retries=-1":                         `retries="-1"`,
		"redis://h?max-value=0":                        `max-value="0"`,
		"redis://h?insecure=true":                      `"insecure" is unknown`,
		"redis://a,b":                                  "redis+cluster://",
		"redis://h/one":                                "is no number of a database",
		"redis://h/-1":                                 "is no number of a database",
		"redis://h/1/2":                                "is no number of a database",
		"redis://:6379":                                "is no address",
		"redis://hunter2@h":                            "redis://:password@host",
		"redis+unix://run/r.sock":                      "three slashes",
		"redis+unix://":                                "three slashes",
		"redis+cluster://a,b/1":                        "one database",
		"redis+cluster://a?retries=0":                  `retries="0"`,
		"redis+sentinel://a":                           "name of the master",
		"redis+sentinel://a/main/x":                    "is no number of a database",
		"rediss://h?tls-ca=/nowhere":                   "/nowhere",
		"rediss://h?tls-ca=url_test.go":                "PEM",
		"rediss://h?tls-cert=/nowhere&tls-key=/either": "/nowhere",
		"redis://:hunter2@h?pool=x&timeout=x":          "timeout",
	} {
		s, err := storage.Open(t.Context(), url)
		if err == nil {
			s.Close()
			t.Errorf("%s is opened, want an error with %q in it", url, want)
			continue
		}
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%s is refused with %q, want %q in it", url, err, want)
		}
		if strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s is refused with the password in %q", url, err)
		}
	}
}

// A server is talked to under TLS if it proves who it is, and not otherwise.
func TestTLS(t *testing.T) {
	t.Parallel()
	server := servers.Redis(t)
	secure := httptest.NewUnstartedServer(nil) // has a certificate for 127.0.0.1
	secure.StartTLS()
	config := secure.TLS.Clone()
	ca := filepath.Join(t.TempDir(), "ca.pem")
	text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: secure.Certificate().Raw})
	if err := os.WriteFile(ca, text, 0o600); err != nil {
		t.Fatal(err)
	}
	secure.Close()
	config.NextProtos = nil
	addr := tlsFor(t, config, server.Addr())
	try := func(params string) error {
		s, err := storage.Open(t.Context(), "rediss://"+addr+"?retries=0&timeout=1m"+params)
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		return s.Bytes().Set(t.Context(), "key", []byte("1"), time.Hour)
	}
	if err := try("&tls-ca=" + ca); err != nil || server.Command("HGET", "key", "v") != "1" {
		t.Errorf("Set: %v", err)
	}
	if err := try("&tls-name=example.com&tls-ca=" + ca); err != nil {
		t.Errorf("Set, of a server that has another name: %v", err)
	}
	for params, want := range map[string]string{"": "unknown authority", "&tls-name=other.example&tls-ca=" + ca: "other.example"} {
		if err := try(params); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("Set with %q says %v, want %q in it", params, err, want)
		}
	}
}

// A server that speaks no TLS, whatever it does instead, is named as the cause.
func TestNoTLS(t *testing.T) {
	t.Parallel()
	plain := servers.Redis(t)
	answers := servers.Fake(t, func(to net.Conn, _ []string) bool { return false })
	says := serve(t, func(c net.Conn) { _, _ = io.WriteString(c, "+OK, and more of it\r\n") })
	for name, addr := range map[string]string{"Redis": plain.Addr(), "one that waits": answers, "one that says something": says, "one that hangs up": serve(t, func(net.Conn) {})} {
		s, err := storage.Open(t.Context(), "rediss://"+addr+"?retries=0&timeout=100ms")
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		for _, ctx := range []context.Context{ctx, t.Context()} {
			if _, err := s.Bytes().Get(ctx, "a"); err == nil || !strings.Contains(err.Error(), "does not answer in TLS") || !strings.Contains(err.Error(), "redis://") {
				t.Errorf("%s: %v", name, err)
			}
		}
		cancel()
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}
	gone := servers.Nobody(t)
	s, err := storage.Open(t.Context(), "rediss://"+gone+"?retries=0")
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if _, err := s.Bytes().Get(t.Context(), "a"); err == nil || strings.Contains(err.Error(), "TLS") {
		t.Errorf("nobody there: %v", err)
	}
}

// serve starts what does something with each connection and then ends it.
func serve(t *testing.T, do func(net.Conn)) (addr string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			do(c)
			c.Close()
		}
	}()
	return l.Addr().String()
}

// tlsFor passes what comes under TLS on to a server.
func tlsFor(t *testing.T, config *tls.Config, to string) string {
	t.Helper()
	l, err := tls.Listen("tcp", "127.0.0.1:0", config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			from, err := l.Accept()
			if err != nil {
				return
			}
			server, err := net.Dial("tcp", to)
			if err != nil {
				from.Close()
				continue
			}
			go func() {
				defer server.Close()
				_, _ = io.Copy(server, from)
			}()
			go func() {
				defer from.Close()
				_, _ = io.Copy(from, server)
			}()
		}
	}()
	return l.Addr().String()
}
