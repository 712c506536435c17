package servers

import (
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// busOffset is how far above its port a Redis node has the one on which nodes
// talk to each other.
const busOffset = 10_000

var redis = kind{program: "redis-server", apt: "redis-server", args: redisArgs, ready: redisReady}

// Redis starts a Redis server, with what arguments it is given beside those that
// keep it to itself. A restart loses everything, unless it is Durable.
func Redis(t testing.TB, args ...string) *Server {
	t.Helper()
	return start(t, redis, args...)
}

// Durable is the arguments of a Redis server that has, after a crash, all that
// it has acknowledged.
var Durable = []string{"--appendonly", "yes", "--appendfsync", "always"}

func redisArgs(dir string, port int) []string {
	return []string{"--port", strconv.Itoa(port), "--bind", "127.0.0.1", "--dir", dir, "--save", "", "--daemonize", "no"}
}

// redisReady is satisfied with any answer but that the data is being loaded: a
// server that wants a password first is ready.
func redisReady(conn net.Conn) error {
	_, err := command(conn, "PING")
	if err != nil && strings.HasPrefix(err.Error(), "NOAUTH") {
		return nil
	}
	return err
}

// Command sends a command to a Redis server on a connection of its own, and
// returns its answer as text: the elements of an array a line each.
func (s *Server) Command(args ...string) string {
	s.t.Helper()
	answer, err := s.try(args...)
	if err != nil {
		s.t.Fatalf("servers: %q: %v", args, err)
	}
	return answer
}

func (s *Server) try(args ...string) (string, error) {
	conn, err := dial(s.Addr())
	if err != nil {
		return "", err
	}
	defer conn.Close()
	return command(conn, args...)
}

// SocketPath is where a server can have a Unix socket: such a path must be
// shorter than those of t.TempDir may be.
func SocketPath(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "s")
	if err != nil {
		t.Fatalf("servers: %v", err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return filepath.Join(dir, "socket")
}
