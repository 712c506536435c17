package servers

import (
	"math/rand/v2"
	"net"
	"testing"
)

// The ports of servers, and of cluster nodes' buses 10,000 above them. They are below those
// that systems give to outgoing connections and to listeners that ask for any: while a
// server starts, or is down, nobody else happens to get its port.
const firstPort, lastPort = 10_000, 22_000

// freePort is a port that nobody uses, nor the one of the bus. No other test is given
// either until this one has ended: else two servers that start at once may choose one
// port, and of the one that can't have it the other's answers would say that it runs.
func freePort(t testing.TB) int {
	t.Helper()
	for range 1000 {
		port := firstPort + rand.N(lastPort-firstPort)
		if claim(t, port) && claim(t, port+busOffset) && free(port) && free(port+busOffset) {
			return port
		}
	}
	t.Fatal("servers: no free port is found")
	return 0
}

// free tells whether one can listen there.
func free(port int) bool {
	l, err := net.Listen("tcp", address(port))
	if err == nil {
		l.Close()
	}
	return err == nil
}
