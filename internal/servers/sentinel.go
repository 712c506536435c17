package servers

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// Sentinels is a Redis server with a replica, and a sentinel that makes the
// replica master when it is told to: a machine that is busy does not look to it
// like a server that is away.
type Sentinels struct {
	Master, Replica, Sentinel *Server
	Name                      string // of the master, for the sentinel
}

// RedisSentinel starts all three and waits until the sentinel knows the others.
func RedisSentinel(t testing.TB) *Sentinels {
	t.Helper()
	s := &Sentinels{Name: "main"}
	s.Master = Redis(t, "--repl-diskless-sync-delay", "0")
	s.Replica = Redis(t, "--replicaof", "127.0.0.1 "+strconv.Itoa(s.Master.port))
	s.Replica.waitFor([]string{"INFO", "replication"}, "master_link_status:up")
	s.Master.waitFor([]string{"INFO", "replication"}, "state=online")
	s.Sentinel = start(t, kind{program: redis.program, apt: redis.apt, ready: redisReady, args: s.sentinelArgs})
	s.Sentinel.waitFor([]string{"SENTINEL", "REPLICAS", s.Name}, "\nmaster-link-status\nok\n")
	return s
}

// sentinelArgs writes the configuration that a sentinel needs, and keeps its
// state in.
func (s *Sentinels) sentinelArgs(dir string, port int) []string {
	path := filepath.Join(dir, "sentinel.conf")
	text := fmt.Sprintf("port %d\nbind 127.0.0.1\ndir %q\n"+
		"sentinel monitor %[3]s 127.0.0.1 %[4]d 1\nsentinel down-after-milliseconds %[3]s 60000\n",
		port, dir, s.Name, s.Master.port)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		s.Master.t.Fatalf("servers: %v", err)
	}
	return []string{path, "--sentinel"}
}

// Failover kills the master and waits until the replica is master, and the
// sentinel says so.
func (s *Sentinels) Failover() {
	s.Master.t.Helper()
	s.Master.Kill()
	s.Sentinel.Command("SENTINEL", "FAILOVER", s.Name)
	s.Replica.waitFor([]string{"ROLE"}, "master\n")
	s.Sentinel.waitFor([]string{"SENTINEL", "GET-MASTER-ADDR-BY-NAME", s.Name}, strings.ReplaceAll(s.Replica.Addr(), ":", "\n"))
}
