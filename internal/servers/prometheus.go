package servers

import (
	"bufio"
	"fmt"
	"net"
	"net/http"
	"strconv"
	"testing"
)

// Prometheus starts a Prometheus that ingests native histograms, with a configuration
// file and what further arguments it is given.
func Prometheus(t testing.TB, config string, args ...string) *Server {
	t.Helper()
	k := kind{program: "prometheus", apt: "prometheus", ready: prometheusReady, args: func(dir string, port int) []string {
		return []string{"--config.file", config, "--storage.tsdb.path", dir, "--enable-feature", "native-histograms",
			"--web.listen-address", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)), "--log.level", "warn"}
	}}
	return start(t, k, args...)
}

func prometheusReady(conn net.Conn) error {
	if _, err := fmt.Fprint(conn, "GET /-/ready HTTP/1.0\r\n\r\n"); err != nil {
		return err
	}
	answer, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return fmt.Errorf("it says %s", answer.Status)
	}
	return nil
}

// Promtool is the path of Prometheus's promtool. Without it the test is skipped, or
// fails, as it does without a server.
func Promtool(t testing.TB) string {
	t.Helper()
	return find(t, kind{program: "promtool", apt: "prometheus"})
}
