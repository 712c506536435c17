package memcachedstore

import (
	"io"
	"net"
	"sync"
	"sync/atomic"
	"testing"
)

// wire is between clients and a server: it counts what goes to the server, and
// loses answers.
type wire struct {
	addr  string
	trips atomic.Int64           // pieces that went to the server
	lose  atomic.Int64           // how many of the next answers are lost, with their connections
	pass  atomic.Int64           // how many answers pass before
	lost  atomic.Pointer[func()] // called for each that is lost, if there is one

	mu    sync.Mutex
	conns []net.Conn
}

// wireTo listens for clients of a server. With an empty address it is a server
// itself, which says answer to whatever comes and hangs up.
func wireTo(t testing.TB, addr, answer string) *wire {
	t.Helper()
	return wireOn(t, "tcp", "127.0.0.1:0", addr, answer)
}

func wireOn(t testing.TB, network, address, addr, answer string) *wire {
	t.Helper()
	l, err := net.Listen(network, address)
	if err != nil {
		t.Fatal(err)
	}
	w := &wire{addr: l.Addr().String()}
	var all sync.WaitGroup
	all.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return // closed
			}
			w.keep(conn)
			if addr == "" {
				all.Go(func() { w.say(conn, answer) })
				continue
			}
			up, err := net.Dial("tcp", addr)
			if err != nil {
				conn.Close()
				continue
			}
			w.keep(up)
			all.Go(func() { w.forth(up, conn) })
			all.Go(func() { w.back(conn, up) })
		}
	})
	t.Cleanup(func() {
		l.Close()
		w.cut()
		all.Wait()
	})
	return w
}

func (w *wire) keep(conn net.Conn) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.conns = append(w.conns, conn)
}

// cut closes all connections.
func (w *wire) cut() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, conn := range w.conns {
		conn.Close()
	}
	w.conns = nil
}

func (w *wire) forth(server, client net.Conn) {
	defer server.Close()
	b := make([]byte, 1<<16)
	for {
		n, err := client.Read(b)
		if err != nil {
			return
		}
		w.trips.Add(1)
		if _, err := server.Write(b[:n]); err != nil {
			return
		}
	}
}

func (w *wire) back(client, server net.Conn) {
	defer client.Close()
	b := make([]byte, 1<<16)
	for {
		n, err := server.Read(b)
		if err != nil {
			return
		}
		if w.lose.Load() > 0 && w.pass.Add(-1) < 0 {
			w.lose.Add(-1)
			if lost := w.lost.Load(); lost != nil {
				(*lost)()
			}
			server.Close()
			return
		}
		if _, err := client.Write(b[:n]); err != nil {
			return
		}
	}
}

func (w *wire) say(client net.Conn, answer string) {
	defer client.Close()
	if _, err := client.Read(make([]byte, 1<<10)); err == nil {
		_, _ = io.WriteString(client, answer) // who does not listen is a test's matter
	}
}
