package servers

import (
	"bufio"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
)

// TestMain fails if a goroutine outlives the tests.
func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestRedis(t *testing.T) {
	t.Parallel()
	s := Redis(t)
	s.Command("SET", "a key", "a value")
	if got := s.Command("MGET", "a key", "none"); got != "a value\n" {
		t.Errorf("MGET returns %q", got)
	}
	s.Restart()
	if got := s.Command("GET", "a key"); got != "" {
		t.Errorf("after a restart there is %q, want nothing", got)
	}
}

func TestDurableRedis(t *testing.T) {
	t.Parallel()
	s := Redis(t, Durable...)
	addr := s.Addr()
	s.Command("SET", "a", "1")
	s.Kill()
	if err := s.ping(); err == nil {
		t.Error("it answers after it was killed")
	}
	s.Restart()
	if got := s.Command("GET", "a"); got != "1" || s.Addr() != addr {
		t.Errorf("after a restart there is %q at %s, want what was acknowledged at %s", got, s.Addr(), addr)
	}
}

func TestRedisWithPassword(t *testing.T) {
	t.Parallel()
	s := Redis(t, "--requirepass", "secret")
	if _, err := s.try("GET", "a"); err == nil || !strings.HasPrefix(err.Error(), "NOAUTH") {
		t.Errorf("it answers %v, want NOAUTH", err)
	}
}

func TestRedisOnSocket(t *testing.T) {
	t.Parallel()
	path := SocketPath(t)
	Redis(t, "--unixsocket", path)
	conn, err := net.Dial("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if got, err := command(conn, "PING"); got != "PONG" {
		t.Errorf("PING returns %q, %v", got, err)
	}
}

func TestStop(t *testing.T) {
	t.Parallel()
	s := Redis(t)
	s.Stop()
	conn, err := dial(s.Addr()) // the kernel accepts
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(100 * time.Millisecond)); err != nil {
		t.Fatal(err)
	}
	if _, err := command(conn, "PING"); !os.IsTimeout(err) {
		t.Errorf("a halted server answers %v", err)
	}
	s.Cont()
	if err := until(s.ping); err != nil {
		t.Errorf("it does not go on: %v", err)
	}
}

func TestServerThatDoesNotStart(t *testing.T) {
	t.Parallel()
	s := &Server{t: t, kind: redis, path: find(t, redis), dir: t.TempDir(), port: freePort(t), args: []string{"--no-such-option", "yes"}}
	if err := s.run(); err == nil || !strings.Contains(err.Error(), "no-such-option") {
		t.Errorf("run says %v, want what the server has printed", err)
	}
}

func TestMissingProgram(t *testing.T) {
	t.Setenv("PERENNIAL_NEED_SERVERS", "")
	t.Run("skipped", func(t *testing.T) {
		t.Cleanup(func() {
			if !t.Skipped() {
				t.Error("the test is not skipped")
			}
		})
		find(t, kind{program: "no-such-server", apt: "none"})
		t.Error("the test goes on")
	})
}

func TestRedisCluster(t *testing.T) {
	t.Parallel()
	nodes := RedisCluster(t)
	moved := 0
	for _, node := range nodes {
		if _, err := node.try("SET", "a", "1"); err != nil {
			if !strings.HasPrefix(err.Error(), "MOVED ") {
				t.Errorf("SET at %s: %v", node.Addr(), err)
			}
			moved++
		}
	}
	if moved != len(nodes)-1 {
		t.Errorf("%d of %d nodes send a client elsewhere, want all but one", moved, len(nodes))
	}
}

func TestRedisSentinel(t *testing.T) {
	t.Parallel()
	s := RedisSentinel(t)
	s.Master.Command("SET", "a", "1")
	s.Replica.waitFor([]string{"GET", "a"}, "1")
	if _, err := s.Replica.try("SET", "a", "2"); err == nil || !strings.HasPrefix(err.Error(), "READONLY") {
		t.Errorf("a replica answers a SET with %v", err)
	}
	s.Failover()
	s.Replica.Command("SET", "a", "2")
}

func TestMemcached(t *testing.T) {
	t.Parallel()
	s := Memcached(t)
	conn, err := dial(s.Addr())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := conn.Write([]byte("set a 0 0 1\r\n1\r\n")); err != nil {
		t.Fatal(err)
	}
	if line, err := bufio.NewReader(conn).ReadString('\n'); line != "STORED\r\n" {
		t.Errorf("set says %q, %v", line, err)
	}
	s.Restart()
}

// What listens where a server is expected may answer anything.
func TestLongAnswers(t *testing.T) {
	for _, said := range []string{"$9223372036854775807\r\n", "$9223372036854775805\r\n"} {
		if text, err := answer(bufio.NewReader(strings.NewReader(said))); err == nil {
			t.Errorf("%q is taken for %q", said, text)
		}
	}
}

// Nobody is given a port that another test has, though no server listens there yet.
func TestPortsAreClaimed(t *testing.T) {
	var port int
	t.Run("one test", func(t *testing.T) {
		port = freePort(t)
		if claim(t, port) || claim(t, port+busOffset) {
			t.Error("two have one port")
		}
		if port+busOffset >= 32768 {
			t.Error("a port may be given to a connection while the server is down")
		}
	})
	if !claim(t, port) {
		t.Error("the port of a test that has ended stays taken")
	}
}
