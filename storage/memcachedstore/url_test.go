package memcachedstore

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/perennial-go/perennial/internal/servers"
	"github.com/perennial-go/perennial/storage"
)

func TestURL(t *testing.T) {
	for _, c := range []struct {
		url     string
		names   string
		timeout time.Duration
		pool    int
	}{
		{"memcached://h", "memcached://h:11211", defaultTimeout, defaultPool},
		{"memcached://h:1,other,[::1],[::1]:2,10.0.0.1/", "memcached://h:1,other:11211,[::1]:11211,[::1]:2,10.0.0.1:11211", defaultTimeout, defaultPool},
		{"memcached://h?timeout=1s&pool=3&prefix=a:", "memcached://h:11211", time.Second, 3},
		{"memcached:///run/m.sock", "memcached:///run/m.sock", defaultTimeout, defaultPool},
	} {
		store, err := storage.Open(context.Background(), c.url)
		if err != nil {
			t.Errorf("%s: %v", c.url, err)
			continue
		}
		s := store.Bytes().(*Store)
		client := s.nodes[0].client
		if s.String() != c.names || client.Timeout != c.timeout || client.MaxIdleConns != c.pool || cap(s.nodes[0].places) != c.pool {
			t.Errorf("%s: %s, timeout %v, pool %d", c.url, s, client.Timeout, client.MaxIdleConns)
		}
		if err := store.Close(); err != nil {
			t.Error(err)
		}
	}
	for url, says := range map[string]string{
		"memcached://":                               "a host is missing",
		"memcached://a,,b":                           "a host is missing",
		"memcached://a,a:11211":                      "named twice",
		"memcached://a/0":                            "of no use",
		"memcached://h%0Ax":                          "control character",
		"memcached:///h%1B[0m":                       "control character",
		"memcached://user:s3cr3t@a":                  "leave them out",
		"memcached://user%3As3cr3t%40h:11211":        "escaped @",
		"memcached://user%3As3cr3t%40h":              "escaped @",
		"memcached://a,user%3As3cr3t":                "escaped @",
		"memcached://u%253As3cr3t@h":                 "leave them out",
		"memcached:///user%3As3cr3t%40h/x?nothing=1": "may be a password",
		"memcached://h/user%3As3cr3t%40h?nothing=1":  "may be a password",
		"memcached://a?pool=0":                       "at least 1",
		"memcached://a?pool=65537":                   "at most 65536",

		"memcached://a?pool=9223372036854775807": "at most 65536",
		"memcached://a?timeout=0s":               "above zero",
		"memcached://a?time=1s&password=x":       "those known are max-value, pool, prefix, serde, timeout",
	} {
		_, err := storage.Open(context.Background(), url)
		if err == nil || !strings.Contains(err.Error(), says) || strings.Contains(err.Error(), "s3cr3t") {
			t.Errorf("%s: %v", url, err)
		}
	}
}

func TestSocket(t *testing.T) {
	path := servers.SocketPath(t)
	wireOn(t, "unix", path, servers.Memcached(t).Addr(), "")
	store, err := storage.Open(t.Context(), "memcached://"+path)
	if err != nil {
		t.Fatal(err)
	}
	s := closed(t, store.Bytes().(*Store))
	set(t, s, "a", "1", time.Hour)
	if r := get(t, s, "a"); string(r.Value) != "1" {
		t.Errorf("Get returns %q", r.Value)
	}
}
