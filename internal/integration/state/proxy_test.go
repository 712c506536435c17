package state

import (
	"errors"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/perennial-go/perennial/internal/servers"
)

// wireFault is what a proxy does to a member.
type wireFault int

const (
	whole wireFault = iota
	cut             // every connection is closed, and none is let through
	deaf            // what the member says arrives, and no answer does
)

// proxy stands on the wire between a member and the server. It ends with the
// test.
type proxy struct {
	listener net.Listener
	server   string
	running  sync.WaitGroup
	lag      time.Duration // of a round trip; a connection takes one more

	mu    sync.Mutex
	fault wireFault
	conns map[net.Conn]bool
}

func newProxy(t testing.TB, s *servers.Server) *proxy { return newSlowProxy(t, s, 0) }

func newSlowProxy(t testing.TB, s *servers.Server, lag time.Duration) *proxy {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	noError(t, err)
	p := &proxy{listener: l, server: s.Addr(), conns: map[net.Conn]bool{}, lag: lag}
	p.running.Go(p.accept)
	t.Cleanup(func() {
		noError(t, l.Close())
		p.set(cut)
		p.running.Wait()
	})
	return p
}

func (p *proxy) addr() string { return p.listener.Addr().String() }

// set puts a fault on the wire, or takes it away: then what was not answered never
// is.
func (p *proxy) set(f wireFault) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.fault == f {
		return
	}
	p.fault = f
	if f != deaf {
		for c := range p.conns {
			c.Close()
		}
	}
}

func (p *proxy) now() wireFault {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.fault
}

func (p *proxy) accept() {
	for {
		client, err := p.listener.Accept()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			continue
		}
		p.running.Go(func() { p.connect(client) })
	}
}

// connect passes on what a client that has come and the server say.
func (p *proxy) connect(client net.Conn) {
	time.Sleep(p.lag) // in real time, as all that is on the wire
	server, err := net.Dial("tcp", p.server)
	if err != nil {
		client.Close()
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.fault == cut {
		client.Close()
		server.Close()
		return
	}
	p.conns[client], p.conns[server] = true, true
	p.running.Go(func() { p.pump(server, client, false) })
	p.running.Go(func() { p.pump(client, server, true) })
}

// pump passes on what one side says, until either has had enough.
func (p *proxy) pump(to, from net.Conn, answers bool) {
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
		if answers {
			time.Sleep(p.lag) // in real time
		}
		if answers && p.now() == deaf {
			n = 0
		}
		if _, e := to.Write(piece[:n]); e != nil || err != nil {
			return
		}
	}
}
