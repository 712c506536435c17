package shared

import (
	"errors"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/perennial-go/perennial/internal/servers"
)

// proxy stands on the wire between a client and a server, and does to what the
// server says what a fault tells. It ends with the test.
type proxy struct {
	listener net.Listener
	server   string
	running  sync.WaitGroup

	mu    sync.Mutex
	fault fault
	conns map[net.Conn]bool
	done  chan struct{} // closed at the end
}

// fault is what becomes of a piece of what the server says: what is passed on,
// when, and whether the connection is cut then. A reply is a piece of its own,
// as nobody says two things at once on one connection here.
type fault struct {
	refuse bool // cut every connection at once
	wait   time.Duration
	mangle func(piece []byte) (passed []byte, cut bool)
}

func newProxy(t testing.TB, s *servers.Server) *proxy {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	noError(t, err)
	p := &proxy{listener: l, server: s.Addr(), conns: map[net.Conn]bool{}, done: make(chan struct{})}
	p.running.Go(p.accept)
	t.Cleanup(func() {
		close(p.done)
		noError(t, l.Close())
		p.cut()
		p.running.Wait()
	})
	return p
}

func (p *proxy) addr() string { return p.listener.Addr().String() }

// set puts a fault on the wire; one of the zero value is none.
func (p *proxy) set(f fault) {
	p.mu.Lock()
	p.fault = f
	p.mu.Unlock()
	if f.refuse {
		p.cut()
	}
}

func (p *proxy) now() fault {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.fault
}

// cut closes every connection.
func (p *proxy) cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for c := range p.conns {
		c.Close()
	}
}

func (p *proxy) accept() {
	for {
		client, err := p.listener.Accept()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil || p.now().refuse {
			if client != nil {
				client.Close()
			}
			continue
		}
		server, err := net.Dial("tcp", p.server)
		if err != nil {
			client.Close()
			continue
		}
		p.mu.Lock()
		p.conns[client], p.conns[server] = true, true
		p.mu.Unlock()
		p.running.Go(func() { p.pump(server, client, false) })
		p.running.Go(func() { p.pump(client, server, true) })
	}
}

// pump passes on what one side says, until either has had enough.
func (p *proxy) pump(to, from net.Conn, mangled bool) {
	defer func() {
		to.Close()
		from.Close()
		p.mu.Lock()
		defer p.mu.Unlock()
		delete(p.conns, to)
		delete(p.conns, from)
	}()
	piece := make([]byte, 64<<10)
	for {
		n, err := from.Read(piece)
		passed, cut := piece[:n], err != nil
		if f := p.now(); mangled && n > 0 {
			p.rest(f.wait)
			if f.mangle != nil {
				var ends bool
				passed, ends = f.mangle(passed)
				cut = cut || ends
			}
		}
		if _, err := to.Write(passed); err != nil || cut {
			return
		}
	}
}

func (p *proxy) rest(d time.Duration) {
	if d == 0 {
		return
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-p.done:
	}
}
