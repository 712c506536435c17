package memcachedstore

import (
	"hash/fnv"
	"net"
	"strings"
	"time"

	"github.com/bradfitz/gomemcache/memcache"
)

// server is one server as the client knows them: its name is looked up whenever
// it connects.
type server struct{ network, address string }

func (a server) Network() string { return a.network }
func (a server) String() string  { return a.address }

// PickServer and Each make a server all the servers that a client has, so that one
// which hangs holds up no others.
func (a server) PickServer(string) (net.Addr, error)    { return a, nil }
func (a server) Each(f func(addr net.Addr) error) error { return f(a) }

// serverOf is the server of a name: a path, or a host with or without a port.
func serverOf(name string) server {
	if strings.HasPrefix(name, "/") {
		return server{"unix", name}
	}
	if _, _, err := net.SplitHostPort(name); err != nil {
		name = net.JoinHostPort(strings.Trim(name, "[]"), "11211")
	}
	return server{"tcp", name}
}

func newNode(a server, timeout time.Duration, pool int) *node {
	client := memcache.NewFromSelector(a)
	client.Timeout, client.MaxIdleConns = timeout, pool
	return &node{name: a.address, client: client, places: make(chan struct{}, pool)}
}

// nodeOf is the node that has a key: the one whose name together with the key
// hashes highest.
func (s *Store) nodeOf(k string) (best *node) {
	if len(s.nodes) == 1 {
		return s.nodes[0]
	}
	highest := uint64(0)
	for _, n := range s.nodes {
		if score := score(n.name, k); best == nil || score > highest {
			best, highest = n, score
		}
	}
	return best
}

func score(name, k string) uint64 {
	h := fnv.New64a()
	h.Write([]byte(name))
	h.Write([]byte{0})
	h.Write([]byte(k))
	x := h.Sum64() // whose last bytes have hardly been mixed: so do MurmurHash3's last steps
	x = (x ^ x>>33) * 0xff51afd7ed558ccd
	x = (x ^ x>>33) * 0xc4ceb9fe1a85ec53
	return x ^ x>>33
}
