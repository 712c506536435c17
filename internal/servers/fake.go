package servers

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"sync"
	"testing"
)

// Fake starts what takes the commands of clients of Redis and answers as it is told,
// and returns its address. What is answered to a command is written to a connection;
// false closes it. It is called concurrently, by a goroutine of each connection.
func Fake(t testing.TB, answer func(to net.Conn, command []string) bool) (addr string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatalf("servers: %v", err)
	}
	f := fake{answer: answer, conns: map[net.Conn]bool{}}
	f.running.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			f.running.Go(func() { f.serve(conn) })
		}
	})
	t.Cleanup(func() {
		l.Close()
		f.end()
		f.running.Wait()
	})
	return l.Addr().String()
}

type fake struct {
	answer  func(to net.Conn, command []string) bool
	running sync.WaitGroup

	mu    sync.Mutex
	conns map[net.Conn]bool
	ended bool
}

func (f *fake) serve(conn net.Conn) {
	defer conn.Close()
	f.mu.Lock()
	f.conns[conn] = true
	ended := f.ended
	f.mu.Unlock()
	for r := bufio.NewReader(conn); !ended; {
		command, err := answer(r)
		if err != nil || !f.answer(conn, strings.Split(command, "\n")) {
			break
		}
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.conns, conn)
}

// end closes all connections.
func (f *fake) end() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.ended = true
	for conn := range f.conns {
		conn.Close()
	}
}

// Hello answers what a client sends first as a server does, of which version does
// not matter, and tells whether it was one of that.
func Hello(to net.Conn, command []string) bool {
	says := "+OK\r\n"
	switch strings.ToUpper(command[0]) {
	case "HELLO":
		says = "-ERR unknown command 'HELLO'\r\n"
	case "CLIENT", "SELECT", "AUTH":
	default:
		return false
	}
	_, _ = io.WriteString(to, says) // who does not hear it has gone
	return true
}

// Nonsense is what no Redis server answers, but for the first of them to some
// commands. On some of them go-redis panics.
var Nonsense = []string{
	"*0\r\n", "*-1\r\n", ">0\r\n", ">1\r\n$1\r\nx\r\n", "*-2\r\n", "$-2\r\n", "$x\r\n", "*x\r\n", "*1\r\n:1\r\n", "*3\r\n$7\r\nmessage\r\n:1\r\n:1\r\n",
	"*3\r\n$9\r\nsubscribe\r\n$1\r\nx\r\n$1\r\nx\r\n", "*2\r\n$8\r\npmessage\r\n$1\r\nx\r\n", "*1\r\n$4\r\npong\r\n", "*3\r\n$7\r\nmessage\r\n$1\r\nx\r\n*1\r\n:1\r\n",
	"$9223372036854775807\r\n", "*9223372036854775807\r\n", "%9223372036854775807\r\n", "~9223372036854775807\r\n", "=9223372036854775807\r\n", "!9223372036854775807\r\n", "$9223372036854775806\r\n",
	"%1\r\n*0\r\n*0\r\n", "%1\r\n*1\r\n:1\r\n:1\r\n", "|1\r\n+a\r\n+b\r\n", "|0\r\n", "\r\n", "?\r\n", "(\r\n", "(x\r\n", "_\r\n", "#x\r\n", ",\r\n", ",nan\r\n", "+OK\r\n", "+\r\n", ":\r\n", ":-1\r\n",
	":9223372036854775807\r\n", ":-9223372036854775808\r\n", "=3\r\nabc\r\n", "!3\r\nabc\r\n", "=5\r\ntxt:a\r\n", "*1\r\n*1\r\n$1\r\nx\r\n", "-\r\n", "-ERR\r\n", "-NOSCRIPT\r\n", "-MOVED 1 x:1\r\n", "-MOVED\r\n", "-ASK\r\n",
	"HTTP/1.1 400 Bad Request\r\n\r\n", "*2\r\n:9223372036854775807\r\n:9223372036854775807\r\n", "*2\r\n:0\r\n:9223372036854775807\r\n", "*2\r\n:0\r\n:-9223372036854775808\r\n", "*2\r\n:0\r\n:0\r\n",
	"*2\r\n$1\r\n0\r\n*1\r\n$1\r\nx\r\n", "*2\r\n$1\r\n7\r\n*3\r\n$1\r\nx\r\n$1\r\ny\r\n$1\r\nz\r\n", "*6\r\n$1\r\n1\r\n$1\r\ng\r\n:-1\r\n$1\r\nv\r\n:1\r\n:1\r\n", "*3\r\n$1\r\n1\r\n$1\r\n2\r\n$1\r\n3\r\n",
	"*3\r\n$20\r\n99999999999999999999\r\n$20\r\n-9999999999999999999\r\n$1\r\nv\r\n", "$20\r\n99999999999999999999\r\n",
}

// Bulk is a text as a server sends it.
func Bulk(text string) string { return "$" + strconv.Itoa(len(text)) + "\r\n" + text + "\r\n" }

// Array is answers as a server sends several in one.
func Array(answers ...string) string {
	return fmt.Sprintf("*%d\r\n%s", len(answers), strings.Join(answers, ""))
}
