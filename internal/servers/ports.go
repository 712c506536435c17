package servers

import (
	"net"
	"testing"
)

// freePort is a port that nobody uses, low enough that a node of a cluster can use the
// one 10,000 above it too. No other test is given either until this one has ended: else
// two servers that start at once may choose one port, and of the one that can't have it
// the other's answers would say that it runs.
func freePort(t testing.TB) int {
	t.Helper()
	for range 1000 {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatalf("servers: %v", err)
		}
		port := l.Addr().(*net.TCPAddr).Port
		bus, err := net.Listen("tcp", address(port+busOffset))
		l.Close()
		if err != nil {
			continue
		}
		bus.Close()
		if claim(t, port) && claim(t, port+busOffset) {
			return port
		}
	}
	t.Fatal("servers: no free port is found")
	return 0
}
