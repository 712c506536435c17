package servers

import (
	"bufio"
	"fmt"
	"net"
	"os/user"
	"strconv"
	"strings"
	"testing"
)

// Memcached starts a memcached, with what arguments it is given. A restart loses
// everything.
func Memcached(t testing.TB, args ...string) *Server {
	t.Helper()
	return start(t, kind{program: "memcached", apt: "memcached", args: memcachedArgs, ready: memcachedReady}, args...)
}

func memcachedArgs(_ string, port int) []string {
	args := []string{"-l", "127.0.0.1", "-p", strconv.Itoa(port), "-U", "0"}
	if me, err := user.Current(); err == nil && me.Uid == "0" {
		args = append(args, "-u", me.Username) // it does not run as root unless told to
	}
	return args
}

func memcachedReady(conn net.Conn) error {
	if _, err := fmt.Fprint(conn, "version\r\n"); err != nil {
		return err
	}
	line, err := bufio.NewReader(conn).ReadString('\n')
	if err != nil || strings.HasPrefix(line, "VERSION ") {
		return err
	}
	return fmt.Errorf("it says %q", line)
}
