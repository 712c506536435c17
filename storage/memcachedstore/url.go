package memcachedstore

import (
	"context"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/perennial-go/perennial/storage"
)

const (
	defaultTimeout = 250 * time.Millisecond
	defaultPool    = 16
	mostPool       = 1 << 16 // a server has as many ports for us
)

func init() { storage.Register(open, "memcached") }

// open makes a store of a URL. It connects to nobody.
func open(_ context.Context, u *storage.URL) (storage.Bytes, error) {
	timeout := u.Duration("timeout", defaultTimeout)
	pool := u.Int("pool", defaultPool, 1)
	if pool > mostPool {
		u.Fault("parameter pool=%d: give at most %d", pool, mostPool)
		pool = defaultPool
	}
	if u.User != "" || u.Password != "" {
		u.Fault("user and password are not known to memcached's text protocol: leave them out, and let nobody else reach the server")
	}
	maxValue := u.Int("max-value", defaultMaxValue, 1)
	names := strings.Split(u.Host, ",")
	switch {
	case u.Host == "" && strings.Trim(u.Path, "/") != "":
		names = []string{u.Path}
	case strings.Trim(u.Path, "/") != "":
		u.Fault("a path is of no use beside hosts: write memcached://host1:11211,host2:11211, or memcached:///path/of.socket")
	}
	if strings.ContainsFunc(u.Host+u.Path, unicode.IsControl) {
		u.Fault("there is a control character in a host or a path: leave it out")
	}
	var nodes []*node
	for _, name := range names {
		a := serverOf(name)
		switch {
		case name == "":
			u.Fault("a host is missing: write memcached://host1:11211,host2:11211")
		case slices.ContainsFunc(nodes, func(n *node) bool { return n.name == a.address }):
			u.Fault("host %q is named twice", a.address)
		}
		nodes = append(nodes, newNode(a, timeout, pool))
	}
	if err := u.Check(); err != nil {
		return nil, err
	}
	return newStore(nodes, []Option{MaxValue(maxValue)}), nil
}
